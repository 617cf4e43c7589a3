/** Attack: a request jumps over one of its checks. It does not compile, and is refused at run time. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { echoCommand } from '../../src/commands/catalog/index.ts'
import {
  type Authenticated,
  mintAuthenticated,
  mintAuthorised,
  mintExecuted,
  mintFiltered,
  mintRecorded,
  mintValidated,
  type Recorded,
} from '../../src/foundation/pipeline/index.ts'
import {
  allowAll,
  authenticatedPeer,
  callOf,
  createTestExecutor,
  TEST_GRANT,
} from '../kit/calls.ts'

const authenticated = authenticatedPeer()
const { connected, peer } = authenticated
const call = callOf('echo', { value: 'x' })
const grant = TEST_GRANT
const facts = { call, grant, decideArguments: undefined }
const ok = { status: 'ok', value: null } as const
const authorised = mintAuthorised(authenticated, facts)
const validated = mintValidated(authorised, { arguments: {}, grant })
const executed = mintExecuted(validated, ok)
const skipped = { code: 'KOS_PIPELINE_SKIPPED' }

describe('each step takes the class of the step before and no other', () => {
  test('authorising a connection whose peer is unknown', () => {
    // @ts-expect-error: a connection is not authenticated
    assert.throws(() => mintAuthorised(connected, facts), skipped)
  })

  test('validating arguments of a call that nobody authorised', () => {
    // @ts-expect-error: a peer is not an authorised call
    assert.throws(() => mintValidated(authenticated, { arguments: {}, grant }), skipped)
  })

  test('executing a call whose arguments nobody validated', () => {
    // @ts-expect-error: an authorised call has raw arguments
    assert.throws(() => mintExecuted(authorised, ok), skipped)
  })

  test('handing out a result that nobody executed', () => {
    // @ts-expect-error: a validated call has no result
    assert.throws(() => mintFiltered(validated, ok), skipped)
  })

  test('recording a connection whose peer is unknown', () => {
    // @ts-expect-error: unknown peers have records of their own kind
    assert.throws(() => mintRecorded(connected), skipped)
  })

  test('going back', () => {
    // @ts-expect-error: an executed call is not validated again
    assert.throws(() => mintExecuted(executed, ok), skipped)
    // @ts-expect-error: an authenticated peer is not a connection
    assert.throws(() => mintAuthenticated(authenticated, { peer, sessionId: '00' }), skipped)
  })
})

describe('the executor checks what its ports hand back', () => {
  const failed = {
    status: 'failed',
    code: 'KOS_EXECUTION_FAILED',
    rule: 'execution/exception',
  }

  test('an authorisation of another call', async () => {
    const { outcome } = createTestExecutor([echoCommand], {
      authorise: { authorise: () => authorised },
    })
    assert.deepEqual(await outcome(authenticated, callOf('echo', { value: 'y' })), failed)
  })

  test('an authorisation of another caller', async () => {
    const port = allowAll()
    const { outcome } = createTestExecutor([echoCommand], {
      authorise: {
        authorise: (_caller, called, command) => port.authorise(mallory, called, command),
      },
    })
    assert.deepEqual(await outcome(authenticated, callOf('echo', { value: 'y' })), failed)
  })

  const mallory: Authenticated = authenticatedPeer('mallory')
  const wrongRecords: readonly (readonly [string, Recorded])[] = [
    ['of an earlier stage', mintRecorded(authenticated)],
    ['of another request', mintRecorded(mintFiltered(executed, ok))],
    ['that is none', authenticated as unknown as Recorded],
  ]
  for (const [what, recorded] of wrongRecords) {
    test(`a record ${what} releases no result`, async () => {
      const { executor, record } = createTestExecutor([echoCommand])
      Object.assign(record, { soon: () => recorded })
      const outcome = await executor.execute(authenticated, callOf('echo', { value: 'secret' }))
      assert.equal(outcome.status, 'failed')
      assert.doesNotMatch(JSON.stringify(outcome), /secret/)
    })
  }

  test('a genuine record releases it', async () => {
    const { outcome } = createTestExecutor([echoCommand])
    assert.deepEqual(await outcome(authenticated, callOf('echo', { value: 'y' })), {
      status: 'ok',
      value: { value: 'y' },
    })
  })
})
