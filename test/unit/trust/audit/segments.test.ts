import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { sha256 } from '../../../../src/foundation/base/index.ts'
import { decodeEntry, verifyAuditFile, verifyInclusion } from '../../../../src/trust/audit/index.ts'
import { makeLogKeys, openTestLog, publicKeysOf, tamper, testEvent } from '../../../kit/audit.ts'
import { createTestClock } from '../../../kit/clock.ts'
import { temporaryFolder } from '../../../kit/temporary.ts'

type Log = Awaited<ReturnType<typeof openTestLog>>

/** Appends so many entries in one change. */
async function appendAtOnce({ audit }: Log, count: number): Promise<void> {
  const argumentDigest = sha256(Buffer.from('arguments'))
  const events = Array.from({ length: count }, (_, index) =>
    testEvent({ callId: `call-${audit.size + index}`, ...(index % 2 === 1 && { argumentDigest }) }),
  )
  await Promise.all(events.map((event) => audit.append(event)))
  // Reading brings them from the journal into the tables.
  await audit.entries(0, 1)
}

const rowsIn = ({ store }: Log, table: string): number =>
  Number(store.raw.prepare(`SELECT COUNT(*) AS n FROM ${table}`).get()?.['n'])

describe('entries of large changes', () => {
  it('stand in few rows, those of small ones in a row each; all are read in order', async (t) => {
    const log = await openTestLog(t)
    await appendAtOnce(log, 10)
    await appendAtOnce(log, 600)
    await appendAtOnce(log, 3)
    await appendAtOnce(log, 40)
    assert.deepEqual([rowsIn(log, 'audit_entries'), rowsIn(log, 'audit_segments')], [13, 2])
    const entries = await log.audit.entries(0, 4096)
    assert.deepEqual(
      entries.map(({ index, event }) => [index, event.callId]),
      Array.from({ length: 653 }, (_, index) => [index, `call-${index}`]),
    )
    for (const [from, limit] of [
      [5, 10],
      [300, 7],
      [608, 4],
      [612, 100],
      [700, 5],
    ] as const) {
      const page = (await log.audit.entries(from, limit)).map(({ index }) => index)
      const expected = entries.slice(from, from + limit).map(({ index }) => index)
      assert.deepEqual(page, expected)
    }
  })

  it('are provable one by one, with their salts, also after a restart', async (t) => {
    const log = await openTestLog(t)
    await appendAtOnce(log, 300)
    await log.close()
    const { folder, keys, clock } = log
    const again = await openTestLog(t, { folder, keys, clock })
    assert.equal(again.audit.size, 300)
    for (const index of [0, 1, 255, 256, 299]) {
      const proof = await again.audit.proveInclusion(index)
      assert.ok(verifyInclusion(proof))
      const { event } = decodeEntry(proof.entry)
      const salt = await again.audit.argumentSalt(index)
      assert.equal(salt !== undefined, index % 2 === 1)
      const digest = sha256(Buffer.from('arguments'))
      const salted = salt && Uint8Array.from(sha256(Buffer.concat([salt, digest])))
      assert.deepEqual(event?.argumentDigest, salted)
    }
    assert.equal(await again.audit.argumentSalt(300), undefined)
    assert.equal((await again.audit.verify()).ok, true)
  })

  it('are cut by bytes when they are long', async (t) => {
    const log = await openTestLog(t)
    const detail = Object.fromEntries(
      Array.from({ length: 16 }, (_, key) => [`k${key}`, 'x'.repeat(500)]),
    )
    const long = Array.from({ length: 64 }, () => log.audit.append(testEvent({ detail })))
    await Promise.all(long)
    await log.audit.entries(0, 1)
    const rows = log.store.raw.prepare('SELECT length(leaves) AS n FROM audit_segments').all()
    assert.ok(rows.length >= 8 && rows.every((row) => Number(row['n']) <= 65_536))
    assert.equal((await log.audit.verify()).ok, true)
  })

  it('may be erased of their salts: no hash breaks', async (t) => {
    const log = await openTestLog(t)
    await appendAtOnce(log, 64)
    log.store.raw.exec('UPDATE audit_segments SET salts = zeroblob(16 * 64)')
    assert.equal(await log.audit.argumentSalt(1), undefined)
    assert.equal((await log.audit.verify()).ok, true)
  })
})

