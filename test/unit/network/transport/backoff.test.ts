import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { createBackoff, DEFAULT_BACKOFF } from '../../../../src/network/transport/index.ts'

/** Randomness that always gives the same fraction. */
const fixed = (fraction: number): Parameters<typeof createBackoff>[0] => ({
  random: { bytes: (length) => new Uint8Array(length), uuidv7: () => '', fraction: () => fraction },
})

describe('backoff', () => {
  test('doubles its cap from one second to five minutes', () => {
    const backoff = createBackoff(fixed(1))
    const pauses = Array.from({ length: 11 }, () => backoff.next())
    assert.deepEqual(
      pauses,
      [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300].map((seconds) => seconds * 1000),
    )
    assert.deepEqual(DEFAULT_BACKOFF, { minMs: 1000, maxMs: 300_000 })
  })

  test('spreads over the whole range below the cap', () => {
    assert.equal(createBackoff(fixed(0)).next(), 0)
    assert.equal(createBackoff(fixed(0.25), { minMs: 400, maxMs: 800 }).next(), 100)
  })

  test('starts again after success', () => {
    const backoff = createBackoff(fixed(1))
    backoff.next()
    backoff.next()
    backoff.reset()
    assert.equal(backoff.next(), 1000)
  })

  test('gives a busy peer its time and spreads what follows', () => {
    assert.equal(createBackoff(fixed(0)).next(5000), 5000)
    assert.equal(createBackoff(fixed(0.5)).next(5000), 7500)
  })

  test('does not let a peer silence us', () => {
    assert.equal(createBackoff(fixed(0)).next(Number.MAX_SAFE_INTEGER), 300_000)
    assert.equal(createBackoff(fixed(0)).next(-5), 0)
  })
})
