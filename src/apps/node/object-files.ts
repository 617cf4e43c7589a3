import { closeSync, fsyncSync, openSync, readFileSync, renameSync, writeSync } from 'node:fs'
import { join } from 'node:path'

/** The signed objects a member keeps; each proves itself, so the files need no seal. */
export const OBJECT_KINDS = ['bundle', 'directory', 'locks', 'manifest'] as const
/** The kind of a signed object. */
export type ObjectKind = (typeof OBJECT_KINDS)[number]

/** Largest object file that is read, in bytes. */
const MAX_OBJECT_BYTES = 32 * 1024 * 1024

/** Reads a kept object; `undefined` when there is none. */
export function readObject(folder: string, kind: ObjectKind): Uint8Array | undefined {
  try {
    const bytes = readFileSync(join(folder, `${kind}.cbor`))
    return bytes.length <= MAX_OBJECT_BYTES ? bytes : undefined
  } catch {
    return undefined
  }
}

/**
 * Keeps an object: after a crash either the old or the new one is there.
 *
 * @throws the file system's error when the disk refuses
 */
export function writeObject(folder: string, kind: ObjectKind, bytes: Uint8Array): void {
  writePrivate(join(folder, `${kind}.cbor`), bytes)
}

/** Writes a file of mode 0600 as a whole: temporary file, sync, rename. */
export function writePrivate(path: string, bytes: Uint8Array): void {
  const temporary = `${path}.${process.pid}.tmp`
  const descriptor = openSync(temporary, 'w', 0o600)
  try {
    for (let written = 0; written < bytes.length;) {
      written += writeSync(descriptor, bytes, written)
    }
    fsyncSync(descriptor)
  } finally {
    closeSync(descriptor)
  }
  renameSync(temporary, path)
}
