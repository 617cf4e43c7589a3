/** One call from arrival to outcome and record. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { calcCommand, echoCommand } from '../../../../src/commands/catalog/index.ts'
import {
  type CommandFacts,
  createExecutor,
  DEFAULT_EXECUTOR_LIMITS,
  executionErrors,
} from '../../../../src/commands/execution/index.ts'
import { type LogFields, refuse, silentLog, z } from '../../../../src/foundation/base/index.ts'
import { profileOf } from '../../../../src/foundation/profiles/index.ts'
import {
  allowAll,
  authenticatedPeer,
  callOf,
  createTestExecutor,
  denyAll,
  TEST_GRANT,
} from '../../../kit/calls.ts'
import { testCommand } from '../../../kit/commands.ts'

const peer = authenticatedPeer()

describe('a synchronous read command', () => {
  test('is answered synchronously', () => {
    const { executor, record } = createTestExecutor([echoCommand])
    const call = callOf('echo', { value: 'hello' })
    assert.deepEqual(executor.execute(peer, call), { status: 'ok', value: { value: 'hello' } })
    assert.deepEqual(record.taken, [
      {
        how: 'soon',
        stage: 'Filtered',
        outcome: 'ok',
        rule: TEST_GRANT.rule,
        durationMs: 0,
        command: 'echo',
        callId: call.callId,
      },
    ])
  })

  test('so are its refusals and failures', () => {
    const { executor } = createTestExecutor([calcCommand])
    for (const [call, status] of [
      [callOf('calc', { expression: '1/0' }), 'failed'],
      [callOf('calc', {}), 'refused'],
      [callOf('nothing', {}), 'refused'],
    ] as const) {
      const answer = executor.execute(peer, call)
      assert.ok('status' in answer)
      assert.equal(answer.status, status)
    }
  })

  test('nothing waits afterwards', () => {
    const { executor, clock } = createTestExecutor([echoCommand])
    void executor.execute(peer, callOf('echo', { value: 'x' }))
    assert.equal(clock.pendingTimers, 0)
    assert.equal(executor.runningCalls, 0)
  })
})

describe('every refusal names its rule and is recorded with the stage it reached', () => {
  const record = async (
    options: Parameters<typeof createTestExecutor>[1],
    call: ReturnType<typeof callOf>,
  ): Promise<readonly unknown[]> => {
    const made = createTestExecutor([echoCommand, calcCommand], options)
    const answer = await made.outcome(peer, call)
    assert.equal(made.record.taken.length, 1)
    const [taken] = made.record.taken
    assert.equal(taken?.how, 'soon')
    assert.ok('rule' in answer)
    assert.deepEqual(
      [answer.status, answer.code, answer.rule],
      [taken?.outcome, taken?.code, taken?.rule],
    )
    return [answer.code, answer.rule, taken?.stage, taken?.command]
  }

  test('a malformed envelope', async () => {
    for (const broken of [
      { callId: '00' },
      { callId: 'G'.repeat(32) },
      { callId: 'A'.repeat(32) },
      { deadlineMs: 0 },
      { deadlineMs: -5 },
      { deadlineMs: Number.NaN },
      { traceId: 'f'.repeat(65) },
    ]) {
      assert.deepEqual(await record({}, callOf('echo', { value: 'x' }, broken)), [
        'KOS_EXECUTION_CALL',
        'execution/call',
        'Authenticated',
        'echo',
      ])
    }
  })

  test('an unknown command; a name that is none is not recorded', async () => {
    const unknown = ['KOS_CATALOG_UNKNOWN', 'catalog/unknown-command', 'Authenticated']
    assert.deepEqual(await record({}, callOf('files.erase', {})), [...unknown, 'files.erase'])
    assert.deepEqual(await record({}, callOf('rm -rf /\n', {})), [...unknown, '-'])
    assert.deepEqual(await record({}, callOf('__proto__', {})), [...unknown, '-'])
  })

  test('a denial of policy', async () => {
    const authorise = denyAll('fleet/deny-echo')
    assert.deepEqual(await record({ authorise }, callOf('echo', { value: 'x' })), [
      'KOS_POLICY_DENIED',
      'fleet/deny-echo',
      'Authenticated',
      'echo',
    ])
  })

  test('arguments that do not fit', async () => {
    assert.deepEqual(await record({}, callOf('calc', { expression: 5 })), [
      'KOS_CATALOG_ARGUMENTS',
      'arguments.expression: invalid_type',
      'Authorised',
      'calc',
    ])
  })

  test('a rule on argument values', async () => {
    const authorise = allowAll(() => refuse('KOS_POLICY_DENIED', 'device/deny-big-numbers'))
    assert.deepEqual(await record({ authorise }, callOf('calc', { expression: '9' })), [
      'KOS_POLICY_DENIED',
      'device/deny-big-numbers',
      'Authorised',
      'calc',
    ])
  })

  test('a profile that executes nothing', async () => {
    assert.deepEqual(await record({ profile: 'SEC-0' }, callOf('echo', { value: 'x' })), [
      'KOS_EXECUTION_PROFILE',
      'profile/execution',
      'Authenticated',
      'echo',
    ])
  })

  test('a call that was cancelled before its intent', async () => {
    const signal = AbortSignal.abort()
    assert.deepEqual(
      await record({ profile: 'SEC-3' }, callOf('echo', { value: 'x' }, { signal })),
      ['KOS_EXECUTION_CANCELLED', 'execution/cancelled', 'Validated', 'echo'],
    )
  })

  test('a synchronous command never looks at the signal, which would have to be made', async () => {
    const call = callOf('echo', { value: 'x' })
    Object.defineProperty(call, 'signal', { get: () => assert.fail('looked at') })
    const { outcome } = createTestExecutor([echoCommand])
    assert.equal((await outcome(peer, call)).status, 'ok')
  })

  test('a refusal passes on what would allow it and when to retry', async () => {
    const refusal = refuse('KOS_POLICY_DENIED', 'fleet/night', {
      remedy: 'Call by day.',
      retryAfterMs: 9000,
      details: { secret: 'stays here' },
    })
    const { outcome } = createTestExecutor([echoCommand], {
      authorise: { authorise: () => refusal },
    })
    assert.deepEqual(await outcome(peer, callOf('echo', { value: 'x' })), {
      status: 'refused',
      code: 'KOS_POLICY_DENIED',
      rule: 'fleet/night',
      remedy: 'Call by day.',
      retryAfterMs: 9000,
    })
  })
})

test('policy is asked with the facts of the command', async () => {
  const asked: CommandFacts[] = []
  const { outcome } = createTestExecutor([testCommand(() => ({}), { effects: 'change' })], {
    authorise: {
      authorise: (authenticated, call, command) => {
        asked.push(command)
        return allowAll().authorise(authenticated, call, command)
      },
    },
  })
  await outcome(peer, callOf('test.run', {}))
  const [{ name, domain, permission, effects } = assert.fail()] = asked
  assert.deepEqual([name, domain, permission, effects], ['test.run', 'rpc', 'test', 'change'])
})

test('a command gets its context and canonical arguments', async () => {
  const command = testCommand(
    (context, args) => ({
      value: [context.callId, context.traceId, context.deadlineMs, context.peer.principal.id, args],
    }),
    { canonicalise: ({ value }) => ({ value: String(value).toUpperCase() }) },
  )
  const { outcome } = createTestExecutor([command])
  const call = callOf('test.run', { value: 'x' }, { deadlineMs: 1500 })
  assert.deepEqual(await outcome(peer, call), {
    status: 'ok',
    value: { value: [call.callId, call.traceId, 1500, 'alice', { value: 'X' }] },
  })
})

describe('what a command throws stays inside', () => {
  const SECRET = 'password=hunter2'
  const masked = { status: 'failed', code: 'KOS_EXECUTION_FAILED', rule: 'execution/exception' }
  const thrown: readonly (readonly [string, () => never | Promise<never>])[] = [
    ['synchronously', () => assert.fail(SECRET)],
    ['later', () => Promise.reject(new TypeError(SECRET))],
    ['with a code', () => Promise.reject(Object.assign(new Error(SECRET), { code: 'EACCES' }))],
  ]
  for (const [how, run] of thrown) {
    test(how, async () => {
      const events: [string, LogFields][] = []
      const log = {
        event: (name: string, fields: LogFields = {}): void => void events.push([name, fields]),
      }
      const { outcome, record } = createTestExecutor([testCommand(run)], { log })
      const call = callOf('test.run', {})
      assert.deepEqual(await outcome(peer, call), masked)
      assert.deepEqual(
        record.taken.map(({ outcome: end, code, stage }) => [end, code, stage]),
        [['failed', 'KOS_EXECUTION_FAILED', 'Filtered']],
      )
      assert.equal(events.length, 1)
      assert.equal(events[0]?.[1].callId, call.callId)
      assert.doesNotMatch(JSON.stringify([events, record.taken]), /hunter2/)
    })
  }

  test('of policy, of the catalog and of a filter too', async () => {
    const authorise = { authorise: (): never => assert.fail(SECRET) }
    const broken = createTestExecutor([echoCommand], { authorise })
    assert.deepEqual(await broken.outcome(peer, callOf('echo', { value: 'x' })), masked)
    const parts = [
      { canonicalise: (): never => assert.fail(SECRET) },
      { confine: (): never => assert.fail(SECRET) },
      { filterResult: (): never => assert.fail(SECRET) },
    ]
    for (const part of parts) {
      const { outcome, record, executor } = createTestExecutor([testCommand(() => ({}), part)])
      assert.deepEqual(await outcome(peer, callOf('test.run', {})), masked)
      assert.equal(record.taken.length, 1)
      assert.equal(executor.runningCalls, 0)
    }
  })
})

describe('an expected failure', () => {
  test('is passed on as it is, from both kinds of command', async () => {
    const refusal = refuse('KOS_CATALOG_FILE_MISSING', 'files/missing', { remedy: 'Look again.' })
    for (const run of [() => refusal, () => Promise.resolve(refusal)]) {
      const { outcome, record } = createTestExecutor([testCommand(run)])
      assert.deepEqual(await outcome(peer, callOf('test.run', {})), {
        status: 'failed',
        code: 'KOS_CATALOG_FILE_MISSING',
        rule: 'files/missing',
        remedy: 'Look again.',
      })
      assert.equal(record.taken[0]?.outcome, 'failed')
      assert.equal(record.taken[0]?.rule, 'files/missing')
    }
  })
})

describe('results', () => {
  const resultOf = async (
    run: () => object,
    parts: Parameters<typeof testCommand>[1] = {},
  ): Promise<unknown> => {
    const { outcome } = createTestExecutor([testCommand(run, parts)])
    const answer = await outcome(peer, callOf('test.run', {}))
    return answer.status === 'ok' ? answer.value : [answer.status, answer.code, answer.rule]
  }
  const invalid = ['failed', 'KOS_EXECUTION_RESULT_INVALID', 'execution/result-schema']
  const tooLarge = ['failed', 'KOS_EXECUTION_RESULT_TOO_LARGE', 'execution/result-size']

  test('outside their schema are withheld altogether', async () => {
    assert.deepEqual(await resultOf(() => ({ value: 1, secret: 2 })), invalid)
    assert.deepEqual(await resultOf(() => [1]), invalid)
  })

  test('that are no plain data are withheld', async () => {
    for (const value of [undefined, new Date(0), () => 1, Number.NaN, '\uD800', new Map()]) {
      assert.deepEqual(await resultOf(() => ({ value: [value] })), invalid)
    }
  })

  test('may hold control characters: they come from files', async () => {
    assert.deepEqual(await resultOf(() => ({ value: 'a\u001b[0m' })), { value: 'a\u001b[0m' })
  })

  test('keep the size of their command, to the byte', async () => {
    const limits = { maxArgumentBytes: 64, maxResultBytes: 108, timeoutMs: 1000, concurrency: 1 }
    // One byte for the map, six for the key, two for the head of the text.
    const fits = { value: 'x'.repeat(99) }
    assert.deepEqual(await resultOf(() => fits, { limits }), fits)
    assert.deepEqual(await resultOf(() => ({ value: 'x'.repeat(100) }), { limits }), tooLarge)
    assert.deepEqual(await resultOf(() => ({ value: 'x'.repeat(16_385) })), tooLarge)
  })

  test('are reduced by the filter of their command, which cannot break the schema', async () => {
    const hide = { filterResult: () => ({ value: 'shown' }) }
    assert.deepEqual(await resultOf(() => ({ value: 'hidden' }), hide), { value: 'shown' })
    const leak = { filterResult: () => ({ value: 1, more: 2 }) }
    assert.deepEqual(await resultOf(() => ({ value: 1 }), leak), invalid)
  })

  test('a filter sees who asks, and no failure', async () => {
    const command = testCommand(() => refuse('KOS_CATALOG_FILE_MISSING', 'files/missing'), {
      filterResult: () => assert.fail('asked'),
    })
    const { outcome } = createTestExecutor([command])
    const answer = await outcome(peer, callOf('test.run', {}))
    assert.equal('rule' in answer && answer.rule, 'files/missing')
    const byName = testCommand(() => ({ value: 'x' }), {
      filterResult: (_result, context) => ({ value: context.peer.principal.id }),
    })
    assert.deepEqual(await createTestExecutor([byName]).outcome(peer, callOf('test.run', {})), {
      status: 'ok',
      value: { value: 'alice' },
    })
  })

  test('of a transforming schema are what the schema makes of them', async () => {
    const command = testCommand(() => ({ value: ' x ' }), {
      resultSchema: z.strictObject({ value: z.string().trim() }),
    })
    assert.deepEqual(await createTestExecutor([command]).outcome(peer, callOf('test.run', {})), {
      status: 'ok',
      value: { value: 'x' },
    })
  })
})

describe('what cannot be recorded', () => {
  test('is not handed out', async () => {
    const { outcome, record } = createTestExecutor([echoCommand])
    record.failNext('soon')
    const answer = await outcome(peer, callOf('echo', { value: 'secret' }))
    assert.equal('code' in answer && answer.code, 'KOS_EXECUTION_AUDIT_UNAVAILABLE')
    assert.doesNotMatch(JSON.stringify(answer), /secret/)
  })

  test('stays refused when it was refused', async () => {
    const { outcome, record } = createTestExecutor([echoCommand], { authorise: denyAll() })
    record.failNext('soon')
    const answer = await outcome(peer, callOf('echo', { value: 'x' }))
    assert.equal('code' in answer && answer.code, 'KOS_POLICY_DENIED')
  })
})

describe('options', () => {
  const { record, clock } = createTestExecutor([])
  test('a limit that is no positive number is refused at start', () => {
    for (const broken of [
      { maxPeers: 0 },
      { maxRunningPerPeer: -1 },
      { maxStoredCalls: Number.NaN },
      { callRate: { perSecond: 0, burst: 1 } },
      { callRate: { perSecond: 1, burst: 0 } },
    ]) {
      assert.throws(
        () =>
          createExecutor(
            {
              catalog: {
                get: () => undefined,
                list: () => [],
                validate: () => assert.fail(),
                canonicalise: () => assert.fail(),
              },
              authorise: allowAll(),
              record,
              clock,
              log: silentLog,
            },
            {
              profile: profileOf('SEC-2'),
              limits: { ...DEFAULT_EXECUTOR_LIMITS, ...broken },
            },
          ),
        { code: 'KOS_EXECUTION_OPTIONS' },
      )
    }
  })

  test('an unknown command in the accepted form is reported', async () => {
    const events: unknown[] = []
    const log = { event: (...event: unknown[]): void => void events.push(event) }
    const { outcome } = createTestExecutor([echoCommand], { log })
    await outcome(peer, callOf('files.erase', {}))
    await outcome(peer, callOf('\u001b[31m', {}))
    assert.deepEqual(events, [['call.unknown-command', { command: 'files.erase' }, 'warn']])
  })
})

test('every error of the room has a hint', () => {
  for (const { hint } of Object.values(executionErrors.rows)) assert.ok(hint.length > 0)
})
