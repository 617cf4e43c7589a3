import {
  equalBytes,
  isRefusal,
  refuse,
  type Refusal,
  type Secret,
  utf8,
} from '../../foundation/base/index.ts'
import {
  CborReader,
  CborWriter,
  codecErrors,
  macCose0,
  verifyCoseMac0,
} from '../../foundation/codec/index.ts'
import { sessionErrors } from './errors.ts'
import { MAX_CONTROL_BYTES } from './frames.ts'
import { malformed, readFixed } from './hello.ts'

/** External data of the MAC: no MAC of another purpose is good for AUTH. */
const CONTEXT_BYTES = utf8('kos-auth-psk-v1')
/** Field 1 is the identity key, of which there is none here. */
const [KEY_MAC, KEY_MACHINE] = [2, 5]
/** Length of what tells two machines with one key apart. */
export const MACHINE_BYTES: number = 32

/**
 * Encodes the AUTH payload of a pre-shared-key channel: the MAC over binding and machine by the
 * authentication key of the handle, and the machine.
 *
 * @param binding - as the COSE_Sign1 of a certificate channel has it
 * @param own - the handle of TLS, and what this machine is known by
 * @param authKey - 32 bytes, never the key that TLS uses
 * @see RFC 9052 section 6.2
 */
export function encodePskAuth(
  binding: Uint8Array,
  own: { readonly handle: string; readonly machine: Uint8Array },
  authKey: Secret,
): Uint8Array {
  const key = { keyId: utf8(own.handle), secret: authKey }
  const content = { payload: binding, externalAad: externalOf(own.machine) }
  const writer = new CborWriter()
  writer.map(2)
  writer.uint(KEY_MAC)
  writer.bytes(macCose0(content, key))
  writer.uint(KEY_MACHINE)
  writer.bytes(own.machine)
  return writer.take()
}

/**
 * Verifies the AUTH payload of a pre-shared-key channel.
 *
 * @param payload - of the AUTH frame
 * @param binding - as this end sees it, with the peer in the role of the maker
 * @param key - handle and authentication key of the channel
 * @returns what the peer says its machine is known by, or a refusal KOS_SESSION_AUTH whose rule is
 *   for the log only
 *
 * **Security:** both ends can make this MAC: it is the role in the binding that ends reflection. Who
 * holds the key can name any machine.
 */
export function verifyPskAuth(
  payload: Uint8Array,
  binding: Uint8Array,
  { handle, authKey }: { readonly handle: string; readonly authKey: Secret },
): Uint8Array | Refusal {
  try {
    const { mac, machine } = decodePskAuth(payload)
    const checked = verifyCoseMac0(mac, {
      externalAad: externalOf(machine),
      maxBytes: MAX_CONTROL_BYTES,
      key: { keyId: utf8(handle), secret: authKey },
    })
    if (isRefusal(checked)) return refuse('KOS_SESSION_AUTH', checked.rule)
    return equalBytes(checked.payload, binding) ? machine : refuse('KOS_SESSION_AUTH', 'binding')
  } catch (error) {
    if (!codecErrors.has(error) && !sessionErrors.has(error)) throw error
    return refuse('KOS_SESSION_AUTH', `format: ${String(error.details['rule'])}`)
  }
}

function externalOf(machine: Uint8Array): Uint8Array {
  const external = new Uint8Array(CONTEXT_BYTES.length + machine.length)
  external.set(CONTEXT_BYTES)
  external.set(machine, CONTEXT_BYTES.length)
  return external
}

function decodePskAuth(payload: Uint8Array): {
  readonly mac: Uint8Array
  readonly machine: Uint8Array
} {
  const reader = new CborReader(payload)
  if (reader.map() !== 2) throw malformed('auth: fields')
  if (reader.uint() !== KEY_MAC) throw malformed('auth: unknown field')
  const mac = new Uint8Array(reader.bytes())
  if (reader.uint() !== KEY_MACHINE) throw malformed('auth: unknown field')
  const machine = readFixed(reader, MACHINE_BYTES)
  reader.end()
  return { mac, machine }
}
