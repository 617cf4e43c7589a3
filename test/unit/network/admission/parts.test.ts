import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { BoundedTable } from '../../../../src/network/admission/bounded-table.ts'
import { HandshakeWindow } from '../../../../src/network/admission/handshake-window.ts'
import {
  addPenalty,
  noPenalty,
  penaltyRuns,
  penaltyWaitMs,
} from '../../../../src/network/admission/penalty.ts'
import {
  type RefusalRecord,
  RefusalRecords,
} from '../../../../src/network/admission/refusal-records.ts'
import {
  admissionLimits,
  limitsForAddress,
  requestsForConnections,
} from '../../../../src/network/admission/limits.ts'
import { createTestClock, TEST_EPOCH_MS } from '../../../kit/clock.ts'

test('a bounded table forgets what was unseen for longest', () => {
  const table = new BoundedTable<number>(2)
  table.set('a', 1)
  table.set('b', 2)
  table.set('a', 3)
  table.set('c', 4)
  assert.deepEqual(
    ['a', 'b', 'c'].map((key) => table.get(key)),
    [3, undefined, 4],
  )
  assert.equal(table.size, 2)
})

describe('the handshake window', () => {
  test('is fully open at first and stays so under success', () => {
    const window = new HandshakeWindow(16, 64)
    for (let n = 0; n < 100; n++) window.succeeded()
    assert.equal(window.size, 64)
  })

  test('ignores single failures, closes to its minimum under many, and opens again', () => {
    const window = new HandshakeWindow(16, 64)
    window.failed()
    window.failed()
    assert.equal(window.size, 64)
    window.failed()
    assert.equal(window.size, 57)
    for (let n = 0; n < 100; n++) window.failed()
    assert.equal(window.size, 16)
    window.succeeded()
    assert.equal(window.size, 16)
    for (let n = 0; n < 100; n++) window.succeeded()
    assert.equal(window.size, 64)
  })
})

describe('a penalty', () => {
  const limits = { penaltyThresholdMs: 15_000, penaltyMaxMs: 600_000 }

  test('accrues before it bites', () => {
    const penalty = noPenalty()
    addPenalty(penalty, { addMs: 5000, nowMs: 0 }, limits)
    addPenalty(penalty, { addMs: 5000, nowMs: 0 }, limits)
    assert.deepEqual([penaltyRuns(penalty, 0), penaltyWaitMs(penalty, 0)], [true, 0])
    addPenalty(penalty, { addMs: 5000, nowMs: 0 }, limits)
    assert.equal(penaltyWaitMs(penalty, 0), 15_000)
  })

  test('bites until its end, not only above the threshold, and ends by itself', () => {
    const penalty = noPenalty()
    addPenalty(penalty, { addMs: 20_000, nowMs: 0 }, limits)
    assert.equal(penaltyWaitMs(penalty, 19_999), 1)
    assert.deepEqual([penaltyWaitMs(penalty, 20_000), penaltyRuns(penalty, 20_000)], [0, false])
    // What comes later starts anew.
    addPenalty(penalty, { addMs: 1000, nowMs: 20_001 }, limits)
    assert.equal(penaltyWaitMs(penalty, 20_001), 0)
  })

  test('is forgiven while failures are rare', () => {
    const penalty = noPenalty()
    for (let nowMs = 0; nowMs < 1_000_000; nowMs += 6000) {
      addPenalty(penalty, { addMs: 5000, nowMs }, limits)
      assert.equal(penaltyWaitMs(penalty, nowMs), 0)
    }
  })

  test('never exceeds ten minutes', () => {
    const penalty = noPenalty()
    for (let n = 0; n < 1000; n++) addPenalty(penalty, { addMs: 10_000, nowMs: 0 }, limits)
    assert.equal(penaltyWaitMs(penalty, 0), 600_000)
  })

  test('of nothing never bites, even without a threshold', () => {
    const penalty = noPenalty()
    addPenalty(penalty, { addMs: 0, nowMs: 0 }, { penaltyThresholdMs: 0, penaltyMaxMs: 0 })
    assert.equal(penaltyWaitMs(penalty, 0), 0)
  })
})

describe('refusal records', () => {
  const start = (maxRecords = 10) => {
    const clock = createTestClock()
    const delivered: (readonly RefusalRecord[])[] = []
    const records = new RefusalRecords(clock, (some) => delivered.push(some), maxRecords)
    return { clock, delivered, records }
  }

  test('are one per prefix, reason and minute', () => {
    const { clock, delivered, records } = start()
    for (let n = 0; n < 1000; n++) records.note('192.0.2.1/32', 'KOS_ADMISSION_RATE')
    records.note('192.0.2.1/32', 'KOS_ADMISSION_BUSY')
    records.note('192.0.2.2/32', 'KOS_ADMISSION_RATE')
    clock.advance(59_999)
    records.note('192.0.2.2/32', 'KOS_ADMISSION_RATE')
    assert.equal(delivered.length, 0)
    clock.advance(1)
    records.note('192.0.2.1/32', 'KOS_ADMISSION_RATE')
    const minute = TEST_EPOCH_MS
    assert.deepEqual(delivered, [
      [
        { prefix: '192.0.2.1/32', reason: 'KOS_ADMISSION_RATE', count: 1000, minute },
        { prefix: '192.0.2.1/32', reason: 'KOS_ADMISSION_BUSY', count: 1, minute },
        { prefix: '192.0.2.2/32', reason: 'KOS_ADMISSION_RATE', count: 2, minute },
      ],
    ])
    records.flush()
    records.flush()
    assert.deepEqual(delivered.slice(1), [
      [
        {
          prefix: '192.0.2.1/32',
          reason: 'KOS_ADMISSION_RATE',
          count: 1,
          minute: TEST_EPOCH_MS + 60_000,
        },
      ],
    ])
  })

  test('are bounded: what does not fit is counted under one prefix', () => {
    const { delivered, records } = start(2)
    for (let n = 0; n < 5000; n++) {
      records.note(`10.0.${n >>> 8}.${n & 255}/32`, 'KOS_ADMISSION_RATE')
    }
    records.note('10.0.0.0/32', 'KOS_ADMISSION_RATE')
    records.note('10.0.0.9/32', 'KOS_ADMISSION_BUSY')
    records.flush()
    assert.deepEqual(
      delivered[0]?.map(({ prefix, reason, count }) => [prefix, reason, count]),
      [
        ['10.0.0.0/32', 'KOS_ADMISSION_RATE', 2],
        ['10.0.0.1/32', 'KOS_ADMISSION_RATE', 1],
        ['*', 'KOS_ADMISSION_RATE', 4998],
        ['*', 'KOS_ADMISSION_BUSY', 1],
      ],
    )
  })
})

test('limits for a site behind one address grow with it, within bounds', () => {
  for (const devices of [1, 16]) {
    assert.deepEqual(limitsForAddress(devices), {
      connectionsPerSource: devices === 1 ? 16 : 32,
      halfOpenPerSource: 4,
      connectionRate: { perSecond: 5, burst: 10 },
    })
  }
  const wide = limitsForAddress(200)
  assert.deepEqual(wide, {
    connectionsPerSource: 400,
    halfOpenPerSource: 32,
    connectionRate: { perSecond: 62.5, burst: 125 },
  })
  assert.equal(limitsForAddress(4096).connectionRate.perSecond, 250)
  assert.ok(admissionLimits(limitsForAddress(4096)))
  assert.deepEqual(requestsForConnections(wide.connectionRate), { perSecond: 625, burst: 2500 })
})
