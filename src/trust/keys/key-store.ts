import type { KeyObject } from 'node:crypto'
import { basename, dirname, join } from 'node:path'
import type { Random, Secret } from '../../foundation/base/index.ts'
import { keysErrors } from './errors.ts'
import { createKeyRef, exportKey, generateKey, importKey, publicSpki } from './key-ref.ts'
import type {
  KeyAlgorithm,
  KeyFilePlace,
  KeyInfo,
  KeyPurpose,
  KeyRef,
  KeyStore,
  KeyStoreUnlock,
  KeyStoreUnlockChoice,
} from './key-types.ts'
import { seal, unseal } from './sealing.ts'
import { currentVersion, type FileVersion, writePrivateFile } from './store-file.ts'
import {
  encodeStore,
  entryBinding,
  type EntryFacts,
  isName,
  type KeyEntry,
  MAX_SECRET_BYTES,
  type SecretEntry,
  type StoreDocument,
  type StoreEntry,
} from './store-format.ts'
import {
  type OpenedFile,
  openOrMakeAlone,
  openOrMakeFile,
  STORE_FILE,
  type StorePlace,
} from './store-opening.ts'

/** A key in use, with its sealed form. */
interface HeldKey {
  readonly entry: KeyEntry
  readonly privateKey: KeyObject
  readonly ref: KeyRef
}

interface Deps {
  readonly random: Random
}

/**
 * Opens the key store of a folder, or makes an empty one. Every entry is unsealed once here, so that
 * damage shows at the start and not at the first use.
 *
 * @param deps - randomness for nonces, salts and the store's key
 * @param options - the folder (made with mode 0700 when missing) and how to unlock
 * @throws KOS_KEYS_MODE when others can reach the files, KOS_KEYS_UNLOCK when the key is missing or
 *   wrong, KOS_KEYS_CORRUPT when a file is damaged, KOS_KEYS_WRITE and KOS_KEYS_CHANGED when a new
 *   store cannot be made
 *
 * **Security:** with `kind: 'file'`, whoever reads the folder (or its backup) has the keys; the
 * store cannot see that its whole folder was put back to an older state. Private keys live in the
 * memory of this process while the store is open. One process at a time: a change by another one is
 * noticed at the next write.
 *
 * @example
 * ```ts
 * import { systemRandom } from 'kos/base'
 * import { openKeyStore } from 'kos/keys'
 * const keys = openKeyStore(
 *   { random: systemRandom },
 *   { directory: '/var/lib/kos/keys', unlock: { kind: 'file' } },
 * )
 * const identity = keys.get('identity') ?? keys.create('identity', 'identity', 'P-256')
 * ```
 */
export function openKeyStore(
  deps: Deps,
  options: { readonly directory: string; readonly unlock: KeyStoreUnlock | KeyStoreUnlockChoice },
): KeyStore {
  const { directory, unlock } = options
  const choose = typeof unlock === 'function' ? unlock : (): KeyStoreUnlock => unlock
  const place = { folder: directory, name: STORE_FILE }
  return new FileKeyStore(deps.random, place, openOrMakeFile(deps.random, directory, choose))
}

/**
 * Opens a key store that is one file of any name, sealed by a passphrase: for keys that are kept away
 * from the machine that made them. It is durable and private as {@link openKeyStore}'s; the folder is
 * not looked at.
 *
 * @param deps - randomness for nonces and salts
 * @param options - the file, whether it is to be made (it must not be there yet), and the passphrase
 * @throws KOS_KEYS_NOT_FOUND when there is no such file, KOS_KEYS_MODE when others can reach it,
 *   KOS_KEYS_UNLOCK when the passphrase is wrong or too short, KOS_KEYS_CORRUPT when it is damaged,
 *   KOS_KEYS_CHANGED when one that is to be made is there, KOS_KEYS_WRITE
 *
 * **Security:** whoever has the file and the passphrase has the keys, and a copy of it is as good.
 */
