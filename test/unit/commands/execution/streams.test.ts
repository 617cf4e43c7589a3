/** Runs that send bytes before their result: paced, bounded, recorded, and never twice. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { CommandContext } from '../../../../src/commands/catalog/index.ts'
import { authenticatedPeer, callOf, createTestExecutor } from '../../../kit/calls.ts'
import { testCommand } from '../../../kit/commands.ts'

const peer = authenticatedPeer()
const settle = (): Promise<void> => new Promise((resolve) => void setImmediate(resolve))
const LIMITS = { maxArgumentBytes: 64, maxResultBytes: 1000, timeoutMs: 60_000, concurrency: 4 }

/** A reader whose credit the test gives. */
function reader(): {
  readonly taken: number[]
  readonly give: (taken: boolean) => void
  readonly emit: (bytes: Uint8Array) => Promise<boolean>
} {
  const taken: number[] = []
  const gates: ((taken: boolean) => void)[] = []
  return {
    taken,
    give: (isTaken) => gates.shift()?.(isTaken),
    emit: (bytes) => {
      taken.push(bytes.length)
      return new Promise((resolve) => gates.push(resolve))
    },
  }
}

const streamer = (
  run: (context: CommandContext) => Promise<object>,
): ReturnType<typeof testCommand> =>
  testCommand(async (context) => (await run(context)) as { value?: string }, {
    streams: true,
    limits: LIMITS,
  })

describe('a run that streams', () => {
  test('sends as its reader takes; intent comes first, the record counts the bytes', async () => {
    const command = streamer(async ({ emit }) => {
      await emit?.(new Uint8Array(10))
      await emit?.(new Uint8Array(20))
      return { value: 'end' }
    })
    const { executor, record } = createTestExecutor([command])
    const { emit, give, taken } = reader()
    const answer = executor.execute(peer, callOf('test.run', { value: 1 }, { emit }))
    await settle()
    assert.deepEqual([taken, record.taken.map(({ how }) => how)], [[10], ['intent']])
    give(true)
    await settle()
    assert.deepEqual(taken, [10, 20])
    give(true)
    assert.deepEqual(await answer, { status: 'ok', value: { value: 'end' } })
    const [intent, outcome] = record.taken
    assert.deepEqual([intent?.streamedBytes, outcome?.streamedBytes], [undefined, 30])
  })

  test('has no stream where the caller or the command wants none', async () => {
    const seen: boolean[] = []
    const run = async ({ emit }: CommandContext): Promise<object> => {
      seen.push(emit !== undefined)
      return {}
    }
    const plain = testCommand((context) => run(context) as Promise<{ value?: string }>)
    const { outcome } = createTestExecutor([streamer(run)])
    await outcome(peer, callOf('test.run', { value: 1 }))
    const other = createTestExecutor([plain])
    await other.outcome(peer, callOf('test.run', { value: 1 }, { emit: reader().emit }))
    assert.deepEqual(seen, [false, false])
    assert.equal(other.record.taken[0]?.streamedBytes, undefined)
  })

  test('is stopped at its limit of bytes, whatever it does then', async () => {
    const command = streamer(async ({ emit }) => {
      await emit?.(new Uint8Array(900))
      await emit?.(new Uint8Array(101)).catch(() => undefined)
      return {}
    })
    const { executor, record } = createTestExecutor([command])
    const { emit, give } = reader()
    const answer = executor.execute(peer, callOf('test.run', { value: 1 }, { emit }))
    await settle()
    give(true)
    const outcome = await answer
    assert.equal(outcome.status === 'failed' && outcome.code, 'KOS_EXECUTION_RESULT_TOO_LARGE')
    assert.equal(record.taken.at(-1)?.streamedBytes, 900)
  })

  test('may not pile up what nobody takes', async () => {
    const command = testCommand(
      async ({ emit }) => {
        await Promise.all([emit?.(new Uint8Array(600_000)), emit?.(new Uint8Array(600_000))])
        return {}
      },
      { streams: true, limits: { ...LIMITS, maxResultBytes: 1e8 } },
    )
    const { outcome } = createTestExecutor([command])
    const answer = await outcome(peer, callOf('test.run', { value: 1 }, { emit: reader().emit }))
    assert.equal(answer.status === 'failed' && answer.code, 'KOS_EXECUTION_FAILED')
  })

  test('ends with a caller that is gone', async () => {
    const command = streamer(async ({ emit }) => {
      await emit?.(new Uint8Array(1))
      return {}
    })
    const { executor } = createTestExecutor([command])
    const { emit, give } = reader()
    const answer = executor.execute(peer, callOf('test.run', { value: 1 }, { emit }))
    await settle()
    give(false)
    const outcome = await answer
    assert.equal(outcome.status === 'failed' && outcome.code, 'KOS_EXECUTION_FAILED')
  })

  test('has its deadline from the last byte on, and its longest run beside', async () => {
    for (const [deadlineMs, expected] of [
      [10_000, 15_000],
      [50_000, 30_000],
    ] as const) {
      const command = streamer(async ({ emit }) => {
        for (;;) await emit?.(new Uint8Array(1))
      })
      const { executor, clock } = createTestExecutor([command])
      const { emit, give } = reader()
      const call = callOf('test.run', { value: 1 }, { emit, deadlineMs })
      let ended = 0
      const started = clock.monotonicMs()
      const answer = Promise.resolve(executor.execute(peer, call)).then((outcome) => {
        ended = clock.monotonicMs() - started
        return outcome
      })
      await settle()
      const moves = deadlineMs === 10_000 ? 1 : 3
      for (let move = 0; move < moves; move += 1) {
        clock.advance(5000)
        give(true)
        await settle()
      }
      for (let second = 0; second < 60 && ended === 0; second += 1) {
        clock.advance(1000)
        await settle()
      }
      const outcome = await answer
      assert.equal(outcome.status === 'failed' && outcome.code, 'KOS_EXECUTION_TIMEOUT')
      assert.equal(ended, expected)
    }
  })

  test('is not repeated: its bytes went once', async () => {
    let runs = 0
    const command = streamer(async ({ emit }) => {
      runs += 1
      await emit?.(new Uint8Array(1))
      return {}
    })
    const { executor, outcome } = createTestExecutor([command])
    const { emit, give } = reader()
    const call = callOf('test.run', { value: 1 }, { emit })
    const first = executor.execute(peer, call)
    await settle()
    const meanwhile = await outcome(peer, { ...call })
    give(true)
    assert.equal((await first).status, 'ok')
    const after = await outcome(peer, { ...call })
    for (const repeated of [meanwhile, after]) {
      assert.equal(repeated.status === 'failed' && repeated.code, 'KOS_EXECUTION_RESULT_GONE')
    }
    assert.equal(runs, 1)
  })
})
