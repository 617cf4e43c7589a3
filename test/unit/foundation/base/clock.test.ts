import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { systemClock, systemRandom } from '../../../../src/foundation/base/index.ts'

describe('the system clock', () => {
  test('wall time is the time since 1970', (context) => {
    context.mock.timers.enable({ apis: ['Date'], now: 1_767_225_600_000 })
    assert.equal(systemClock.wallMs(), 1_767_225_600_000)
  })

  test('monotonic time does not follow the wall clock', (context) => {
    const before = systemClock.monotonicMs()
    context.mock.timers.enable({ apis: ['Date'], now: 0 })
    assert.ok(systemClock.monotonicMs() >= before)
  })

  test('a timer runs once, or never when it is cancelled', (context) => {
    context.mock.timers.enable({ apis: ['setTimeout'] })
    const runs: string[] = []
    systemClock.after(10, () => runs.push('kept'))
    const cancel = systemClock.after(10, () => runs.push('cancelled'))
    cancel()
    cancel()
    context.mock.timers.tick(9)
    assert.deepEqual(runs, [])
    context.mock.timers.tick(100)
    assert.deepEqual(runs, ['kept'])
  })
})

describe('the system randomness', () => {
  test('gives as many bytes as asked, different each time', () => {
    const [first, second] = [systemRandom.bytes(16), systemRandom.bytes(16)]
    assert.equal(first.length, 16)
    assert.notDeepEqual(first, second)
  })

  test('gives UUIDs of version 7 that carry the time', () => {
    const before = Date.now()
    const uuid = systemRandom.uuidv7()
    // RFC 9562 section 5.7: 48 bits of Unix milliseconds, version 7, variant 10.
    assert.match(uuid, /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/)
    const stamp = Number.parseInt(uuid.replace('-', '').slice(0, 12), 16)
    assert.ok(stamp >= before && stamp <= Date.now())
  })

  test('gives fractions in [0, 1)', () => {
    const fractions = Array.from({ length: 100 }, () => systemRandom.fraction())
    assert.ok(fractions.every((fraction) => fraction >= 0 && fraction < 1))
    assert.ok(new Set(fractions).size > 1)
  })
})
