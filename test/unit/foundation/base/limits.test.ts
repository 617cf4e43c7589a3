import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { takeGcra } from '../../../../src/foundation/base/index.ts'

describe('GCRA', () => {
  test('lets a burst pass, then one event per interval', () => {
    const state = { tatMs: 0 }
    const limit = { perSecond: 2, burst: 3 }
    const waits = [1000, 1000, 1000, 1000, 1499, 1500, 1500].map((now) =>
      takeGcra(state, limit, now),
    )
    assert.deepEqual(waits, [0, 0, 0, 500, 1, 0, 500])
  })

  test('a refused event costs nothing', () => {
    const state = { tatMs: 0 }
    const limit = { perSecond: 1, burst: 1 }
    assert.equal(takeGcra(state, limit, 1000), 0)
    const before = state.tatMs
    for (let n = 0; n < 10; n += 1) assert.equal(takeGcra(state, limit, 1400), 600)
    assert.equal(state.tatMs, before)
  })

  test('idle time saves no more than the burst', () => {
    const state = { tatMs: 0 }
    const limit = { perSecond: 1, burst: 2 }
    takeGcra(state, limit, 0)
    const waits = [100_000, 100_000, 100_000].map((now) => takeGcra(state, limit, now))
    assert.deepEqual(waits, [0, 0, 1000])
  })
})
