import { closeSync, fstatSync, openSync, readSync } from 'node:fs'
import {
  isRefusal,
  type Random,
  type Secret,
  type UnixMs,
  unixMs,
  validate,
  z,
} from '../../foundation/base/index.ts'
import { cborToPlain, codecErrors, decodeCbor, encodeCbor } from '../../foundation/codec/index.ts'
import {
  createSealedFile,
  keysErrors,
  openSealedFile,
  type SealedFileReader,
  type SealedFileWriter,
} from '../../trust/keys/index.ts'
import { authorityErrors } from './errors.ts'

/** What a backup file is, in its first bytes. */
const KIND = 'kos-authority-backup-v1'
const MAX_HEAD_BYTES = 64 * 1024
const CHUNK_BYTES = 1024 * 1024

/** The files of a state folder that a backup holds, in the order in which they are read. */
export const BACKUP_FILES = [
  'authority.sqlite.audit-journal',
  'authority.sqlite',
  'keys/keystore.cbor',
  'keys/keystore.key',
  'floors.bin',
  'config.yaml',
  'api.port',
  'session.port',
  'session-sec-1.port',
  'session-sec-3.port',
  'session-sec-4.port',
  'crl.port',
] as const
export type BackupFile = (typeof BACKUP_FILES)[number]

/** What a backup says of itself, sealed like the rest of it. */
export interface BackupSummary {
  readonly createdAt: UnixMs
  readonly trustDomain: string
  /** Migrations that its database had seen. */
  readonly schemaVersion: number
  /** Principals by kind, removed ones aside. */
  readonly principals: Readonly<Record<string, number>>
  /** `era.number` of the signed objects, by kind. */
  readonly objects: Readonly<Record<string, string>>
  /** Entries of the audit log in the database. */
  readonly auditEntries: number
}

const number = z.int().min(0)
const summarySchema = z.strictObject({
  createdAt: number,
  trustDomain: z.string().max(255),
  schemaVersion: number,
  principals: z.record(z.string().max(16), number),
  objects: z.record(z.string().max(32), z.string().max(40)),
  auditEntries: number,
})
const fileSchema = z.strictObject({ name: z.enum(BACKUP_FILES), bytes: number })

/** Writes a backup: what it says of itself, then file after file. */
export interface BackupWriter {
  /** Copies a file in; it must not change meanwhile. */
  addFile(name: BackupFile, path: string): void
  addBytes(name: BackupFile, bytes: Uint8Array): void
  /** Durable on return. */
  end(): void
}

/** Begins a backup on an open file. */
export function writeBackup(
  deps: { readonly random: Random },
  to: { readonly descriptor: number; readonly passphrase: Secret },
  summary: BackupSummary,
): BackupWriter {
  const sealed = createSealedFile(deps, { ...to, kind: KIND })
  writeHead(sealed, { ...summary })
  return {
    addBytes: (name, bytes): void => {
      writeHead(sealed, { name, bytes: bytes.length })
      sealed.write(bytes)
    },
    addFile: (name, path): void => copyIn(sealed, name, path),
    end: (): void => {
      writeHead(sealed, undefined)
      sealed.end()
    },
  }
}

/** A length of four bytes, then CBOR; no length: the end. */
function writeHead(
  sealed: SealedFileWriter,
  head: Parameters<typeof encodeCbor>[0] | undefined,
): void {
  const bytes = head === undefined ? new Uint8Array() : encodeCbor(head)
  const length = new Uint8Array(4)
  new DataView(length.buffer).setUint32(0, bytes.length)
  sealed.write(length)
  sealed.write(bytes)
}

function copyIn(sealed: SealedFileWriter, name: BackupFile, path: string): void {
  const descriptor = openSync(path, 'r')
  try {
    const { size } = fstatSync(descriptor)
    writeHead(sealed, { name, bytes: size })
    const chunk = new Uint8Array(CHUNK_BYTES)
    for (let left = size; left > 0;) {
      const count = readSync(descriptor, chunk, 0, Math.min(left, CHUNK_BYTES), null)
      if (count === 0)
        throw authorityErrors.error('KOS_AUTHORITY_BACKUP', { rule: `changed: ${name}` })
      sealed.write(chunk.subarray(0, count))
      left -= count
    }
  } finally {
    closeSync(descriptor)
  }
}

/** Takes the files of a backup, in the order in which they stand in it. */
export interface BackupSink {
  /** A file begins; what is returned takes its bytes, and is told of its end. */
  file(
    name: BackupFile,
    bytes: number,
  ): {
    write(bytes: Uint8Array): void
    end(): void
  }
}

/** What a damaged key store is told is of no use here. */
const DAMAGE: Readonly<Record<string, string>> = {
  'file: kind': 'no-backup',
  'file: truncated': 'truncated',
}

function legible<T>(read: () => T): T {
  try {
    return read()
  } catch (cause) {
    if (!keysErrors.has(cause) || cause.code !== 'KOS_KEYS_CORRUPT') throw cause
    const rule = DAMAGE[String(cause.details['rule'])] ?? 'damaged'
    throw authorityErrors.error('KOS_AUTHORITY_BACKUP', { rule }, cause)
  }
}

/**
 * Reads a backup to its end.
 *
 * @returns what it says of itself; counts from then on, since now it is known to be whole
 * @throws {@link KosError} KOS_KEYS_UNLOCK, KOS_AUTHORITY_BACKUP `no-backup`, `truncated`, `damaged`, `format`
 */
export function readBackup(
  from: { readonly descriptor: number; readonly passphrase: Secret },
  sink: BackupSink | undefined,
): BackupSummary {
  return legible(() => readFiles(openSealedFile({ ...from, kind: KIND }), sink))
}

function readFiles(sealed: SealedFileReader, sink: BackupSink | undefined): BackupSummary {
  const summary = readHead(sealed, summarySchema)
  if (!summary) throw formatError()
  for (let head = readHead(sealed, fileSchema); head; head = readHead(sealed, fileSchema)) {
    const taken = sink?.file(head.name, head.bytes)
    for (let left = head.bytes; left > 0;) {
      const bytes = sealed.read(Math.min(left, CHUNK_BYTES))
      taken?.write(bytes)
      left -= bytes.length
    }
    taken?.end()
  }
  sealed.end()
  return { ...summary, createdAt: unixMs(summary.createdAt) }
}

function readHead<T>(sealed: SealedFileReader, schema: z.ZodType<T>): T | undefined {
  const length = new DataView(sealed.read(4).buffer).getUint32(0)
  if (length === 0) return undefined
  if (length > MAX_HEAD_BYTES) throw formatError()
  try {
    const checked = validate(schema, cborToPlain(decodeCbor(sealed.read(length))))
    if (!isRefusal(checked)) return checked.value
  } catch (error) {
    if (!codecErrors.has(error)) throw error
  }
  throw formatError()
}

function formatError(): Error {
  return authorityErrors.error('KOS_AUTHORITY_BACKUP', { rule: 'format' })
}
