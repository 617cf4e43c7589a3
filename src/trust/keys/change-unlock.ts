import { join } from 'node:path'
import type { Random, Secret } from '../../foundation/base/index.ts'
import { keysErrors } from './errors.ts'
import type { KeyStoreUnlock } from './key-types.ts'
import { seal, unseal } from './sealing.ts'
import { currentVersion, writePrivateFile } from './store-file.ts'
import {
  checkBinding,
  decodeStore,
  encodeStore,
  entryBinding,
  type StoreDocument,
  type StoreEntry,
} from './store-format.ts'
import { openFile, readStoreFile, STORE_FILE } from './store-opening.ts'
import { dropKeyFile, replaceStoreKey } from './unlock.ts'

/**
 * How the store of a folder is unlocked, read without unlocking it.
 *
 * @param directory - the folder of the store; made with mode 0700 when it is missing
 * @returns `undefined` when there is no store yet
 * @throws KOS_KEYS_MODE, KOS_KEYS_CORRUPT as {@link openKeyStore}
 */
export function keyStoreUnlockKind(directory: string): KeyStoreUnlock['kind'] | undefined {
  const content = readStoreFile(directory)
  return content && decodeStore(content.bytes).unlock.kind
}

/**
 * Seals a store under another key: sets, changes or removes its passphrase. Every entry is sealed
 * anew; after a crash either the old or the new way opens it.
 *
 * **Security:** what was sealed before (a backup, blocks of the disk that are not overwritten yet) still
 * opens in the old way: keys that may have been read there are to be rotated. No other process may
 * have the store open: its next write is refused with KOS_KEYS_CHANGED.
 *
 * @param deps - randomness for the new key, salt and nonces
 * @param options - the folder, how the store is unlocked now, and who is asked how it shall be once it
 *   is open
 * @throws KOS_KEYS_UNLOCK when it cannot be opened or the new passphrase is too short, and what
 *   {@link openKeyStore} throws; nothing is changed then
 */
export function changeKeyStoreUnlock(
  deps: { readonly random: Random },
  options: {
    readonly directory: string
    readonly from: KeyStoreUnlock
    readonly to: () => KeyStoreUnlock
  },
): void {
  const { directory, from, to } = options
  const { random } = deps
  const content = readStoreFile(directory)
  if (!content) throw keysErrors.error('KOS_KEYS_UNLOCK', { rule: 'no store' })
  const { document, version, storeKey } = openFile(content, directory, () => from)
  using oldKey = storeKey
  const { storeKey: madeKey, stored } = replaceStoreKey(random, directory, {
    from: document.unlock,
    to: to(),
  })
  using newKey = madeKey
  const { id } = document
  const check = seal(newKey, new Uint8Array(0), { random, associated: checkBinding(id) })
  const entries = document.entries.map((entry) =>
    reseal(random, document, { entry, oldKey, newKey }),
  )
  const encoded = encodeStore({ ...document, unlock: stored, check, entries })
  if (currentVersion(join(directory, STORE_FILE)) !== version) {
    throw keysErrors.error('KOS_KEYS_CHANGED')
  }
  writePrivateFile({ folder: directory, name: STORE_FILE }, encoded, { random, replace: true })
  if (stored.kind === 'passphrase') dropKeyFile(directory)
}

function reseal(
  random: Random,
  { id }: StoreDocument,
  change: { readonly entry: StoreEntry; readonly oldKey: Secret; readonly newKey: Secret },
): StoreEntry {
  const { entry, oldKey, newKey } = change
  const associated = entryBinding(id, entry)
  using plain = unseal(oldKey, entry.sealed, associated)
  if (!plain) throw keysErrors.error('KOS_KEYS_CORRUPT', { rule: 'entry', name: entry.name })
  return { ...entry, sealed: plain.use((bytes) => seal(newKey, bytes, { random, associated })) }
}
