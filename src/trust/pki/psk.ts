import { hkdfSync } from 'node:crypto'
import {
  concatBytes,
  equalBytes,
  type Random,
  Secret,
  type Sha256,
  sha256,
  toHex,
  utf8,
} from '../../foundation/base/index.ts'

/** Length of the root of a pre-shared key in bytes. */
export const PSK_ROOT_BYTES: number = 32
/** A new key is made when the one in use is this old. @see profiles: SEC-1 */
export const PSK_LIFE_MS: number = 90 * 24 * 60 * 60 * 1000
/** How long the key before may still be used when the new one never is. @see identity: SEC-1 keys */
export const PSK_OVERLAP_MS: number = 7 * 24 * 60 * 60 * 1000

const HANDLE_BYTES = 12
const HANDLE = /^[0-9a-f]{24}$/
const NO_SALT = new Uint8Array(0)
const HANDLE_TAG = utf8('kos-psk-handle')
const IDENTITY_TAG = utf8('kos-psk-identity')

/** The two keys of a root: one is never used in place of the other. */
export interface PskKeys {
  /** What TLS is made with. */
  readonly tls: Secret
  /** What AUTH proves. */
  readonly auth: Secret
}

/**
 * Makes the TLS identity of a new key: it travels in clear, so it is random and new per generation.
 *
 * @returns 96 random bits as 24 lower-case hexadecimal digits
 */
export function newPskHandle(random: Random): string {
  return toHex(random.bytes(HANDLE_BYTES))
}

/** Whether a text has the form of a handle. */
export function isPskHandle(text: string): boolean {
  return HANDLE.test(text)
}

/**
 * What the binding of AUTH says in place of a leaf's key, for both ends.
 *
 * @param handle - as it stood in TLS
 * @returns SHA-256('kos-psk-handle' ‖ handle)
 */
export function pskHandleHash(handle: string): Sha256 {
  return sha256(concatBytes(HANDLE_TAG, utf8(handle)))
}

/**
 * Stands in for the identity key's SubjectPublicKeyInfo of a device that has none: its SHA-256 is the
 * identity of the device through all generations of its key.
 *
 * @param firstHandle - of the first generation
 * @returns 'kos-psk-identity' ‖ handle; public
 */
export function pskIdentity(firstHandle: string): Uint8Array {
  return concatBytes(IDENTITY_TAG, utf8(firstHandle))
}

/** Whether bytes are a {@link pskIdentity}; no SubjectPublicKeyInfo begins like one. */
export function isPskIdentity(bytes: Uint8Array): boolean {
  const handle = Buffer.from(bytes.subarray(IDENTITY_TAG.length)).toString('latin1')
  return equalBytes(bytes.subarray(0, IDENTITY_TAG.length), IDENTITY_TAG) && isPskHandle(handle)
}

/**
 * Derives the keys of a root.
 *
 * @param root - 32 random bytes
 * @returns 32 bytes each; the caller disposes of them
 * @see RFC 5869
 */
export function derivePskKeys(root: Secret): PskKeys {
  return { tls: expand(root, 'kos1 tls psk'), auth: expand(root, 'kos1 auth') }
}

function expand(root: Secret, info: string): Secret {
  return root.use((ikm) =>
    Secret.take(new Uint8Array(hkdfSync('sha256', ikm, NO_SALT, utf8(info), PSK_ROOT_BYTES))),
  )
}
