import { join } from 'node:path'
import type { Random, Secret } from '../../foundation/base/index.ts'
import { keysErrors } from './errors.ts'
import type { KeyStoreUnlock, KeyStoreUnlockChoice } from './key-types.ts'
import { seal, unseal } from './sealing.ts'
import {
  type FileContent,
  type FileVersion,
  prepareFolder,
  readPrivateFile,
  writePrivateFile,
} from './store-file.ts'
import {
  checkBinding,
  decodeStore,
  encodeStore,
  MAX_STORE_BYTES,
  type StoreDocument,
} from './store-format.ts'
import { dropKeyFile, findStoreKey, newStoreKey } from './unlock.ts'

/** The file of a store within its folder. */
export const STORE_FILE = 'keystore.cbor'

/** A file opened or just made. */
export interface OpenedFile {
  readonly document: StoreDocument
  readonly version: FileVersion
  readonly storeKey: Secret
}

/** Opens the file of a folder, or makes it. */
export function openOrMakeFile(
  random: Random,
  directory: string,
  choose: KeyStoreUnlockChoice,
): OpenedFile {
  const content = readStoreFile(directory)
  return content
    ? openFile(content, directory, choose)
    : makeFile(random, directory, choose(undefined))
}

/** Reads the file of a folder, and makes the folder when it is missing. */
export function readStoreFile(directory: string): FileContent | undefined {
  prepareFolder(directory)
  return readPrivateFile(join(directory, STORE_FILE), MAX_STORE_BYTES)
}

/** Opens a file that was read. @throws KOS_KEYS_UNLOCK, KOS_KEYS_CORRUPT */
export function openFile(
  content: FileContent,
  directory: string,
  choose: KeyStoreUnlockChoice,
): OpenedFile {
  const document = decodeStore(content.bytes)
  const storeKey = findStoreKey(directory, choose(document.unlock.kind), document.unlock)
  const checked = unseal(storeKey, document.check, checkBinding(document.id))
  if (!checked) throw keysErrors.error('KOS_KEYS_UNLOCK', { rule: 'wrong key' })
  // A crash came between the new seal and the end of the key file that counted before.
  if (document.unlock.kind === 'passphrase') dropKeyFile(directory)
  return { document, version: content.version, storeKey }
}

function makeFile(random: Random, directory: string, unlock: KeyStoreUnlock): OpenedFile {
  const { storeKey, stored } = newStoreKey(random, directory, unlock)
  const id = Uint8Array.from(random.bytes(16))
  const check = seal(storeKey, new Uint8Array(0), { random, associated: checkBinding(id) })
  const document = { format: 'kos-keystore-v1', id, unlock: stored, check, entries: [] } as const
  const place = { folder: directory, name: STORE_FILE }
  const version = writePrivateFile(place, encodeStore(document), { random, replace: false })
  return { document, version, storeKey }
}
