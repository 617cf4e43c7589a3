import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { silentLog, systemClock, systemRandom } from '../../src/foundation/base/index.ts'
import { openStore } from '../../src/foundation/storage/index.ts'
import {
  type AuditEvent,
  type AuditLog,
  auditSegments,
  auditTables,
  createAuditLog,
} from '../../src/trust/audit/index.ts'
import { loadMember } from '../harness/fleet.ts'
import { type InlineCase, inlineMedian, inlineRatio, measureInline } from '../harness/inline.ts'
import type { ProcessOptions } from '../harness/processes.ts'
import { atLeast, type Report } from '../harness/report.ts'
import type { Effort } from '../harness/rounds.ts'

/** The log commits so many entries at once when they come fast. */
const GROUP = 1024
const WRITERS = 256
/** An entry of a call in CBOR, and the hash beside it. */
const ENTRY_BYTES = 191
const HASH_BYTES = 32

const SOON = 'kOS appendSoon, 1,024 per commit'
const WRITER = 'kOS append, 256 waiting writers'
const ALONE = 'kOS append, one after the other'
const PLAIN = 'SQLite alone, 1,024 rows per commit'
const PLAIN_ALONE = 'SQLite alone, 1 row per commit'

/** Records of calls in the tamper-evident log against plain rows of the same size. */
export async function measureAudit(options: ProcessOptions, effort: Effort): Promise<Report> {
  const directory = join(options.fleet, 'audit')
  mkdirSync(directory, { mode: 0o700 })
  const { keys } = loadMember(options.fleet, 'server')
  const store = openStore<object>(
    { clock: systemClock, log: silentLog },
    {
      path: join(directory, 'audit.sqlite'),
      migrations: [
        { version: 1, ...auditTables },
        { version: 2, ...auditSegments },
      ],
    },
  )
  const logKeys = { ed25519: keys.require('log-ed25519'), mlDsa44: keys.require('log-ml-dsa-44') }
  const audit = await createAuditLog(
    { store, keys: logKeys, clock: systemClock, random: systemRandom, log: silentLog },
    { origin: 'kos.internal/bench' },
  )
  const plain = openPlain(join(directory, 'plain.sqlite'))
  const cases = [...auditCases(audit), ...plain.cases]
  const samples = await measureInline(cases, effort)
  const verified = await audit.verify()
  if (!verified.ok) throw new Error('the log does not verify')
  await audit.close()
  store.close()
  plain.close()
  const of = (name: string): ReturnType<typeof samples.get> => samples.get(name)
  return {
    suite: 'audit',
    title: `Records of calls, SQLite WAL, synchronous=FULL (medians of ${effort.rounds} rounds; the log of ${verified.entries.toLocaleString('en-US')} entries verifies)`,
    columns: ['records/s', 'CPU µs each', 'CPU ÷ SQLite', 'records/s ÷ SQLite'],
    rows: cases.map(({ name }) => {
      const base = of(name === ALONE || name === PLAIN_ALONE ? PLAIN_ALONE : PLAIN)
      return [
        name,
        inlineMedian(of(name), 'operationsPerSecond'),
        inlineMedian(of(name), 'cpuUs'),
        inlineRatio(of(name), base, 'cpuUs'),
        inlineRatio(of(name), base, 'operationsPerSecond'),
      ]
    }),
    goals: [
      atLeast(
        'records/s of the log ÷ rows/s of SQLite alone, 1,024 per commit',
        0.5,
        inlineRatio(of(SOON), of(PLAIN), 'operationsPerSecond'),
      ),
    ],
  }
}

/** The record of one checked call. */
function eventOf(index: number): AuditEvent {
  return {
    type: 'call',
    actor: 'spiffe://kos.internal/user/bench-owner',
    target: 'spiffe://kos.internal/device/kdev-aaaaaaaaaaaaaaaaaaaaaaaaaa',
    action: 'echo',
    outcome: 'ok',
    rule: 'fleet/owners-read',
    callId: index.toString(16).padStart(32, '0'),
    durationMs: 0.25,
  }
}

function auditCases(audit: AuditLog): readonly InlineCase[] {
  let next = 0
  return [
    {
      name: SOON,
      run: async () => {
        for (let count = 1; count < GROUP; count++) audit.appendSoon(eventOf(next++))
        // Resolves when all before it are durable; a loop that looks would burn the time it measures.
        await audit.append(eventOf(next++))
        return GROUP
      },
    },
    {
      name: WRITER,
      run: async () => {
        await Promise.all(Array.from({ length: WRITERS }, () => audit.append(eventOf(next++))))
        return WRITERS
      },
    },
    {
      name: ALONE,
      run: async () => {
        await audit.append(eventOf(next++))
        return 1
      },
    },
  ]
}

function openPlain(path: string): {
  readonly cases: readonly InlineCase[]
  close(): void
} {
  const database = new DatabaseSync(path)
  database.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL')
  database.exec('CREATE TABLE rows (idx INTEGER PRIMARY KEY, hash BLOB, entry BLOB) STRICT')
  const insert = database.prepare('INSERT INTO rows VALUES (?, ?, ?)')
  const [hash, entry] = [Buffer.alloc(HASH_BYTES, 1), Buffer.alloc(ENTRY_BYTES, 2)]
  let next = 0
  const commit = (rows: number): number => {
    database.exec('BEGIN IMMEDIATE')
    for (let count = 0; count < rows; count++) insert.run(next++, hash, entry)
    database.exec('COMMIT')
    return rows
  }
  return {
    cases: [
      { name: PLAIN, run: () => commit(GROUP) },
      { name: PLAIN_ALONE, run: () => commit(1) },
    ],
    close: () => database.close(),
  }
}
