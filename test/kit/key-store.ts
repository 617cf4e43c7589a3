import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { systemRandom } from '../../src/foundation/base/index.ts'
import { cborToPlain, decodeCbor, encodeCbor } from '../../src/foundation/codec/index.ts'
import { type KeyStore, openKeyStore } from '../../src/trust/keys/index.ts'
import { temporaryFolder } from './temporary.ts'

/** An entry of a key store's file, as it lies on disk. */
export interface StoredEntry {
  kind: string
  name: string
  purpose: string
  algorithm: string
  spki: Uint8Array
  sealed: Uint8Array
}

/** A folder with a key store, removed after the test. */
export interface KeyFolder {
  readonly folder: string
  readonly file: string
  readonly keyFile: string
  /** Opens the store by its key file. */
  readonly open: () => KeyStore
  /** Changes the entries on disk, as someone would who can write the file but has no key. */
  readonly tamper: (change: (entries: StoredEntry[]) => readonly object[]) => void
}

/** Makes an empty private folder for a key store. */
export function createKeyFolder(context: TestContext): KeyFolder {
  const folder = temporaryFolder(context)
  const file = join(folder, 'keystore.cbor')
  return {
    folder,
    file,
    keyFile: join(folder, 'keystore.key'),
    open: () =>
      openKeyStore({ random: systemRandom }, { directory: folder, unlock: { kind: 'file' } }),
    tamper(change) {
      const document = cborToPlain(decodeCbor(readFileSync(file))) as { entries: StoredEntry[] }
      const entries = change(document.entries.map((entry) => ({ ...entry })))
      writeFileSync(file, encodeCbor({ ...document, entries } as Parameters<typeof encodeCbor>[0]))
    },
  }
}

/** Matches an error of the keys room by code and rule. */
export function keysError(code: string, rule?: string): (error: unknown) => boolean {
  return (error) =>
    error instanceof Error &&
    'code' in error &&
    error.code === code &&
    (rule === undefined || (error as { details?: { rule?: string } }).details?.rule === rule)
}
