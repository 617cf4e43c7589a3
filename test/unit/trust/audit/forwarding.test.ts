import assert from 'node:assert/strict'
import { describe, it, type TestContext } from 'node:test'
import { isRefusal, type Refusal, validate } from '../../../../src/foundation/base/index.ts'
import {
  createCheckpointVerifier,
  type ForwardBatch,
  forwardBatchSchema,
  type IngestResult,
  type IngestSource,
} from '../../../../src/trust/audit/index.ts'
import { openTestLog, publicKeysOf, type TestLog, testEvent } from '../../../kit/audit.ts'

const NODE_ORIGIN = 'kos.test/device/node'
const ONE = { maxEntries: 1, maxBytes: 1000 }

async function pair(t: TestContext): Promise<{
  node: TestLog
  authority: TestLog
  from: IngestSource
}> {
  const node = await openTestLog(t, { origin: NODE_ORIGIN })
  const authority = await openTestLog(t, { origin: 'kos.test/authority/a' })
  const verifier = createCheckpointVerifier(NODE_ORIGIN, publicKeysOf(node.keys))
  return { node, authority, from: { source: 'node', verifier } }
}

async function record({ audit }: TestLog, ...actions: string[]): Promise<void> {
  for (const action of actions) await audit.append(testEvent({ action }))
  await audit.flush()
}

function accepted(result: IngestResult | Refusal): IngestResult {
  return isRefusal(result) ? assert.fail(`${result.code} ${result.rule}`) : result
}

function refused(result: IngestResult | Refusal): readonly [string, string] {
  return isRefusal(result) ? [result.code, result.rule] : assert.fail('accepted')
}

const alarms = async ({ audit }: TestLog): Promise<string[]> =>
  (await audit.entries(0, 100))
    .filter(({ event }) => event.type === 'alert')
    .map(({ event }) => `${event.code} ${event.rule}`)

