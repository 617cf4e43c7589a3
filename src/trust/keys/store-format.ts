import { type Schema, validate, zm } from '../../foundation/base/index.ts'
import {
  type CborInput,
  cborToPlain,
  codecErrors,
  decodeCbor,
  encodeCbor,
} from '../../foundation/codec/index.ts'
import { keysErrors } from './errors.ts'
import { KEY_ALGORITHMS, KEY_PURPOSES, type KeyAlgorithm, type KeyPurpose } from './key-types.ts'
import { SALT_BYTES } from './sealing.ts'

/** Upper bound of the whole file. */
export const MAX_STORE_BYTES: number = 1024 * 1024
/** Upper bound of one secret. */
export const MAX_SECRET_BYTES: number = 64 * 1024
/** Upper bound of keys and secrets together. */
export const MAX_ENTRIES = 256
const NAME = /^[a-z0-9][a-z0-9._-]{0,63}$/
const LIMITS = { maxBytes: MAX_STORE_BYTES, maxItems: 8192, maxTextBytes: 64, maxDepth: 4 }

const bytes = (min: number, max: number): Schema<Uint8Array> =>
  zm.custom<Uint8Array>(
    (value) => value instanceof Uint8Array && value.length >= min && value.length <= max,
  )

const keyEntry = zm.strictObject({
  kind: zm.literal('key'),
  name: zm.string().check(zm.regex(NAME)),
  purpose: zm.enum(KEY_PURPOSES),
  algorithm: zm.enum(KEY_ALGORITHMS),
  spki: bytes(1, 4096),
  sealed: bytes(28, 16_384),
})
const secretEntry = zm.strictObject({
  kind: zm.literal('secret'),
  name: zm.string().check(zm.regex(NAME)),
  sealed: bytes(28, MAX_SECRET_BYTES + 28),
})
const unlock = zm.discriminatedUnion('kind', [
  zm.strictObject({ kind: zm.literal('file') }),
  zm.strictObject({
    kind: zm.literal('passphrase'),
    derivation: zm.enum(['scrypt', 'pbkdf2']),
    salt: bytes(SALT_BYTES, SALT_BYTES),
  }),
])
const storeDocument = zm.strictObject({
  format: zm.literal('kos-keystore-v1'),
  id: bytes(16, 16),
  unlock,
  check: bytes(28, 28),
  entries: zm
    .array(zm.discriminatedUnion('kind', [keyEntry, secretEntry]))
    .check(zm.maxLength(MAX_ENTRIES)),
})

/** A private key as it stands in the file. */
export interface KeyEntry {
  readonly kind: 'key'
  readonly name: string
  readonly purpose: KeyPurpose
  readonly algorithm: KeyAlgorithm
  readonly spki: Uint8Array
  readonly sealed: Uint8Array
}

/** A secret as it stands in the file. */
export interface SecretEntry {
  readonly kind: 'secret'
  readonly name: string
  readonly sealed: Uint8Array
}

/** A key or a secret. */
export type StoreEntry = KeyEntry | SecretEntry

/** How the file's key is found. */
export type StoredUnlock =
  | { readonly kind: 'file' }
  | {
      readonly kind: 'passphrase'
      readonly derivation: 'scrypt' | 'pbkdf2'
      readonly salt: Uint8Array
    }

/** The whole file. */
export interface StoreDocument {
  readonly format: 'kos-keystore-v1'
  readonly id: Uint8Array
  readonly unlock: StoredUnlock
  /** Seals nothing: opens only under the right key. */
  readonly check: Uint8Array
  readonly entries: readonly StoreEntry[]
}

/** What distinguishes an entry from all others of the store. */
export type EntryFacts = Omit<KeyEntry, 'sealed'> | Omit<SecretEntry, 'sealed'>

/** Whether a text may name a key or secret. */
export function isName(name: string): boolean {
  return NAME.test(name)
}

/** What an entry is sealed together with: it cannot stand under another name or purpose. */
export function entryBinding(storeId: Uint8Array, entry: EntryFacts): CborInput {
  const { kind, name } = entry
  const context = ['kos-keystore-entry-v1', storeId, kind, name]
  return entry.kind === 'secret'
    ? context
    : [...context, entry.purpose, entry.algorithm, entry.spki]
}

/** What the check value is sealed together with; it tells a wrong key from a damaged entry. */
export function checkBinding(storeId: Uint8Array): CborInput {
  return ['kos-keystore-check-v1', storeId]
}

/** Encodes the file. @throws KOS_KEYS_WRITE when it would be too large to be read again */
export function encodeStore(document: StoreDocument): Uint8Array {
  const encoded = encodeCbor({
    ...document,
    unlock: { ...document.unlock },
    entries: document.entries.map((entry) => ({ ...entry })),
  })
  if (encoded.length > MAX_STORE_BYTES || document.entries.length > MAX_ENTRIES) {
    throw keysErrors.error('KOS_KEYS_WRITE', { rule: 'too many keys' })
  }
  return encoded
}

/** Decodes the file. @throws KOS_KEYS_CORRUPT when it is truncated or anything else is wrong */
export function decodeStore(encoded: Uint8Array): StoreDocument {
  const result = validate<StoreDocument>(storeDocument, decodePlain(encoded), {
    maxDepth: 8,
    maxItems: 8192,
  })
  if (!result.allow) throw keysErrors.error('KOS_KEYS_CORRUPT', { rule: result.rule })
  const seen = new Set<string>()
  for (const { kind, name } of result.value.entries) {
    const key = `${kind} ${name}`
    if (seen.has(key)) throw keysErrors.error('KOS_KEYS_CORRUPT', { rule: 'double entry', name })
    seen.add(key)
  }
  return result.value
}

function decodePlain(encoded: Uint8Array): unknown {
  try {
    return cborToPlain(decodeCbor(encoded, LIMITS))
  } catch (cause) {
    if (!codecErrors.has(cause)) throw cause
    throw keysErrors.error('KOS_KEYS_CORRUPT', { rule: 'encoding' }, cause)
  }
}
