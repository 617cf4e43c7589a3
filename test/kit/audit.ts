/** An audit log with real keys in a temporary folder, and a hand that changes its file. */
import { createPublicKey, generateKeyPairSync, type KeyObject, sign } from 'node:crypto'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import type { TestContext } from 'node:test'
import { type Log, silentLog } from '../../src/foundation/base/index.ts'
import { openStore, type Store } from '../../src/foundation/storage/index.ts'
import {
  type AuditEvent,
  type AuditLog,
  type AuditLogOptions,
  auditSegments,
  auditTables,
  createAuditLog,
  type LogKey,
  type LogKeys,
  type LogPublicKeys,
} from '../../src/trust/audit/index.ts'
import { createTestClock, type TestClock } from './clock.ts'
import { createTestDisk, type TestDisk } from './journal.ts'
import { createTestRandom } from './random.ts'
import { temporaryFolder } from './temporary.ts'

/** The name of test logs. */
export const TEST_ORIGIN = 'kos.test/device/kdev-aaaaaaaaaaaaaaaaaaaaaaaaaa'

/** A log key over a private key, as the key store would hand it out. */
export function logKeyOf(algorithm: 'Ed25519' | 'ML-DSA-44', privateKey: KeyObject): LogKey {
  return {
    algorithm,
    spki: createPublicKey(privateKey).export({ format: 'der', type: 'spki' }),
    sign: (bytes) => sign(null, bytes, privateKey),
  }
}

/** New log keys. */
export function makeLogKeys(): LogKeys {
  return {
    ed25519: logKeyOf('Ed25519', generateKeyPairSync('ed25519').privateKey),
    mlDsa44: logKeyOf('ML-DSA-44', generateKeyPairSync('ml-dsa-44').privateKey),
  }
}

/** The public halves of log keys. */
export function publicKeysOf(keys: LogKeys): LogPublicKeys {
  return { ed25519: keys.ed25519.spki, mlDsa44: keys.mlDsa44.spki }
}

/** An event with something in every place. */
export function testEvent(changes: Partial<AuditEvent> = {}): AuditEvent {
  return {
    type: 'call',
    actor: 'spiffe://kos.test/user/alice',
    target: 'spiffe://kos.test/device/kdev-aaaaaaaaaaaaaaaaaaaaaaaaaa',
    action: 'files.read',
    outcome: 'ok',
    ...changes,
  }
}

/** What {@link openTestLog} starts from; everything has a default. */
export interface TestLogOptions extends Partial<AuditLogOptions> {
  readonly folder?: string
  readonly keys?: LogKeys
  readonly clock?: TestClock
  readonly log?: Log
  readonly disk?: TestDisk
}

/** An open log and everything it was opened with. */
export interface TestLog {
  readonly audit: AuditLog
  readonly store: Store<unknown>
  readonly path: string
  readonly folder: string
  readonly keys: LogKeys
  readonly clock: TestClock
  /** The disk that the journal is on. */
  readonly disk: TestDisk
  /** Ends the log as a crash would: without a flush. */
  crash(): void
  /** Closes log and store. */
  close(): Promise<void>
}

/** Opens a log, new or again; closed after the test. */
export async function openTestLog(t: TestContext, options: TestLogOptions = {}): Promise<TestLog> {
  const folder = options.folder ?? temporaryFolder(t)
  const path = join(folder, 'audit.db')
  const keys = options.keys ?? makeLogKeys()
  const clock = options.clock ?? createTestClock()
  const log = options.log ?? silentLog
  const disk = options.disk ?? createTestDisk()
  const store = openStore<unknown>(
    { clock, log },
    {
      path,
      migrations: [
        { version: 1, ...auditTables },
        { version: 2, ...auditSegments },
      ],
    },
  )
  t.after(() => store.close())
  const deps = { store, keys, clock, random: createTestRandom(), log, openJournal: disk.open }
  const audit = await createAuditLog(deps, {
    ...options,
    origin: options.origin ?? TEST_ORIGIN,
  }).catch((error: unknown) => {
    store.close()
    throw error
  })
  const close = async (): Promise<void> => {
    await audit.close()
    store.close()
  }
  return { audit, store, path, folder, keys, clock, disk, close, crash: () => store.close() }
}

/** A log of so many sealed entries, closed. */
export async function makeClosedLog(t: TestContext, entries: number): Promise<TestLog> {
  const log = await openTestLog(t)
  for (let index = 0; index < entries; index += 1) {
    log.audit.appendSoon(testEvent({ callId: `call-${index}` }))
    if (index === Math.floor(entries / 2)) {
      // A checkpoint in the middle of the log, kept because an hour has passed.
      log.clock.advance(3_600_000)
      await log.audit.flush()
    }
  }
  await log.close()
  return log
}

/** Changes the file of a closed log behind its back. */
export function tamper(path: string, change: (raw: DatabaseSync) => void): void {
  const raw = new DatabaseSync(path)
  try {
    change(raw)
  } finally {
    raw.close()
  }
}