describe('forwarding', () => {
  it('carries every entry once, in order, unchanged', async (t) => {
    const { node, authority, from } = await pair(t)
    await record(node, 'a', 'b', 'c')
    const first = await node.audit.unforwarded({ maxEntries: 2, maxBytes: 10_000 })
    assert.equal(first.entries.length, 2)
    const taken = accepted(await authority.audit.ingest(from, first))
    assert.deepEqual(taken, { accepted: 2, nextIndex: 2, agreed: false })
    await node.audit.markForwarded(taken.nextIndex)
    const second = await node.audit.unforwarded()
    assert.deepEqual(accepted(await authority.audit.ingest(from, second)), {
      accepted: 1,
      nextIndex: 3,
      agreed: true,
    })
    await node.audit.markForwarded(3)
    assert.deepEqual((await node.audit.unforwarded()).entries, [])
    const entries = await authority.audit.entries(0, 10)
    assert.deepEqual(
      entries.map(({ event, forwarded }) => [event.action, forwarded?.source, forwarded?.index]),
      [
        ['a', 'node', 0],
        ['b', 'node', 1],
        ['c', 'node', 2],
      ],
    )
    assert.ok((await authority.audit.verify()).ok)
  })

  it('changes nothing when the same batch comes again', async (t) => {
    const { node, authority, from } = await pair(t)
    await record(node, 'a', 'b')
    const batch = await node.audit.unforwarded()
    await authority.audit.ingest(from, batch)
    assert.deepEqual(accepted(await authority.audit.ingest(from, batch)), {
      accepted: 0,
      nextIndex: 2,
      agreed: true,
    })
    assert.equal(authority.audit.size, 2)
    // And an overlapping one brings only what is new.
    await record(node, 'c')
    const longer = await node.audit.unforwarded()
    assert.equal(longer.entries.length, 3)
    assert.equal(accepted(await authority.audit.ingest(from, longer)).accepted, 1)
  })

  it('sends sealed entries only, at least one, within the bounds', async (t) => {
    const { node } = await pair(t)
    await record(node, 'a', 'b')
    await node.audit.append(testEvent())
    assert.equal((await node.audit.unforwarded()).entries.length, 2)
    assert.equal((await node.audit.unforwarded({ maxEntries: 9, maxBytes: 1 })).entries.length, 1)
    assert.equal((await node.audit.unforwarded(ONE)).entries.length, 1)
    for (const index of [-1, 4, 0.5]) {
      await assert.rejects(node.audit.markForwarded(index), { code: 'KOS_AUDIT_RANGE' })
    }
  })

  it('remembers the cursor over a restart', async (t) => {
    const { node } = await pair(t)
    await record(node, 'a', 'b')
    await node.audit.markForwarded(1)
    await node.close()
    const again = await openTestLog(t, { ...node, origin: NODE_ORIGIN })
    assert.equal((await again.audit.unforwarded()).first, 1)
  })

  it('records a gap once and says where to go on', async (t) => {
    const { node, authority, from } = await pair(t)
    await record(node, 'a', 'b', 'c')
    await node.audit.markForwarded(1)
    const batch = await node.audit.unforwarded()
    for (let attempt = 0; attempt < 3; attempt += 1) {
      const result = await authority.audit.ingest(from, batch)
      assert.deepEqual(refused(result), ['KOS_AUDIT_GAP', 'entry 0'])
      assert.deepEqual(isRefusal(result) && result.details, { nextIndex: 0 })
    }
    assert.deepEqual(await alarms(authority), ['KOS_AUDIT_GAP entry 0'])
    await node.audit.markForwarded(0)
    assert.equal(
      accepted(await authority.audit.ingest(from, await node.audit.unforwarded())).accepted,
      3,
    )
    // The next gap is another alarm.
    const later = { ...batch, first: 9 }
    await authority.audit.ingest(from, later)
    assert.deepEqual(await alarms(authority), ['KOS_AUDIT_GAP entry 0', 'KOS_AUDIT_GAP entry 3'])
  })

  it('finds a node that rewrote what it had forwarded', async (t) => {
    const { node, authority, from } = await pair(t)
    await record(node, 'a', 'b')
    await authority.audit.ingest(from, await node.audit.unforwarded())
    const other = await openTestLog(t, { origin: NODE_ORIGIN, keys: node.keys })
    await record(other, 'a', 'forged', 'c')
    const batch = await other.audit.unforwarded()
    assert.deepEqual(refused(await authority.audit.ingest(from, batch)), [
      'KOS_AUDIT_FORK',
      'entry 1',
    ])
    assert.deepEqual(refused(await authority.audit.ingest(from, batch)), [
      'KOS_AUDIT_FORK',
      'entry 1',
    ])
    assert.deepEqual(await alarms(authority), ['KOS_AUDIT_FORK entry 1'])
  })

  it('finds a node whose signed root is not that of its entries', async (t) => {
    const { node, authority, from } = await pair(t)
    await record(node, 'a', 'b')
    const other = await openTestLog(t, { origin: NODE_ORIGIN, keys: node.keys })
    await record(other, 'a', 'forged')
    const { checkpoint } = await other.audit.unforwarded()
    const batch = { ...(await node.audit.unforwarded()), checkpoint }
    assert.deepEqual(refused(await authority.audit.ingest(from, batch)), [
      'KOS_AUDIT_FORK',
      'entry 2',
    ])
    assert.equal(authority.audit.size, 1, 'the alarm alone')
    // Also later, by an empty batch with a checkpoint of the very size.
    assert.equal(
      accepted(await authority.audit.ingest(from, await node.audit.unforwarded())).agreed,
      true,
    )
    const empty = { first: 2, entries: [], checkpoint }
    assert.deepEqual(refused(await authority.audit.ingest(from, empty)), [
      'KOS_AUDIT_FORK',
      'entry 2',
    ])
  })

  it('shows how far each log was taken in, and what stands against it', async (t) => {
    const { node, authority, from } = await pair(t)
    assert.deepEqual(await authority.audit.sources(), [])
    await record(node, 'a', 'b', 'c', 'd')
    const standing = async (): Promise<readonly unknown[]> =>
      (await authority.audit.sources()).map(({ nextIndex, alarms: stand }) => [nextIndex, ...stand])
    const whole = await node.audit.unforwarded()
    const part = (first: number, count: number): ForwardBatch => ({
      ...whole,
      first,
      entries: whole.entries.slice(first, first + count),
    })
    await authority.audit.ingest(from, part(0, 1))
    const [source] = await authority.audit.sources()
    assert.equal(source?.takenAtMs, authority.clock.wallMs())
    // Entries 1 and 2 are left out.
    await authority.audit.ingest(from, part(3, 1))
    const gap = { kind: 'gap', first: 1, last: 2 }
    assert.deepEqual(await standing(), [[1, gap]])
    // Neither a statement without entries nor a part of what is missing closes a gap.
    await authority.audit.ingest(from, part(1, 0))
    assert.deepEqual(await standing(), [[1, gap]])
    await authority.audit.ingest(from, part(1, 1))
    assert.deepEqual(await standing(), [[2, gap]])
    await authority.audit.ingest(from, part(2, 1))
    assert.deepEqual(await standing(), [[3]])
    // What is no entry of this place stops the log, until one comes.
    const [first] = whole.entries
    await authority.audit.ingest(from, { ...whole, first: 3, entries: first ? [first] : [] })
    assert.deepEqual(await standing(), [[3, { kind: 'unfit', first: 3 }]])
    await authority.audit.ingest(from, part(3, 1))
    assert.deepEqual(await standing(), [[4]])
    // A fork stays, also over a restart and whatever comes next, and is recorded once.
    const other = await openTestLog(t, { origin: NODE_ORIGIN, keys: node.keys })
    await record(other, 'a', 'forged')
    const forged = await other.audit.unforwarded()
    const before = authority.audit.size
    for (const start of [0, 1, 1]) {
      const batch = { ...forged, first: start, entries: forged.entries.slice(start) }
      assert.equal(refused(await authority.audit.ingest(from, batch))[0], 'KOS_AUDIT_FORK')
    }
    assert.equal(authority.audit.size, before + 1)
    await record(node, 'e')
    const later = await node.audit.unforwarded()
    assert.equal(accepted(await authority.audit.ingest(from, later)).agreed, true)
    await authority.close()
    const again = await openTestLog(t, { ...authority, origin: 'kos.test/authority/a' })
    const [stands] = await again.audit.sources()
    assert.deepEqual([stands?.nextIndex, stands?.alarms], [5, [{ kind: 'fork', first: 1 }]])
  })

  it('takes entries in without keys of the node, unproven', async (t) => {
    const { node, authority } = await pair(t)
    await record(node, 'a')
    const batch = { ...(await node.audit.unforwarded()), checkpoint: 'x' }
    assert.deepEqual(accepted(await authority.audit.ingest({ source: 'node' }, batch)), {
      accepted: 1,
      nextIndex: 1,
      agreed: false,
    })
  })

  it('refuses batches that are malformed, as a whole', async (t) => {
    const { node, authority, from } = await pair(t)
    await record(node, 'a', 'b')
    const batch = await node.audit.unforwarded()
    const [first, second] = batch.entries
    if (!first || !second) assert.fail()
    await authority.audit.ingest(from, batch)
    const wrapped = await authority.audit.proveInclusion(0)
    const cases: readonly (readonly [string, Partial<ForwardBatch>, string?])[] = [
      ['source', {}, ''],
      ['source', {}, 'x'.repeat(513)],
      ['first', { first: -1 }],
      ['limit: entries', { entries: Array<Uint8Array>(1025).fill(first) }],
      ['limit: bytes', { entries: Array<Uint8Array>(1000).fill(new Uint8Array(2000)) }],
      ['checkpoint: blank line', { checkpoint: 'x' }],
      ['entry 0: index', { entries: [second] }, 'other'],
      ['entry 1: index', { entries: [first, first] }, 'other'],
      ['entry 0: head', { entries: [Uint8Array.of(0xa0)] }, 'other'],
      ['entry 0: size', { entries: [new Uint8Array(41 * 1024)] }, 'other'],
      ['entry 0: forwarded', { entries: [wrapped.entry] }, 'other'],
    ]
    const size = authority.audit.size
    for (const [rule, changes, source] of cases) {
      const origin = { ...from, ...(source !== undefined && { source }) }
      const result = await authority.audit.ingest(origin, { ...batch, ...changes })
      assert.deepEqual(refused(result), ['KOS_AUDIT_INGEST', rule])
    }
    // Nothing was taken in; what keeps a log from going on was recorded, once for each place.
    const recorded = ['checkpoint: blank line', 'entry 0: index']
    assert.deepEqual(
      await alarms(authority),
      recorded.map((rule) => `KOS_AUDIT_INGEST ${rule}`),
    )
    assert.equal(authority.audit.size, size + recorded.length)
  })

  it('takes in nothing when it cannot write', async (t) => {
    const { node, authority, from } = await pair(t)
    await record(node, 'a')
    const batch = await node.audit.unforwarded()
    authority.store.raw.exec('PRAGMA query_only = ON')
    await assert.rejects(authority.audit.ingest(from, batch), { code: 'KOS_AUDIT_UNAVAILABLE' })
    assert.equal(authority.audit.healthy, false)
    authority.store.raw.exec('PRAGMA query_only = OFF')
    authority.clock.advance(1000)
    await authority.audit.flush()
    assert.equal(accepted(await authority.audit.ingest(from, batch)).accepted, 1)
    assert.ok((await authority.audit.verify()).ok)
  })

  it('stops when its own record of a node is damaged', async (t) => {
    const { node, authority, from } = await pair(t)
    await record(node, 'a')
    const batch = await node.audit.unforwarded()
    await authority.audit.ingest(from, batch)
    await record(node, 'b')
    authority.store.raw.exec("UPDATE audit_sources SET frontier = x'00'")
    await assert.rejects(authority.audit.ingest(from, await node.audit.unforwarded()), {
      code: 'KOS_AUDIT_ENTRY',
    })
    authority.store.raw.exec('DELETE FROM audit_forwarded')
    assert.deepEqual(refused(await authority.audit.ingest(from, batch)), [
      'KOS_AUDIT_FORK',
      'entry 0',
    ])
  })

  it('has a shape for the wire', async (t) => {
    const { node } = await pair(t)
    await record(node, 'a')
    const batch = await node.audit.unforwarded()
    assert.ok(validate(forwardBatchSchema, batch).allow)
    for (const wrong of [
      { ...batch, first: -1 },
      { ...batch, entries: ['text'] },
      { ...batch, entries: [new Uint8Array(41 * 1024)] },
      { ...batch, checkpoint: 'x'.repeat(20_000) },
      { ...batch, more: 1 },
    ]) {
      assert.ok(!validate(forwardBatchSchema, wrong).allow)
    }
  })
})
