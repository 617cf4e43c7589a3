import {
  concatBytes,
  type DeviceId,
  equalBytes,
  fromHex,
  parseDeviceId,
  sha256,
  toBase32,
  utf8,
} from '../../foundation/base/index.ts'
import { spkiAlgorithm } from '../../foundation/codec/index.ts'
import { pkiErrors } from './errors.ts'
import { isPskIdentity } from './psk.ts'

/** What a device id is computed from; MAC address and UUID stay in the registry. */
export interface DeviceIdFacts {
  /** Permanent MAC address, 6 bytes; see {@link chooseMac}. */
  readonly mac: Uint8Array
  /** Version 7, lower case, minted by the authority. */
  readonly uuid: string
  /** SubjectPublicKeyInfo of the first identity key, DER. */
  readonly identitySpki: Uint8Array
}

const DOMAIN_TAG = utf8('kos-device-id-v1')
const MAC_BYTES = 6
const ID_BYTES = 16
const UUID_V7 = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/

/**
 * Computes a device id, once, at enrolment: `kdev-` and base32 of the first 128 bits of
 * SHA-256(tag ‖ MAC ‖ UUID ‖ SHA-256(SPKI)). Every part has a fixed length.
 *
 * **Security:** the id is a name and proves nothing; with UUID and key public, a MAC address falls
 * to 2^48 hashes, so neither leaves the registry.
 *
 * @param facts - see {@link DeviceIdFacts}
 * @returns 31 characters
 * @throws KosError KOS_PKI_DEVICE_ID when a fact has another form
 * @see identity: Device id
 */
export function deriveDeviceId(facts: DeviceIdFacts): DeviceId {
  const { mac, uuid, identitySpki } = facts
  if (mac.length !== MAC_BYTES) throw pkiErrors.error('KOS_PKI_DEVICE_ID', { rule: 'mac' })
  const uuidBytes = UUID_V7.test(uuid) ? fromHex(uuid.replaceAll('-', '')) : undefined
  if (!uuidBytes) throw pkiErrors.error('KOS_PKI_DEVICE_ID', { rule: 'uuid' })
  try {
    // A device with a pre-shared key has no identity key: the name of its key stands for it.
    if (!isPskIdentity(identitySpki)) spkiAlgorithm(identitySpki)
  } catch (cause) {
    throw pkiErrors.error('KOS_PKI_DEVICE_ID', { rule: 'identity-key' }, cause)
  }
  const digest = sha256(concatBytes(DOMAIN_TAG, mac, uuidBytes, sha256(identitySpki)))
  const id = parseDeviceId(`kdev-${toBase32(digest.subarray(0, ID_BYTES))}`)
  if (!id) throw pkiErrors.error('KOS_PKI_DEVICE_ID', { rule: 'form' })
  return id
}

const MAC_TEXT = /^[0-9a-f]{2}(?::[0-9a-f]{2}){5}$/i
const NO_MAC = new Uint8Array(MAC_BYTES)
/** IEEE 802 section 8.2: bits of the first octet. */
const GROUP_BIT = 0x01
const LOCAL_BIT = 0x02

/**
 * Chooses the MAC address that counts for the device id: the lowest globally administered one, else
 * the lowest, else six zero bytes.
 *
 * @param candidates - texts like `02:00:5e:10:00:01`; anything else, group addresses and all zeros
 *   (loopback) are passed over
 * @returns 6 bytes
 */
export function chooseMac(candidates: readonly string[]): Uint8Array {
  const addresses = candidates
    .filter((text) => MAC_TEXT.test(text))
    .map((text) => Buffer.from(text.replaceAll(':', ''), 'hex'))
    .filter((mac) => !hasBit(mac, GROUP_BIT) && !equalBytes(mac, NO_MAC))
    .toSorted((a, b) => Buffer.compare(a, b))
  return addresses.find((mac) => !hasBit(mac, LOCAL_BIT)) ?? addresses[0] ?? NO_MAC.slice()
}

const hasBit = (mac: Uint8Array, bit: number): boolean => ((mac[0] ?? 0) & bit) !== 0
