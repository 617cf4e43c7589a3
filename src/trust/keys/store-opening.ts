import { basename, dirname, join } from 'node:path'
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

/** Where a store lies. */
export interface StorePlace {
  readonly folder: string
  readonly name: string
}

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
  if (!content) {
    return makeFile(random, { folder: directory, name: STORE_FILE }, choose(undefined))
  }
  const opened = openFile(content, directory, choose)
  // A crash came between the new seal and the end of the key file that counted before.
  if (opened.document.unlock.kind === 'passphrase') dropKeyFile(directory)
  return opened
}

/** Opens a store that is a file of its own, or makes it; its folder is the caller's business. */
export function openOrMakeAlone(
  random: Random,
  { path, isNew }: { readonly path: string; readonly isNew: boolean },
  unlock: KeyStoreUnlock,
): OpenedFile {
  const place = { folder: dirname(path), name: basename(path) }
  if (isNew) return makeFile(random, place, unlock)
  const content = readPrivateFile(path, MAX_STORE_BYTES)
  if (!content) throw keysErrors.error('KOS_KEYS_NOT_FOUND', { file: path })
  return openFile(content, place.folder, () => unlock)
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
  return { document, version: content.version, storeKey }
}

function makeFile(random: Random, place: StorePlace, unlock: KeyStoreUnlock): OpenedFile {
  const { storeKey, stored } = newStoreKey(random, place.folder, unlock)
  const id = Uint8Array.from(random.bytes(16))
  const check = seal(storeKey, new Uint8Array(0), { random, associated: checkBinding(id) })
  const document = { format: 'kos-keystore-v1', id, unlock: stored, check, entries: [] } as const
  const version = writePrivateFile(place, encodeStore(document), { random, replace: false })
  return { document, version, storeKey }
}
