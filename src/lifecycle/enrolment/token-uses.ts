import { parseDeviceId, refuse, type Refusal, type UnixMs } from '../../foundation/base/index.ts'
import { NAME, newNameProblem } from './names.ts'
import type { EnrolmentTransaction, TokenRecord, TokenUse } from './records.ts'

/** Most devices that one join token brings in. */
export const MAX_TOKEN_USES = 10_000

/** `camera-0001` to `camera-9999`, then `camera-10000`. */
const NAME_DIGITS = 4
/** Numbers that are tried, beyond as many as the token has uses: names of others lie between. */
const MORE_NUMBERS = 1000

/**
 * The token as it is for one device. A token for several devices gives the name that the device asks
 * for, when it begins as the token says and nobody has it or was promised it, else the next number.
 *
 * @param wanted - what the device would like to be called: nothing that is believed
 * @returns the token with the name, or a refusal `KOS_ENROLMENT_NAME_TAKEN`
 */
export function tokenForDevice(
  transaction: EnrolmentTransaction,
  token: TokenRecord,
  { wanted, nowMs }: { readonly wanted: string | undefined; readonly nowMs: UnixMs },
): TokenRecord | Refusal {
  const { uses, name: prefix } = token
  if (!uses) return token
  const isFree = (name: string): boolean =>
    !newNameProblem(transaction, { kind: token.kind, name }, nowMs)
  if (wanted !== undefined && isBelow(prefix, wanted) && isFree(wanted)) {
    return { ...token, name: wanted }
  }
  for (let number = uses.next; number < uses.next + uses.max + MORE_NUMBERS; number++) {
    const name = `${prefix}${String(number).padStart(NAME_DIGITS, '0')}`
    if (isFree(name)) return { ...token, name, uses: { ...uses, next: number + 1 } }
  }
  return refuse('KOS_ENROLMENT_NAME_TAKEN', 'name/numbers', {
    remedy: 'Create a token with another beginning of the names.',
    details: { name: prefix },
  })
}

/** A name that reads as an id could be taken for another device. */
function isBelow(prefix: string, name: string): boolean {
  return name.startsWith(prefix) && NAME.test(name) && parseDeviceId(name) === undefined
}

/** Marks a token as used, for one device or one of several; `false` when it is no longer open. */
export function consumeToken(
  transaction: EnrolmentTransaction,
  { id, uses }: TokenRecord,
  use: TokenUse,
): boolean {
  if (uses) return transaction.useToken(id, use, uses.next)
  const { keyHash: tlsKeyHash, principalId } = use
  return transaction.spendToken(id, { tlsKeyHash, principalId })
}
