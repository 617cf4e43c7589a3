/** Stages: order, what each carries, and that only genuine ones go further. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import {
  Authenticated,
  Authorised,
  Connected,
  Executed,
  Filtered,
  mintAuthenticated,
  mintAuthorised,
  mintConnected,
  mintExecuted,
  mintFiltered,
  mintRecorded,
  mintValidated,
  pipelineErrors,
  Recorded,
  requireStage,
  type StageClass,
  Validated,
} from '../../../../src/foundation/pipeline/index.ts'
import { authenticatedPeer, callOf, TEST_GRANT } from '../../../kit/calls.ts'

const { connected } = authenticatedPeer()
const { peer } = authenticatedPeer()
const call = callOf('echo', { value: 'x' })
const authenticated = mintAuthenticated(connected, { peer, sessionId: 'ab' })
const authorised = mintAuthorised(authenticated, {
  call,
  grant: TEST_GRANT,
  decideArguments: undefined,
})
const validated = mintValidated(authorised, { arguments: { value: 'x' }, grant: TEST_GRANT })
const executed = mintExecuted(validated, { status: 'ok', value: { value: 'x' } })
const filtered = mintFiltered(executed, { status: 'ok', value: {} })
const recorded = mintRecorded(filtered)

const CHAIN: readonly (readonly [StageClass<object> & { prototype: object }, object])[] = [
  [Connected, connected],
  [Authenticated, authenticated],
  [Authorised, authorised],
  [Validated, validated],
  [Executed, executed],
  [Filtered, filtered],
  [Recorded, recorded],
]

const skipped = { code: 'KOS_PIPELINE_SKIPPED' }

describe('the chain', () => {
  test('each stage carries the one before it', () => {
    assert.equal(recorded.last, filtered)
    assert.equal(filtered.executed, executed)
    assert.equal(executed.validated, validated)
    assert.equal(validated.authorised, authorised)
    assert.equal(authorised.authenticated, authenticated)
    assert.equal(authenticated.connected, connected)
  })

  test('each stage carries its own facts', () => {
    assert.equal(connected.connection.sourceAddress, '127.0.0.1')
    assert.equal(authenticated.sessionId, 'ab')
    assert.equal(authenticated.peer, peer)
    assert.equal(authorised.call, call)
    assert.equal(authorised.grant, TEST_GRANT)
    assert.equal(authorised.decideArguments, undefined)
    assert.deepEqual(validated.arguments, { value: 'x' })
    assert.deepEqual(executed.outcome, { status: 'ok', value: { value: 'x' } })
    assert.deepEqual(filtered.outcome, { status: 'ok', value: {} })
  })

  test('stages, their classes and prototypes are frozen', () => {
    for (const [stage, instance] of CHAIN) {
      assert.ok(Object.isFrozen(instance), stage.name)
      assert.ok(Object.isFrozen(stage), stage.name)
      assert.ok(Object.isFrozen(stage.prototype), stage.name)
    }
  })
})

describe('requireStage', () => {
  test('every class knows its own instances and no other', () => {
    for (const [stage] of CHAIN) {
      for (const [other, instance] of CHAIN) {
        if (stage === other) assert.doesNotThrow(() => requireStage(stage, instance))
        else assert.throws(() => requireStage(stage, instance), skipped)
      }
    }
  })

  test('names the stage that is due', () => {
    assert.throws(() => requireStage(Validated, authorised), {
      ...skipped,
      details: { expected: 'Validated' },
    })
  })

  test('nothing at all is a skipped stage', () => {
    for (const nothing of [undefined, null, 0, 'Connected'] as unknown as object[]) {
      assert.throws(() => requireStage(Connected, nothing), skipped)
    }
  })
})

describe('recording', () => {
  test('a request can end after every stage from authentication on', () => {
    for (const last of [authenticated, authorised, validated, executed, filtered]) {
      assert.equal(mintRecorded(last).last, last)
    }
  })

  test('neither before authentication nor twice', () => {
    for (const last of [connected, recorded] as unknown as Filtered[]) {
      assert.throws(() => mintRecorded(last), skipped)
    }
  })
})

test('a connection is minted from its facts alone', () => {
  assert.equal(mintConnected(connected.connection).connection, connected.connection)
})

test('the errors of the room are bugs: nobody retries them; what a module refuses may be allowed later', () => {
  const { KOS_PIPELINE_ENFORCED, ...bugs } = pipelineErrors.rows
  assert.equal(KOS_PIPELINE_ENFORCED.retry, 'later')
  assert.ok(Object.keys(bugs).length > 0)
  for (const { retry } of Object.values(bugs)) assert.equal(retry, 'never')
})
