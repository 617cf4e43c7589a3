import { createHash } from 'node:crypto'
import {
  fromBase64Url,
  type Random,
  refuse,
  type Refusal,
  Secret,
  toBase64Url,
  toHex,
} from '../../foundation/base/index.ts'
import type { CborInput } from '../../foundation/codec/index.ts'
import { keysErrors } from './errors.ts'
import type { KeyStore } from './key-types.ts'
import { seal, STORE_KEY_BYTES, unseal } from './sealing.ts'

/** Longest value that is sealed, in bytes. */
export const MAX_SEALED_VALUE_BYTES: number = 16 * 1024

const MARK = 'kos-sealed:'
/** Nonce, tag and the longest value in base64url. */
const SEALED = /^kos-sealed:v1:([0-9a-f]{16}):([A-Za-z0-9_-]{38,21884})$/
const KEY_NAME = /^config-key-([1-9][0-9]{0,8})$/
const KEY_ID_BYTES = 8
const UNOWNED = new Uint8Array(0)

/**
 * Seals single values of files outside the key store, such as a configuration: one text per value,
 * `kos-sealed:v1:KEY-ID:base64url(nonce ‖ ciphertext ‖ tag)`, by AES-256-GCM under a secret
 * `config-key-N` of the store. The path of the value and the owner of the store (its identity key, once
 * it has one) are associated data: a value that was moved does not open.
 *
 * **Security:** whoever can write the file can put an older value back in its own place, or take it out.
 */
export interface ValueKeys {
  /** Id of the key that values are sealed under from now on; `undefined`: there is none yet. */
  readonly current: string | undefined
  /**
   * Seals a value.
   *
   * @param path - names from the root of the file to the value
   * @param plain - at most {@link MAX_SEALED_VALUE_BYTES}
   * @throws KOS_KEYS_NOT_FOUND without a key; KOS_KEYS_WRITE when the value is too long
   */
  seal(path: readonly string[], plain: Secret): string
  /**
   * Opens a value; the caller disposes of it.
   *
   * @returns a refusal KOS_KEYS_SEALED otherwise; its rule is `sealed/form` (cut or no sealed value),
   * `sealed/key` (under a key that is not in this store, `details.key`) or `sealed/other` (changed, or
   * sealed for another path or owner)
   */
  open(path: readonly string[], text: string): Secret | Refusal
  /** Makes another key, which counts from now on; durable on return. @throws what the store throws */
  addKey(): void
  /** Forgets all keys but the current one; durable on return. @throws what the store throws */
  dropOldKeys(): void
}

/** Whether a text claims to be a sealed value; it may still be cut, moved or of another folder. */
export function isSealedText(text: string): boolean {
  return text.startsWith(MARK)
}

/** Id of the key that a sealed value names; `undefined`: the text is no whole sealed value. */
export function sealedKeyId(text: string): string | undefined {
  const [, id, encoded = ''] = SEALED.exec(text) ?? []
  return fromBase64Url(encoded) && id
}

/**
 * The keys for values of files, in a store that stays open while they are used.
 *
 * @param deps - randomness for keys and nonces
 * @param store - where the keys are
 */
export function openValueKeys(deps: { readonly random: Random }, store: KeyStore): ValueKeys {
  const { random } = deps
  let ids = idsOf(store)
  const current = (): string | undefined => [...ids.keys()].at(-1)
  const keyOf = (id: string): Secret | undefined => {
    const name = ids.get(id)
    return name === undefined ? undefined : store.openSecret(name)
  }
  return {
    get current() {
      return current()
    },
    seal: (path, plain) => {
      const id = current() ?? ''
      using key = keyOf(id)
      if (!key) throw keysErrors.error('KOS_KEYS_NOT_FOUND', { name: 'config-key' })
      if (plain.length > MAX_SEALED_VALUE_BYTES) {
        throw keysErrors.error('KOS_KEYS_WRITE', { rule: 'secret too long' })
      }
      const associated = binding({ id, path, owner: ownerOf(store) })
      const sealed = plain.use((bytes) => seal(key, bytes, { random, associated }))
      return `${MARK}v1:${id}:${toBase64Url(sealed)}`
    },
    open: (path, text) => {
      const [, id = '', encoded = ''] = SEALED.exec(text) ?? []
      const sealed = fromBase64Url(encoded)
      if (id === '' || !sealed) return refuse('KOS_KEYS_SEALED', 'sealed/form')
      using key = keyOf(id)
      if (!key) return refuse('KOS_KEYS_SEALED', 'sealed/key', { details: { key: id } })
      const owner = ownerOf(store)
      return (
        unseal(key, sealed, binding({ id, path, owner })) ??
        // Sealed before there was an identity: the key alone is the owner then.
        unseal(key, sealed, binding({ id, path, owner: UNOWNED })) ??
        refuse('KOS_KEYS_SEALED', 'sealed/other')
      )
    },
    addKey: () => {
      using key = Secret.take(random.bytes(STORE_KEY_BYTES))
      store.sealSecret(`config-key-${nextNumber(store)}`, key)
      ids = idsOf(store)
    },
    dropOldKeys: () => {
      for (const name of [...ids.values()].slice(0, -1)) store.removeSecret(name)
      ids = idsOf(store)
    },
  }
}

/**
 * Sees to it that a store has a key for values of files, so that they can be sealed while a daemon that
 * keeps the store open runs: sealing only reads it then.
 *
 * @throws what {@link ValueKeys.addKey} throws
 */
export function ensureValueKey(deps: { readonly random: Random }, store: KeyStore): void {
  const keys = openValueKeys(deps, store)
  if (keys.current === undefined) keys.addKey()
}

/** Key id → name of the secret, oldest first. */
function idsOf(store: KeyStore): ReadonlyMap<string, string> {
  const names = numbered(store).map(({ name }) => name)
  return new Map(names.map((name) => [keyId(store, name), name]))
}

function numbered(store: KeyStore): readonly { readonly name: string; readonly number: number }[] {
  return store
    .listSecrets()
    .map((name) => ({ name, number: Number(KEY_NAME.exec(name)?.[1] ?? 0) }))
    .filter(({ number }) => number > 0)
    .toSorted((a, b) => a.number - b.number)
}

function nextNumber(store: KeyStore): number {
  return (numbered(store).at(-1)?.number ?? 0) + 1
}

/** Says nothing of a key of 256 random bits. */
function keyId(store: KeyStore, name: string): string {
  using key = store.openSecret(name)
  const digest = key?.use((bytes) =>
    createHash('sha256').update('kos-config-key-v1').update(bytes).digest(),
  )
  return toHex(digest?.subarray(0, KEY_ID_BYTES) ?? UNOWNED)
}

/** Who the folder belongs to: a principal keeps its identity key for life. */
function ownerOf(store: KeyStore): Uint8Array {
  return store.get('identity')?.keyId ?? UNOWNED
}

function binding(value: {
  readonly id: string
  readonly path: readonly string[]
  readonly owner: Uint8Array
}): CborInput {
  return ['kos-sealed-value-v1', value.id, value.owner, [...value.path]]
}
