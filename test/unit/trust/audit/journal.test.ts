import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { generateKeyPairSync } from 'node:crypto'
import { copyFileSync, existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, it, type TestContext } from 'node:test'
import { fileURLToPath } from 'node:url'
import { openJournalFile } from '../../../../src/foundation/storage/index.ts'
import { type LogPublicKeys, verifyAuditFile } from '../../../../src/trust/audit/index.ts'
import {
  continuation,
  encodeFrame,
  JOURNAL_BYTES,
  journalPath,
} from '../../../../src/trust/audit/journal.ts'
import { joinTexts } from '../../../../src/trust/audit/records.ts'
import {
  logKeyOf,
  makeLogKeys,
  openTestLog,
  publicKeysOf,
  type TestLog,
  testEvent,
} from '../../../kit/audit.ts'
import { createTestDisk, type TestDisk } from '../../../kit/journal.ts'
import { temporaryFolder } from '../../../kit/temporary.ts'

/** A disk whose journals are the real ones. */
function realDisk(): TestDisk {
  return { open: openJournalFile, room: Number.POSITIVE_INFINITY, writes: 0 }
}

/** Opens the log of a process that ended as a crash does. */
function reopen(t: TestContext, { folder, keys }: TestLog): Promise<TestLog> {
  return openTestLog(t, { folder, keys })
}

async function callIds({ audit }: TestLog): Promise<(string | undefined)[]> {
  return (await audit.entries(0, 4096)).map(({ event }) => event.callId)
}

const named = (from: number, to: number): string[] =>
  Array.from({ length: to - from }, (_, offset) => `call-${from + offset}`)

async function appendNamed({ audit }: TestLog, from: number, to: number): Promise<void> {
  for (const callId of named(from, to)) await audit.append(testEvent({ callId }))
}

async function assertSound(t: TestContext, log: TestLog, ids: readonly string[]): Promise<void> {
  const again = await reopen(t, log)
  assert.deepEqual(await callIds(again), ids)
  await again.audit.append(testEvent())
  const result = await again.audit.verify()
  assert.deepEqual([result.ok, result.entries, result.unsealed], [true, ids.length + 1, 0])
}

describe('the journal of a log', () => {
  it('holds what is durable and not yet in the tables; both are read by others', async (t) => {
    const log = await openTestLog(t, { disk: realDisk() })
    for (let index = 0; index < 300; index += 1) log.audit.appendSoon(testEvent())
    await log.audit.append(testEvent())
    const rows = log.store.raw.prepare('SELECT COUNT(*) AS n FROM audit_segments').get()?.['n']
    assert.equal(rows, 0)
    const result = await verifyAuditFile(log.path, { keys: publicKeysOf(log.keys) })
    assert.deepEqual([result.ok, result.entries, result.unsealed], [true, 301, 301])
    await log.audit.flush()
    await log.audit.append(testEvent())
    const later = await verifyAuditFile(log.path, { keys: publicKeysOf(log.keys) })
    assert.deepEqual([later.ok, later.entries, later.unsealed], [true, 302, 1])
  })

  it('is gone after a normal end', async (t) => {
    const log = await openTestLog(t, { disk: realDisk() })
    await log.audit.append(testEvent())
    assert.ok(existsSync(journalPath(log.path)))
    await log.close()
    assert.equal(existsSync(journalPath(log.path)), false)
  })

  it('is written over and over while entries come', async (t) => {
    const log = await openTestLog(t, { disk: realDisk() })
    const rule = 'x'.repeat(200)
    for (let round = 0; round < 12; round += 1) {
      for (let index = 0; index < 1023; index += 1) log.audit.appendSoon(testEvent({ rule }))
      await log.audit.append(testEvent())
    }
    assert.ok(log.audit.healthy)
    assert.equal(log.audit.size, 12 * 1024)
    const file = await verifyAuditFile(log.path, { keys: publicKeysOf(log.keys) })
    assert.deepEqual([file.ok, file.entries], [true, 12 * 1024])
    log.crash()
    const again = await reopen(t, log)
    assert.equal(again.audit.size, 12 * 1024)
    assert.ok((await again.audit.verify()).ok)
  })
})

describe('a frame of a journal that somebody else made', () => {
  const journalOf = (count: number): Buffer => {
    const text = Buffer.alloc(8000, 1)
    const frame = encodeFrame({
      first: 0,
      count,
      shared: joinTexts([text]),
      records: Buffer.concat(Array.from({ length: count }, () => Buffer.from([1, 0]))),
      ends: Uint32Array.from({ length: count }, (_, index) => 2 * (index + 1)),
      salts: undefined,
      origins: new Map(),
    })
    const bytes = Buffer.alloc(JOURNAL_BYTES)
    bytes.set(frame.frame)
    return bytes
  }

  it('cannot make a small file fill the memory', () => {
    assert.equal(continuation(journalOf(200), 0).frames.length, 1)
    assert.equal(continuation(journalOf(60_000), 0).frames.length, 0)
  })
})

