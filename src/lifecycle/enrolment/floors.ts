import { fromHex, refuse, type Refusal } from '../../foundation/base/index.ts'
import { profileOf, type ProfileName, refuseDowngrade } from '../../foundation/profiles/index.ts'
import type { EnrolmentTransaction, TokenRecord } from './records.ts'

/** Bit of the first octet: the address was not given by a maker. @see IEEE 802 section 8.4 */
const LOCALLY_ADMINISTERED = 0x02

/**
 * Refuses a join that would bring a device in with less than it has: with the identity key of another
 * record, or as a second record of the same machine. Removed records count.
 *
 * **Security:** a MAC address is what the device says: the rule is for honest machines and mistakes.
 * Addresses that no maker gave, as virtual machines have, say nothing.
 *
 * @param device - MAC address as hexadecimal, and the hash of the identity key where there is one
 * @returns `undefined`, or a refusal KOS_ENROLMENT_FLOOR (`floor/identity-key`, `floor/device-record`)
 */
export function floorProblem(
  transaction: EnrolmentTransaction,
  token: TokenRecord,
  device: { readonly mac: string; readonly identityKeyHash: string | undefined },
): Refusal | undefined {
  const { mac, identityKeyHash } = device
  const use = identityKeyHash === undefined ? undefined : transaction.keyUse(identityKeyHash)
  const known = use && transaction.principal(use.principalId)
  if (known && isLower(token, known.profile)) return lower('floor/identity-key', known.profile)
  if (token.kind !== 'device' || !isGivenByMaker(mac)) return undefined
  const floor = transaction.floorOfMac(mac)
  return floor && isLower(token, floor) ? lower('floor/device-record', floor) : undefined
}

function isGivenByMaker(mac: string): boolean {
  const [first = LOCALLY_ADMINISTERED] = fromHex(mac) ?? []
  return (first & LOCALLY_ADMINISTERED) === 0
}

function isLower(token: TokenRecord, floor: ProfileName): boolean {
  return refuseDowngrade(profileOf(floor), profileOf(token.profile)) !== undefined
}

function lower(rule: string, floor: ProfileName): Refusal {
  return refuse('KOS_ENROLMENT_FLOOR', rule, {
    remedy: `This device has ${floor}: ask for a token of that profile.`,
    details: { floor },
  })
}
