/**
 * Attack: code inside the daemon hands in a look-alike of a request stage, to run a command that
 * nobody authorised.
 */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { echoCommand } from '../../src/commands/catalog/index.ts'
import {
  Authenticated,
  Authorised,
  Connected,
  mintAuthorised,
  mintExecuted,
  mintRecorded,
  mintValidated,
  Validated,
} from '../../src/foundation/pipeline/index.ts'
import { authenticatedPeer, callOf, createTestExecutor, TEST_GRANT } from '../kit/calls.ts'

const genuine = authenticatedPeer()
const call = callOf('echo', { value: 'x' })
const facts = { call, grant: TEST_GRANT, decideArguments: undefined }
const forged = { code: 'KOS_PIPELINE_FORGED' }
const skipped = { code: 'KOS_PIPELINE_SKIPPED' }

describe('a constructor called from outside', () => {
  test('does not compile, and refuses every other symbol', () => {
    const token = Symbol('mint')
    // @ts-expect-error: the type of the token is a symbol of the module alone
    assert.throws(() => new Authorised(token, genuine, facts), forged)
    // @ts-expect-error: so is it here
    assert.throws(() => new Connected(Symbol.for('mint'), genuine.connected.connection), forged)
  })

  test('refuses reflection too', () => {
    assert.throws(() => Reflect.construct(Validated, [Symbol('mint'), {}, {}]), forged)
    const hollow = Reflect.construct(Object, [], Validated) as Validated
    assert.ok(hollow instanceof Validated)
    assert.throws(() => mintExecuted(hollow, { status: 'ok', value: null }), skipped)
  })
})

describe('a copy of a genuine stage', () => {
  const copies: readonly (readonly [string, Authenticated])[] = [
    ['spread', Object.assign({}, genuine) as Authenticated],
    ['with the right prototype', Object.create(Authenticated.prototype, {}) as Authenticated],
    ['assigned', Object.assign(Object.create(Authenticated.prototype) as object, genuine)],
    ['behind a proxy', new Proxy(genuine, {})],
    ['out of JSON', JSON.parse(JSON.stringify(genuine)) as Authenticated],
    ['cloned', structuredClone(Object.assign({}, genuine)) as Authenticated],
  ]

  for (const [how, copy] of copies) {
    test(`${how} is no stage`, () => {
      assert.throws(() => mintAuthorised(copy, facts), skipped)
      assert.throws(() => mintRecorded(copy), skipped)
    })

    test(`${how} executes nothing`, () => {
      const { executor, record } = createTestExecutor([echoCommand])
      assert.throws(() => executor.execute(copy, call), skipped)
      assert.deepEqual(record.taken, [])
    })
  }
})

test('what a stage class answers cannot be replaced', () => {
  assert.equal(
    Reflect.set(Authenticated, 'is', () => true),
    false,
  )
  assert.equal(Reflect.set(genuine, 'peer', {}), false)
  assert.equal(Reflect.deleteProperty(Authenticated, 'is'), false)
  assert.throws(
    () => mintValidated({} as Authorised, { arguments: {}, grant: TEST_GRANT }),
    skipped,
  )
})

test('an authorisation made by anybody but policy is refused at run time', async () => {
  const { outcome, record } = createTestExecutor([echoCommand], {
    authorise: { authorise: () => ({ ...facts, authenticated: genuine }) as unknown as Authorised },
  })
  assert.deepEqual(await outcome(genuine, callOf('echo', { value: 'x' })), {
    status: 'failed',
    code: 'KOS_EXECUTION_FAILED',
    rule: 'execution/exception',
  })
  assert.deepEqual(
    record.taken.map(({ code, stage }) => [code, stage]),
    [['KOS_EXECUTION_FAILED', 'Authenticated']],
  )
})