describe('a log whose process was killed', () => {
  it('continues with what only the journal holds', async (t) => {
    const log = await openTestLog(t, { disk: realDisk() })
    await appendNamed(log, 0, 40)
    log.crash()
    await assertSound(t, log, named(0, 40))
  })

  it('has no entry twice when it was folded and not settled', async (t) => {
    const log = await openTestLog(t)
    await appendNamed(log, 0, 5)
    await log.audit.entries(0, 1)
    await appendNamed(log, 5, 9)
    log.crash()
    const file = await verifyAuditFile(log.path, { keys: publicKeysOf(log.keys) })
    assert.deepEqual([file.ok, file.entries], [true, 9])
    await assertSound(t, log, named(0, 9))
  })

  it('loses nothing when the tables lose what was folded and not settled', async (t) => {
    const log = await openTestLog(t)
    await appendNamed(log, 0, 5)
    const kept = ['', '-wal'].map((suffix) => [`${log.path}${suffix}`, `${log.path}${suffix}.kept`])
    for (const [from = '', to = ''] of kept) copyFileSync(from, to)
    await log.audit.flush()
    await appendNamed(log, 5, 9)
    log.crash()
    // As after a loss of power: the commit of the fold was written, but not flushed.
    for (const [from = '', to = ''] of kept) copyFileSync(to, from)
    await assertSound(t, log, named(0, 9))
  })

  it('takes no entry from a journal that an earlier start left behind', async (t) => {
    const log = await openTestLog(t)
    await appendNamed(log, 0, 6)
    const before = readFileSync(journalPath(log.path))
    await log.close()
    writeFileSync(journalPath(log.path), before)
    await assertSound(t, log, named(0, 6))
  })

  it('cuts off a frame that was not written to its end, wherever it broke', async (t) => {
    const log = await openTestLog(t)
    await appendNamed(log, 0, 3)
    const before = readFileSync(journalPath(log.path))
    await appendNamed(log, 3, 4)
    const after = readFileSync(journalPath(log.path))
    log.crash()
    const changed = Array.from(after.keys()).filter((at) => after[at] !== before[at])
    const [start = 0, end = 0] = [changed[0], changed.at(-1)]
    assert.ok(end - start > 100)
    for (let cut = start; cut <= end; cut += 37) {
      const torn = Buffer.from(before)
      torn.set(after.subarray(start, cut), start)
      writeFileSync(journalPath(log.path), torn)
      const { entries, ok } = await verifyAuditFile(log.path, { keys: publicKeysOf(log.keys) })
      assert.deepEqual([ok, entries], [true, 3], `cut at ${cut}`)
    }
    await assertSound(t, log, named(0, 3))
  })

  it('is not continued when its tables end before its journal begins', async (t) => {
    const log = await openTestLog(t)
    const empty = ['', '-wal'].map((suffix) => [
      `${log.path}${suffix}`,
      `${log.path}${suffix}.kept`,
    ])
    for (const [from = '', to = ''] of empty) copyFileSync(from, to)
    await appendNamed(log, 0, 4)
    await log.close()
    const again = await reopen(t, log)
    await appendNamed(again, 4, 6)
    again.crash()
    for (const [from = '', to = ''] of empty) copyFileSync(to, from)
    await assert.rejects(reopen(t, log), {
      code: 'KOS_AUDIT_TAMPERED',
      details: { rule: 'missing', index: 0 },
    })
  })
})

describe('a log that another process writes', () => {
  it('verifies at every moment, also after that process was killed', async (t) => {
    const folder = temporaryFolder(t)
    const publicKeys = writeKeys(folder)
    const program = fileURLToPath(import.meta.resolve('../../../kit/audit-writer.ts'))
    const child = spawn(process.execPath, [program, folder], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    const exited = once(child, 'exit')
    let acknowledged = -1
    for await (const line of createInterface({ input: child.stdout })) {
      acknowledged = Number(line)
      if (acknowledged < 200 || acknowledged % 80 !== 7) continue
      const result = await verifyAuditFile(join(folder, 'audit.db'), { keys: publicKeys })
      assert.deepEqual([result.ok, result.firstBad], [true, undefined])
      assert.ok(result.entries > acknowledged)
      if (acknowledged > 600) child.kill('SIGKILL')
    }
    await exited
    const left = await verifyAuditFile(join(folder, 'audit.db'), { keys: publicKeys })
    assert.ok(left.ok && left.entries > acknowledged && acknowledged > 600)
  })
})

/** Log keys as the writing program reads them. */
function writeKeys(folder: string): LogPublicKeys {
  const keys = {
    ed25519: generateKeyPairSync('ed25519').privateKey,
    mlDsa44: generateKeyPairSync('ml-dsa-44').privateKey,
  }
  for (const [name, key] of Object.entries(keys)) {
    writeFileSync(join(folder, `${name}.pem`), key.export({ type: 'pkcs8', format: 'pem' }))
  }
  return publicKeysOf({
    ed25519: logKeyOf('Ed25519', keys.ed25519),
    mlDsa44: logKeyOf('ML-DSA-44', keys.mlDsa44),
  })
}

describe('a second process on the same log', () => {
  it('is refused before it touches the journal', async (t) => {
    const log = await openTestLog(t, { disk: realDisk() })
    await appendNamed(log, 0, 3)
    const before = readFileSync(journalPath(log.path))
    writeKeys(log.folder)
    const program = fileURLToPath(import.meta.resolve('../../../kit/audit-writer.ts'))
    const second = spawnSync(process.execPath, [program, log.folder], { encoding: 'utf8' })
    assert.notEqual(second.status, 0)
    assert.match(second.stderr, /KOS_STORAGE_LOCKED/)
    assert.deepEqual(readFileSync(journalPath(log.path)), before)
    await appendNamed(log, 3, 4)
    assert.ok((await log.audit.verify()).ok)
  })
})

describe('a journal on a full disk', () => {
  it('refuses what it could not write to the end, and no half of it is taken up', async (t) => {
    const disk = createTestDisk()
    const log = await openTestLog(t, { disk, keys: makeLogKeys() })
    await appendNamed(log, 0, 2)
    disk.room = 100
    await assert.rejects(log.audit.append(testEvent()), { code: 'KOS_AUDIT_UNAVAILABLE' })
    assert.equal(log.audit.healthy, false)
    assert.equal(log.audit.size, 2)
    log.crash()
    await assertSound(t, log, named(0, 2))
  })
})