describe('names that entries have in common', () => {
  const size = ({ store }: Log): number =>
    Number(store.raw.prepare('SELECT SUM(length(leaves)) AS n FROM audit_segments').get()?.['n'])

  it('stand once in a segment, also where it was joined from many small changes', async (t) => {
    const log = await openTestLog(t)
    const actions: string[] = []
    for (let index = 0; index < 300; index += 1) {
      const action = `action-${index % 7 === 0 ? index % 5 : 9}`
      actions.push(action)
      await log.audit.append(testEvent({ action, rule: 'x'.repeat(200) }))
    }
    const entries = await log.audit.entries(0, 4096)
    assert.deepEqual(
      entries.map(({ event }) => event.action),
      actions,
    )
    assert.ok(size(log) < 300 * 50)
    assert.equal((await log.audit.verify()).ok, true)
  })

  it('are more than a segment can share, or longer', async (t) => {
    const log = await openTestLog(t)
    const names = (index: number): string => `${index}`.padEnd(index < 400 ? 3 : 250, 'x')
    const events = Array.from({ length: 900 }, (_, index) => testEvent({ rule: names(index) }))
    await Promise.all(events.map((event) => log.audit.append(event)))
    for (let index = 900; index < 1000; index += 1) {
      await log.audit.append(testEvent({ rule: names(index) }))
    }
    const entries = await log.audit.entries(0, 4096)
    assert.deepEqual(
      entries.map(({ event }) => event.rule),
      Array.from({ length: 1000 }, (_, index) => names(index)),
    )
    assert.equal((await log.audit.verify()).ok, true)
  })

  it('are in every entry of a segment of an earlier release, which is read as it is', async (t) => {
    const log = await openTestLog(t)
    await appendAtOnce(log, 100)
    const entries = await log.audit.entries(0, 100)
    const proofs = await Promise.all(entries.map(({ index }) => log.audit.proveInclusion(index)))
    await log.close()
    const leaves = proofs.map(({ entry }) => Buffer.concat([Uint8Array.of(0), entry]))
    const ends = Buffer.alloc(4 * leaves.length)
    let at = 0
    for (const [index, leaf] of leaves.entries()) ends.writeUInt32BE((at += leaf.length), 4 * index)
    tamper(log.path, (raw) =>
      raw
        .prepare('UPDATE audit_segments SET leaves = ?, ends = ?')
        .run(Buffer.concat(leaves), ends),
    )
    const { folder, keys, clock } = log
    const again = await openTestLog(t, { folder, keys, clock })
    assert.deepEqual(await again.audit.entries(0, 100), entries)
    await appendAtOnce(again, 100)
    const result = await again.audit.verify()
    assert.deepEqual([result.ok, result.entries], [true, 200])
  })
})

describe('a log of the first release', () => {
  it('verifies as a file, and is continued after its upgrade', async (t) => {
    const folder = temporaryFolder(t)
    const keys = makeLogKeys()
    const clock = createTestClock()
    const old = await openTestLog(t, { folder, keys, clock })
    await appendAtOnce(old, 20)
    await old.close()
    tamper(old.path, (raw) => raw.exec('DROP TABLE audit_segments; PRAGMA user_version = 1'))
    const before = await verifyAuditFile(old.path, { keys: publicKeysOf(keys) })
    assert.deepEqual([before.ok, before.entries], [true, 20])
    const again = await openTestLog(t, { folder, keys, clock })
    await appendAtOnce(again, 100)
    assert.equal((await again.audit.verify()).entries, 120)
  })
})

describe('a second writer', () => {
  it('cannot write an index again, in whichever table', async (t) => {
    const first = await openTestLog(t)
    const before = first.audit.size
    first.store.raw.exec(
      "INSERT INTO audit_segments VALUES (0, 40, zeroblob(1280), zeroblob(160), x'00', NULL)",
    )
    await first.audit.append(testEvent())
    await assert.rejects(first.audit.flush(), { code: 'KOS_AUDIT_UNAVAILABLE' })
    await assert.rejects(first.audit.append(testEvent()), { code: 'KOS_AUDIT_UNAVAILABLE' })
    assert.equal(first.audit.size, before + 1)
  })
})
