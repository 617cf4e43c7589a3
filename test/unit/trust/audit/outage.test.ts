import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { setImmediate as nextTurn } from 'node:timers/promises'
import type { Log } from '../../../../src/foundation/base/index.ts'
import { openTestLog, type TestLog, testEvent } from '../../../kit/audit.ts'

/** A full disk: no page may be added to the tables, and a journal without room of its own fails. */
function fill({ store, disk }: TestLog): void {
  disk.room = 0
  const pages = Number(store.raw.prepare('PRAGMA page_count').get()?.['page_count'])
  store.raw.exec(`PRAGMA max_page_count = ${pages}`)
}

function free({ store, disk }: TestLog): void {
  disk.room = Number.POSITIVE_INFINITY
  store.raw.exec('PRAGMA max_page_count = 1000000')
}

/** Enough for several pages. */
function appendMany({ audit }: TestLog, count = 200): void {
  for (let index = 0; index < count; index += 1) {
    audit.appendSoon(testEvent({ detail: { text: 'x'.repeat(200) } }))
  }
}

async function resumed({ audit }: TestLog): Promise<Record<string, unknown>> {
  const all = await audit.entries(0, 4096)
  const marks = all.filter(({ event }) => event.action === 'audit.resume')
  assert.equal(marks.length, 1)
  return { ...marks[0]?.event.detail }
}

describe('audit log on a full disk', () => {
  it('refuses what must be durable and says that it is not healthy', async (t) => {
    const events: string[] = []
    const log: Log = { event: (name) => void events.push(name) }
    const opened = await openTestLog(t, { log })
    const { audit } = opened
    fill(opened)
    appendMany(opened)
    await assert.rejects(audit.append(testEvent()), { code: 'KOS_AUDIT_UNAVAILABLE' })
    assert.equal(audit.healthy, false)
    assert.equal(audit.size, 0)
    // At once, without trying again.
    await assert.rejects(audit.append(testEvent()), { code: 'KOS_AUDIT_UNAVAILABLE' })
    await assert.rejects(audit.flush(), { code: 'KOS_AUDIT_UNAVAILABLE' })
    assert.equal(events.filter((name) => name === 'audit.unavailable').length, 1)
  })

  it('keeps what may wait, recovers by itself and records the outage', async (t) => {
    const opened = await openTestLog(t)
    const { audit, clock } = opened
    fill(opened)
    appendMany(opened)
    await assert.rejects(audit.append(testEvent()))
    await assert.rejects(audit.append(testEvent()))
    clock.advance(1000)
    await nextTurn()
    assert.equal(audit.healthy, false, 'still full')
    free(opened)
    clock.advance(1000)
    await nextTurn()
    assert.equal(audit.healthy, true)
    assert.equal(audit.size, 201)
    assert.deepEqual(await resumed(opened), { dropped: 0, refused: 2, outageMs: 2000 })
    await audit.append(testEvent())
    assert.ok((await audit.verify()).ok)
  })

  it('recovers also when nothing waits', async (t) => {
    const opened = await openTestLog(t)
    fill(opened)
    const large = testEvent({ detail: Object.fromEntries(largeDetails()) })
    // The last pages have room for a few more.
    const appendUntilFull = async (): Promise<void> => {
      for (let tries = 0; tries < 32; tries += 1) await opened.audit.append(large)
    }
    await assert.rejects(appendUntilFull())
    free(opened)
    opened.clock.advance(1000)
    await nextTurn()
    assert.ok(opened.audit.healthy)
    assert.deepEqual(await resumed(opened), { dropped: 0, refused: 1, outageMs: 1000 })
  })

  it('drops and counts what exceeds the queue', async (t) => {
    const opened = await openTestLog(t, { maxQueued: 300 })
    const { audit, clock } = opened
    fill(opened)
    appendMany(opened)
    await assert.rejects(audit.append(testEvent()))
    appendMany(opened, 150)
    free(opened)
    clock.advance(1000)
    await nextTurn()
    assert.ok(audit.healthy)
    assert.equal(audit.size, 301)
    assert.deepEqual(await resumed(opened), { dropped: 50, refused: 1, outageMs: 1000 })
  })

  it('is not healthy while a checkpoint cannot be stored', async (t) => {
    const opened = await openTestLog(t)
    const { audit, clock } = opened
    await audit.append(testEvent())
    opened.store.raw.exec('PRAGMA query_only = ON')
    await assert.rejects(audit.checkpoint(), { code: 'KOS_AUDIT_UNAVAILABLE' })
    assert.equal(audit.healthy, false)
    // The second-by-second checkpoint fails silently: the outage is already known.
    clock.advance(1000)
    await nextTurn()
    opened.store.raw.exec('PRAGMA query_only = OFF')
    clock.advance(1000)
    await nextTurn()
    assert.ok(audit.healthy)
    assert.ok((await audit.verify()).ok)
  })
})

describe('audit log whose tables are full while its journal has room', () => {
  it('takes records until it would have to be folded, then refuses; nothing is lost', async (t) => {
    const opened = await openTestLog(t)
    const { audit, clock, disk } = opened
    fill(opened)
    disk.room = Number.POSITIVE_INFINITY
    appendMany(opened)
    await audit.append(testEvent())
    assert.equal(audit.size, 201)
    // The checkpoint of the second cannot be stored.
    clock.advance(1000)
    await nextTurn()
    assert.equal(audit.healthy, false)
    await assert.rejects(audit.append(testEvent()), { code: 'KOS_AUDIT_UNAVAILABLE' })
    // What is durable is read all the same.
    assert.equal((await audit.entries(0, 4096)).length, 201)
    assert.deepEqual((await audit.verify()).entries, 201)
    free(opened)
    clock.advance(1000)
    await nextTurn()
    assert.ok(audit.healthy)
    assert.equal((await resumed(opened))['refused'], 1)
    const result = await audit.verify()
    assert.deepEqual([result.ok, result.entries, result.unsealed], [true, 202, 0])
  })

  it('says so when entries come fast, before the second is over', async (t) => {
    const opened = await openTestLog(t)
    fill(opened)
    opened.disk.room = Number.POSITIVE_INFINITY
    appendMany(opened, 3000)
    while (opened.audit.size < 2048) await nextTurn()
    await nextTurn()
    assert.equal(opened.audit.healthy, false)
  })
})

describe('audit log under more load than it can write', () => {
  it('refuses and drops beyond the queue, then goes on', async (t) => {
    const opened = await openTestLog(t, { maxQueued: 100 })
    const { audit } = opened
    appendMany(opened, 110)
    assert.equal(audit.healthy, false)
    await assert.rejects(audit.append(testEvent()), { code: 'KOS_AUDIT_UNAVAILABLE' })
    await nextTurn()
    await nextTurn()
    assert.ok(audit.healthy)
    assert.equal(audit.size, 101)
    assert.deepEqual(await resumed(opened), { dropped: 10, refused: 1, outageMs: 0 })
  })
})

function largeDetails(): [string, string][] {
  return Array.from({ length: 16 }, (_, index) => [`k${index}`, 'x'.repeat(512)])
}
