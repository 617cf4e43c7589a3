import { join } from 'node:path'
import { type Random, Secret } from '../../foundation/base/index.ts'
import { keysErrors } from './errors.ts'
import { isFipsMode } from './fips.ts'
import type { KeyStoreUnlock } from './key-types.ts'
import { deriveStoreKey, SALT_BYTES, STORE_KEY_BYTES } from './sealing.ts'
import { readPrivateFile, removePrivateFile, writePrivateFile } from './store-file.ts'
import type { StoredUnlock } from './store-format.ts'

const KEY_FILE = 'keystore.key'
const MIN_PASSPHRASE_BYTES = 8

/** The key of an existing store. @throws KOS_KEYS_UNLOCK when it is missing or of another kind */
export function findStoreKey(
  directory: string,
  unlock: KeyStoreUnlock,
  stored: StoredUnlock,
): Secret {
  if (unlock.kind === 'file' && stored.kind === 'file') {
    const storeKey = readKeyFile(directory)
    if (!storeKey) throw unlockError('key file missing')
    return storeKey
  }
  if (unlock.kind === 'passphrase' && stored.kind === 'passphrase') {
    return deriveStoreKey(unlock.passphrase, stored.derivation, stored.salt)
  }
  throw unlockError(`unlocked by ${stored.kind}`)
}

/**
 * The key of a new store. A key file that is there already stays: a crash came between it and the
 * store, or it is put there on purpose.
 */
export function newStoreKey(
  random: Random,
  directory: string,
  unlock: KeyStoreUnlock,
): { readonly storeKey: Secret; readonly stored: StoredUnlock } {
  if (unlock.kind === 'file') {
    const storeKey = readKeyFile(directory) ?? makeKeyFile(random, directory)
    return { storeKey, stored: { kind: 'file' } }
  }
  const { passphrase, derivation = isFipsMode() ? 'pbkdf2' : 'scrypt' } = unlock
  requirePassphraseLength(passphrase)
  const salt = Uint8Array.from(random.bytes(SALT_BYTES))
  const storeKey = deriveStoreKey(passphrase, derivation, salt)
  return { storeKey, stored: { kind: 'passphrase', derivation, salt } }
}

/**
 * The key that a store is to be sealed under from now on. A new key file takes the place of one that
 * is left over.
 *
 * @throws KOS_KEYS_UNLOCK from key file to key file: a crash in between would leave neither
 */
export function replaceStoreKey(
  random: Random,
  directory: string,
  change: { readonly from: StoredUnlock; readonly to: KeyStoreUnlock },
): { readonly storeKey: Secret; readonly stored: StoredUnlock } {
  if (change.to.kind === 'passphrase') return newStoreKey(random, directory, change.to)
  if (change.from.kind === 'file') throw unlockError('has a key file already')
  dropKeyFile(directory)
  return newStoreKey(random, directory, change.to)
}

/** Removes a key file that opens nothing. */
export function dropKeyFile(directory: string): void {
  removePrivateFile({ folder: directory, name: KEY_FILE })
}

/** Refuses a passphrase that anybody guesses. @throws KOS_KEYS_UNLOCK */
export function requirePassphraseLength(passphrase: Secret): void {
  if (passphrase.length < MIN_PASSPHRASE_BYTES) throw unlockError('passphrase too short')
}

function readKeyFile(directory: string): Secret | undefined {
  const content = readPrivateFile(join(directory, KEY_FILE), STORE_KEY_BYTES)
  if (!content) return undefined
  if (content.bytes.length !== STORE_KEY_BYTES) throw unlockError('key file truncated')
  return Secret.take(content.bytes)
}

function makeKeyFile(random: Random, directory: string): Secret {
  const storeKey = Secret.take(random.bytes(STORE_KEY_BYTES))
  const place = { folder: directory, name: KEY_FILE }
  storeKey.use((bytes) => writePrivateFile(place, bytes, { random, replace: false }))
  return storeKey
}

function unlockError(rule: string): Error {
  return keysErrors.error('KOS_KEYS_UNLOCK', { rule })
}
