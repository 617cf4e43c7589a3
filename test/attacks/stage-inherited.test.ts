/** Attack: an heir of a genuine stage carries its brand and facts of the attacker's choice. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { echoCommand } from '../../src/commands/catalog/index.ts'
import {
  Authenticated,
  Authorised,
  mintAuthorised,
  mintConnected,
  mintAuthenticated,
} from '../../src/foundation/pipeline/index.ts'
import { profileOf } from '../../src/foundation/profiles/index.ts'
import { authenticatedPeer, callOf, createTestExecutor, TEST_GRANT } from '../kit/calls.ts'

const genuine = authenticatedPeer()
const call = callOf('echo', { value: 'x' })
const facts = { call, grant: TEST_GRANT, decideArguments: undefined }
const forged = { code: 'KOS_PIPELINE_FORGED' }
const skipped = { code: 'KOS_PIPELINE_SKIPPED' }

test('a subclass cannot be born without the mint', () => {
  class Heir extends Authorised {
    constructor() {
      // @ts-expect-error: the type of the token is a symbol of the module alone
      super(Symbol('mint'), genuine, facts)
    }
  }
  assert.throws(() => new Heir(), forged)
})

test('a subclass cannot take the constructor of its parent over', () => {
  class Heir extends Authenticated {}
  const args = [Symbol('mint'), genuine.connected, { peer: genuine.peer, sessionId: '00' }]
  assert.throws(() => Reflect.construct(Authenticated, args, Heir), forged)
  assert.throws(() => Reflect.construct(Heir, args), forged)
})

test('an object that inherits from a genuine stage is no stage', () => {
  const heir = Object.create(genuine, {
    peer: { value: { ...genuine.peer, floor: profileOf('SEC-4') } },
  }) as Authenticated
  assert.ok(heir instanceof Authenticated)
  assert.throws(() => mintAuthorised(heir, facts), skipped)
  const { executor, record } = createTestExecutor([echoCommand])
  assert.throws(() => executor.execute(heir, call), skipped)
  assert.deepEqual(record.taken, [])
})

test('a genuine stage cannot be given another parent or another fact', () => {
  assert.equal(Reflect.setPrototypeOf(genuine, {}), false)
  assert.equal(Reflect.setPrototypeOf(Authenticated.prototype, {}), false)
  assert.equal(Reflect.defineProperty(genuine, 'peer', { value: {} }), false)
})

test('the brand cannot be stamped onto another object', () => {
  // A derived constructor may return any object, and would then put its own fields onto it.
  const victim = {}
  const give = function (this: void): object {
    return victim
  } as unknown as new () => object
  class Stamp extends give {
    readonly #brand = true
    static has(value: object): boolean {
      return #brand in value
    }
  }
  assert.equal(new Stamp(), victim)
  assert.ok(Stamp.has(victim))
  // The stage classes derive from nothing, so nobody can stand in above them.
  assert.equal(Object.getPrototypeOf(Authenticated), Function.prototype)
  assert.equal(Authenticated.is(victim), false)
})

test('the genuine way works', () => {
  const connected = mintConnected(genuine.connected.connection)
  const again = mintAuthenticated(connected, { peer: genuine.peer, sessionId: '01' })
  assert.equal(mintAuthorised(again, facts).authenticated, again)
})