export function openKeyFile(
  deps: Deps,
  options: KeyFilePlace & { readonly isNew: boolean },
): KeyStore {
  const { path, isNew, ...unlock } = options
  const place = { folder: dirname(path), name: basename(path) }
  const opened = openOrMakeAlone(deps.random, { path, isNew }, { kind: 'passphrase', ...unlock })
  return new FileKeyStore(deps.random, place, opened)
}

class FileKeyStore implements KeyStore {
  readonly #random: Random
  readonly #place: StorePlace
  readonly #document: StoreDocument
  readonly #storeKey: Secret
  #version: FileVersion
  #keys = new Map<string, HeldKey>()
  #secrets = new Map<string, SecretEntry>()
  #closed = false

  constructor(random: Random, place: StorePlace, opened: OpenedFile) {
    this.#random = random
    this.#place = place
    this.#document = opened.document
    this.#version = opened.version
    this.#storeKey = opened.storeKey
    for (const entry of opened.document.entries) {
      using plain = this.#unseal(entry)
      if (entry.kind === 'secret') this.#secrets.set(entry.name, entry)
      else this.#keys.set(entry.name, this.#load(entry, plain))
    }
  }

  create(name: string, purpose: KeyPurpose, algorithm: KeyAlgorithm): KeyRef {
    this.#assertName(name)
    if (this.#keys.has(name)) throw keysErrors.error('KOS_KEYS_EXISTS', { name })
    const privateKey = generateKey(algorithm)
    const facts = { kind: 'key', name, purpose, algorithm, spki: publicSpki(privateKey) } as const
    const held = this.#hold(facts, privateKey)
    this.#commitKeys(new Map(this.#keys).set(name, held))
    return held.ref
  }

  get(name: string): KeyRef | undefined {
    this.#assertOpen()
    return this.#keys.get(name)?.ref
  }

  require(name: string): KeyRef {
    return this.#find(name).ref
  }

  list(): readonly KeyInfo[] {
    this.#assertOpen()
    return [...this.#keys.values()]
      .map(({ ref: { name, purpose, algorithm, spki, keyId } }) =>
        Object.freeze({ name, purpose, algorithm, spki, keyId }),
      )
      .toSorted((a, b) => (a.name < b.name ? -1 : 1))
  }

  remove(name: string): void {
    this.#find(name)
    const keys = new Map(this.#keys)
    keys.delete(name)
    this.#commitKeys(keys)
  }

  rename(from: string, to: string): void {
    const { entry, privateKey } = this.#find(from)
    this.#assertName(to)
    const replaced = this.#keys.get(to)
    // A key must not slip into the place of a key that is trusted for something else.
    if (replaced && replaced.entry.purpose !== entry.purpose) {
      throw keysErrors.error('KOS_KEYS_PURPOSE', { name: to, rule: 'rename: another purpose' })
    }
    const { purpose, algorithm, spki } = entry
    const keys = new Map(this.#keys)
    keys.delete(from)
    // The name is bound into the seal, so the entry is sealed anew.
    keys.set(to, this.#hold({ kind: 'key', name: to, purpose, algorithm, spki }, privateKey))
    this.#commitKeys(keys)
  }

  copyKey(from: KeyStore, name: string): KeyRef {
    this.#assertOpen()
    if (!(from instanceof FileKeyStore)) throw new TypeError('keys are copied between key files')
    const { entry, privateKey } = from.#find(name)
    if (this.#keys.has(name)) throw keysErrors.error('KOS_KEYS_EXISTS', { name })
    const { purpose, algorithm, spki } = entry
    const held = this.#hold({ kind: 'key', name, purpose, algorithm, spki }, privateKey)
    this.#commitKeys(new Map(this.#keys).set(name, held))
    return held.ref
  }

  sealSecret(name: string, secret: Secret): void {
    this.#assertName(name)
    if (secret.length > MAX_SECRET_BYTES) {
      throw keysErrors.error('KOS_KEYS_WRITE', { name, rule: 'secret too long' })
    }
    const facts = { kind: 'secret', name } as const
    const entry = { ...facts, sealed: secret.use((bytes) => this.#seal(facts, bytes)) }
    this.#commitSecrets(new Map(this.#secrets).set(name, entry))
  }

  openSecret(name: string): Secret | undefined {
    this.#assertOpen()
    const entry = this.#secrets.get(name)
    return entry && this.#unseal(entry)
  }

  listSecrets(): readonly string[] {
    this.#assertOpen()
    return [...this.#secrets.keys()].toSorted()
  }

  removeSecret(name: string): void {
    this.#assertOpen()
    const secrets = new Map(this.#secrets)
    if (!secrets.delete(name)) throw keysErrors.error('KOS_KEYS_NOT_FOUND', { name })
    this.#commitSecrets(secrets)
  }

  close(): void {
    this.#closed = true
    this.#storeKey[Symbol.dispose]()
    this.#keys.clear()
    this.#secrets.clear()
  }

  #find(name: string): HeldKey {
    this.#assertOpen()
    const held = this.#keys.get(name)
    if (!held) throw keysErrors.error('KOS_KEYS_NOT_FOUND', { name })
    return held
  }

  #load(entry: KeyEntry, pkcs8: Secret): HeldKey {
    const privateKey = importKey(pkcs8, entry)
    if (!privateKey) {
      throw keysErrors.error('KOS_KEYS_CORRUPT', { rule: 'another key', name: entry.name })
    }
    return { entry, privateKey, ref: this.#refer(entry, privateKey) }
  }

  #hold(facts: Omit<KeyEntry, 'sealed'>, privateKey: KeyObject): HeldKey {
    using pkcs8 = exportKey(privateKey)
    const sealed = pkcs8.use((bytes) => this.#seal(facts, bytes))
    return { entry: { ...facts, sealed }, privateKey, ref: this.#refer(facts, privateKey) }
  }

  #refer(facts: Omit<KeyEntry, 'sealed'>, privateKey: KeyObject): KeyRef {
    return createKeyRef(facts, privateKey, () => this.#assertOpen())
  }

  #seal(facts: EntryFacts, plain: Uint8Array): Uint8Array {
    const associated = entryBinding(this.#document.id, facts)
    return seal(this.#storeKey, plain, { random: this.#random, associated })
  }

  #unseal(entry: StoreEntry): Secret {
    const plain = unseal(this.#storeKey, entry.sealed, entryBinding(this.#document.id, entry))
    if (plain) return plain
    throw keysErrors.error('KOS_KEYS_CORRUPT', { rule: 'entry', name: entry.name })
  }

  #commitKeys(keys: Map<string, HeldKey>): void {
    this.#write(keys, this.#secrets)
    this.#keys = keys
  }

  #commitSecrets(secrets: Map<string, SecretEntry>): void {
    this.#write(this.#keys, secrets)
    this.#secrets = secrets
  }

  /** The file first, then memory: what failed to be written was never there. */
  #write(keys: ReadonlyMap<string, HeldKey>, secrets: ReadonlyMap<string, SecretEntry>): void {
    const entries = [...Array.from(keys.values(), ({ entry }) => entry), ...secrets.values()]
    const encoded = encodeStore({ ...this.#document, entries })
    const { folder, name } = this.#place
    if (currentVersion(join(folder, name)) !== this.#version) {
      throw keysErrors.error('KOS_KEYS_CHANGED')
    }
    const how = { random: this.#random, replace: true }
    this.#version = writePrivateFile(this.#place, encoded, how)
  }

  #assertName(name: string): void {
    this.#assertOpen()
    if (!isName(name)) throw keysErrors.error('KOS_KEYS_NAME')
  }

  #assertOpen(): void {
    if (this.#closed) throw keysErrors.error('KOS_KEYS_CLOSED')
  }
}
