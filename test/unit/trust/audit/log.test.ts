import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { isRefusal, type Log, sha256 } from '../../../../src/foundation/base/index.ts'
import {
  createCheckpointVerifier,
  verifyConsistency,
  verifyInclusion,
} from '../../../../src/trust/audit/index.ts'
import { leafHash } from '../../../../src/trust/audit/merkle.ts'
import { openTestLog, publicKeysOf, TEST_ORIGIN, testEvent } from '../../../kit/audit.ts'
import { rootOf } from '../../../kit/merkle.ts'

describe('audit log', () => {
  it('gives indexes in the order of the calls', async (t) => {
    const { audit } = await openTestLog(t)
    audit.appendSoon(testEvent({ action: 'first' }))
    const receipts = await Promise.all(
      ['second', 'third'].map((action) => audit.append(testEvent({ action }))),
    )
    assert.deepEqual(receipts, [{ index: 1 }, { index: 2 }])
    assert.equal(audit.size, 3)
    const entries = await audit.entries(0, 10)
    assert.deepEqual(
      entries.map(({ index, event }) => [index, event.action]),
      [
        [0, 'first'],
        [1, 'second'],
        [2, 'third'],
      ],
    )
    assert.equal((await audit.entries(1, 1)).length, 1)
    assert.deepEqual(await audit.entries(3, 1), [])
  })

  it('keeps the time of the event, not that of the write', async (t) => {
    const { audit, clock } = await openTestLog(t)
    const start = clock.wallMs()
    audit.appendSoon(testEvent())
    clock.advance(20)
    audit.appendSoon(testEvent())
    await audit.flush()
    const entries = await audit.entries(0, 2)
    assert.deepEqual(
      entries.map(({ timeMs }) => timeMs - start),
      [0, 20],
    )
  })

  it('writes what may wait after the delay', async (t) => {
    const { audit, clock } = await openTestLog(t, { flushMs: 50 })
    audit.appendSoon(testEvent())
    clock.advance(49)
    await nextTurn()
    assert.equal(audit.size, 0)
    clock.advance(1)
    await nextTurn()
    assert.equal(audit.size, 1)
  })

  it('does not wait for the delay when much waits', async (t) => {
    const { audit, clock } = await openTestLog(t)
    for (let index = 0; index < 2500; index += 1) audit.appendSoon(testEvent())
    while (audit.size < 2500) await nextTurn()
    assert.equal(clock.pendingTimers <= 1, true)
  })

  it('joins the appends of one turn into one write', async (t) => {
    const { audit, disk } = await openTestLog(t)
    const receipts = await Promise.all(
      Array.from({ length: 10 }, () => audit.append(testEvent()).then(() => audit.size)),
    )
    assert.deepEqual([receipts, disk.writes], [Array(10).fill(10), 1])
  })

  it('writes an append that is alone without waiting for the end of the turn', async (t) => {
    const { audit, disk } = await openTestLog(t)
    let isTurnOver = false
    setImmediate(() => (isTurnOver = true))
    await audit.append(testEvent())
    await audit.append(testEvent())
    assert.deepEqual([isTurnOver, disk.writes], [false, 2])
  })

  it('salts the argument digest and keeps the salt beside the entry', async (t) => {
    const { audit } = await openTestLog(t)
    const argumentDigest = sha256(Buffer.from('arguments'))
    await audit.append(testEvent({ argumentDigest }))
    await audit.append(testEvent({ argumentDigest }))
    await audit.append(testEvent())
    const [first, second] = await audit.entries(0, 2)
    assert.notDeepEqual(first?.event.argumentDigest, second?.event.argumentDigest)
    const salt = (await audit.argumentSalt(0)) ?? assert.fail()
    assert.equal(salt.length, 16)
    assert.deepEqual(
      Buffer.from(first?.event.argumentDigest ?? []),
      Buffer.from(sha256(Buffer.concat([salt, argumentDigest]))),
    )
    assert.equal(await audit.argumentSalt(2), undefined)
    assert.equal(await audit.argumentSalt(9), undefined)
  })

  it('draws new salts when a batch needs many', async (t) => {
    const { audit } = await openTestLog(t)
    for (let index = 0; index < 600; index += 1) {
      audit.appendSoon(testEvent({ argumentDigest: new Uint8Array(32) }))
    }
    await audit.flush()
    const digests = (await audit.entries(0, 600)).map(({ event }) =>
      Buffer.from(event.argumentDigest ?? []).toString('hex'),
    )
    assert.equal(new Set(digests).size, 600)
  })

  it('refuses an event that is none, at the call', async (t) => {
    const { audit } = await openTestLog(t)
    const wrong = testEvent({ action: '' })
    assert.throws(() => audit.appendSoon(wrong), { code: 'KOS_AUDIT_EVENT' })
    await assert.rejects(audit.append(wrong), { code: 'KOS_AUDIT_EVENT' })
    assert.ok(audit.healthy)
  })
})

describe('checkpoints of a log', () => {
  it('exist from the first moment, also of an empty log', async (t) => {
    const { audit, keys } = await openTestLog(t)
    const checkpoint = await audit.checkpoint()
    assert.equal(checkpoint.size, 0)
    assert.deepEqual(Buffer.from(checkpoint.root), Buffer.from(sha256(new Uint8Array(0))))
    const verifier = createCheckpointVerifier(TEST_ORIGIN, publicKeysOf(keys))
    assert.ok(!isRefusal(verifier(checkpoint.note)))
  })

  it('cover the entries as the tree is defined', async (t) => {
    const { audit } = await openTestLog(t)
    const leaves: Uint8Array[] = []
    for (let index = 0; index < 20; index += 1) {
      await audit.append(testEvent({ callId: `${index}` }))
      const proof = await audit.proveInclusion(index)
      leaves.push(leafHash(proof.entry))
      const checkpoint = await audit.checkpoint()
      assert.equal(checkpoint.size, index + 1)
      assert.deepEqual(Buffer.from(checkpoint.root), Buffer.from(rootOf(leaves)))
    }
  })

  it('are signed at most once per second', async (t) => {
    const { audit, clock, store } = await openTestLog(t)
    const sizes = (): unknown[] =>
      store.raw
        .prepare('SELECT size FROM audit_checkpoints ORDER BY size')
        .all()
        .map((row) => row['size'])
    await audit.append(testEvent())
    await audit.append(testEvent())
    assert.deepEqual(sizes(), [0])
    clock.advance(999)
    await nextTurn()
    assert.deepEqual(sizes(), [0])
    clock.advance(1)
    await nextTurn()
    assert.deepEqual(sizes(), [0, 2])
    clock.advance(5000)
    await audit.append(testEvent())
    await nextTurn()
    assert.deepEqual(sizes(), [0, 3], 'and the one within the same hour is gone')
    assert.equal((await audit.checkpoint()).size, 3)
  })

  it('are thinned to one per hour', async (t) => {
    const { audit, clock, store } = await openTestLog(t)
    for (let minute = 0; minute < 180; minute += 10) {
      clock.advance(600_000)
      await audit.append(testEvent())
      await audit.flush()
    }
    const kept = store.raw.prepare('SELECT COUNT(*) AS n FROM audit_checkpoints').get()?.['n']
    assert.equal(kept, 4)
    assert.ok((await audit.verify()).ok)
  })
})

describe('proofs from a log', () => {
  it('verify for entries on both sides of a stored subtree', async (t) => {
    const { audit } = await openTestLog(t)
    for (let index = 0; index < 700; index += 1) audit.appendSoon(testEvent())
    await audit.flush()
    for (const index of [0, 1, 255, 256, 511, 512, 699]) {
      const proof = await audit.proveInclusion(index)
      assert.equal(proof.size, 700)
      assert.deepEqual(leafHash(proof.entry), Buffer.from(proof.leafHash))
      assert.ok(verifyInclusion(proof), String(index))
    }
    const older = await audit.checkpoint()
    await audit.append(testEvent())
    const newer = await audit.checkpoint()
    const path = await audit.proveConsistency(older.size, newer.size)
    assert.ok(
      verifyConsistency({
        from: older.size,
        to: newer.size,
        fromRoot: older.root,
        toRoot: newer.root,
        path,
      }),
    )
  })

  it('seal an entry that no checkpoint covers yet', async (t) => {
    const { audit } = await openTestLog(t)
    const { index } = await audit.append(testEvent())
    const proof = await audit.proveInclusion(index)
    assert.ok(verifyInclusion(proof))
    assert.equal(proof.size, 1)
  })

  it('are refused beyond the end', async (t) => {
    const { audit } = await openTestLog(t)
    await audit.append(testEvent())
    for (const index of [1, -1, 0.5]) {
      await assert.rejects(audit.proveInclusion(index), { code: 'KOS_AUDIT_RANGE' })
    }
    assert.throws(() => void audit.proveConsistency(1, 2), { code: 'KOS_AUDIT_RANGE' })
    await assert.rejects(audit.proveConsistency(0, 1), { code: 'KOS_AUDIT_RANGE' })
  })
})

describe('closing a log', () => {
  it('writes and seals what waits', async (t) => {
    const first = await openTestLog(t)
    first.audit.appendSoon(testEvent())
    await first.close()
    assert.equal(first.clock.pendingTimers, 0)
    assert.equal(first.audit.healthy, false)
    const again = await openTestLog(t, { folder: first.folder, keys: first.keys })
    assert.equal(again.audit.size, 1)
    assert.equal((await again.audit.checkpoint()).size, 1)
  })

  it('refuses what comes later', async (t) => {
    const { audit } = await openTestLog(t)
    await audit.close()
    await audit.close()
    assert.throws(() => audit.appendSoon(testEvent()), { code: 'KOS_AUDIT_CLOSED' })
    await assert.rejects(audit.append(testEvent()), { code: 'KOS_AUDIT_CLOSED' })
  })

  it('says that entries were lost', async (t) => {
    const events: string[] = []
    const log: Log = { event: (name, fields) => void events.push(`${name} ${fields?.count ?? ''}`) }
    const { audit, disk } = await openTestLog(t, { log })
    audit.appendSoon(testEvent())
    disk.room = 0
    await assert.rejects(audit.close(), { code: 'KOS_AUDIT_UNAVAILABLE' })
    assert.ok(events.includes('audit.lost 1'))
  })
})
