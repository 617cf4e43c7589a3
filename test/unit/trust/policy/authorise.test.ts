import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { isRefusal, type Refusal, silentLog } from '../../../../src/foundation/base/index.ts'
import { Authorised, type CallRequest } from '../../../../src/foundation/pipeline/index.ts'
import { profileOf } from '../../../../src/foundation/profiles/index.ts'
import {
  type AuthoriseFacts,
  type CommandFacts,
  createAuthorisePort,
  createPolicyEngine,
  type PolicyEngine,
  type PolicyEngineOptions,
  type Rule,
  type SubjectFacts,
} from '../../../../src/trust/policy/index.ts'
import { authenticatedPeer } from '../../../kit/calls.ts'
import { createTestClock, type TestClock } from '../../../kit/clock.ts'
import { ADA, BOB, CAMERA, manifestOf, ruleOf, subject, verified } from '../../../kit/policy.ts'

const CALL: CallRequest = {
  callId: '00'.repeat(16),
  command: 'files.read',
  arguments: {},
  deadlineMs: 1000,
  traceId: 'trace',
  signal: new AbortController().signal,
}
const READ: CommandFacts = {
  name: 'files.read',
  domain: 'rpc',
  permission: 'files.read',
  effects: 'read',
}
const peers: Readonly<Record<string, SubjectFacts>> = { ada: ADA, bob: BOB }

interface Fixture {
  readonly engine: PolicyEngine
  readonly clock: TestClock
  readonly call: (id?: string, command?: CommandFacts) => Authorised | Refusal
}

function fixture(
  rules: readonly Partial<Rule>[],
  more: { readonly facts?: Partial<AuthoriseFacts>; readonly options?: PolicyEngineOptions } = {},
): Fixture {
  const clock = createTestClock()
  const engine = createPolicyEngine(
    { clock, log: silentLog, verify: () => assert.fail('nothing is signed here') },
    more.options,
  )
  assert.ok(engine.load(verified(manifestOf(rules.map((rule) => ruleOf(rule))))).allow)
  const port = createAuthorisePort(engine, {
    selfFacts: () => CAMERA,
    peerFacts: ({ peer }) => peers[peer.principal.id] ?? ADA,
    ...more.facts,
  })
  const call = (id = 'ada', command = READ): Authorised | Refusal =>
    port.authorise(authenticatedPeer(id), CALL, command)
  return { engine, clock, call }
}

function granted(result: Authorised | Refusal): Authorised {
  if (isRefusal(result)) assert.fail(`${result.code} ${result.rule}`)
  assert.ok(Authorised.is(result))
  return result
}

function refused(result: unknown): Refusal {
  assert.ok(isRefusal(result))
  return result
}

describe('the authorising stage', () => {
  it('mints the stage with the grant', () => {
    const authorised = granted(fixture([{ from: ['owner'] }]).call())
    assert.equal(authorised.call, CALL)
    assert.equal(authorised.grant.rule, 'fleet/open')
    assert.equal(authorised.grant.manifestNumber, 1)
    assert.equal(authorised.decideArguments, undefined)
  })

  it('hands refusals on', () => {
    const { call } = fixture([{ from: ['owner'] }])
    assert.equal(refused(call('bob')).rule, 'default-deny')
    assert.equal(refused(call('ada', { ...READ, domain: 'fabric' })).rule, 'fabric-table')
  })

  it('hands on the refusal of facts that are not to be had', () => {
    const refusal: Refusal = { allow: false, code: 'KOS_PKI_LOCKED', rule: 'device' }
    const { call } = fixture([{}], { facts: { peerFacts: () => refusal } })
    assert.equal(call(), refusal)
  })

  it('throws when the facts are of somebody else, or of another profile', () => {
    const wrong = fixture([{}], { facts: { peerFacts: () => BOB } })
    assert.throws(() => wrong.call('ada'), { code: 'KOS_POLICY_FACTS' })
    const raised = { ...ADA, floor: profileOf('SEC-3') }
    const other = fixture([{}], { facts: { peerFacts: () => raised } })
    assert.throws(() => other.call('ada'), { code: 'KOS_POLICY_FACTS' })
  })

  it('leaves conditions to the next stage', () => {
    const when = [{ argument: 'path', pathPrefix: '/srv' }]
    const authorised = granted(fixture([{ when }]).call())
    assert.equal(authorised.grant.rule, 'fleet/open')
    const decideArguments = authorised.decideArguments ?? assert.fail('nothing to decide')
    const grant = decideArguments({ path: '/srv/a' })
    assert.ok(!isRefusal(grant) && grant.rule === 'fleet/open')
    assert.equal(refused(decideArguments({ path: '/etc' })).rule, 'default-deny')
    assert.equal(refused(decideArguments({})).rule, 'default-deny')
  })

  it('counts an obligation only when the daemon says that it fulfils it', () => {
    const rule = { obligations: ['mfa'] } as const
    assert.equal(refused(fixture([rule]).call()).rule, 'default-deny')
    granted(fixture([rule], { facts: { fulfilled: () => ['mfa'] } }).call())
  })
})

describe('limits', () => {
  const limited: Partial<Rule> = { limits: { perMinute: 60, burst: 2 } }

  it('count per caller, and say when to come again', () => {
    const { call, clock } = fixture([limited])
    granted(call())
    granted(call())
    const refusal = refused(call())
    assert.equal(refusal.code, 'KOS_POLICY_RATE')
    assert.equal(refusal.rule, 'fleet/open')
    assert.equal(refusal.retryAfterMs, 1000)
    granted(call('bob'))
    clock.advance(1000)
    granted(call())
    refused(call())
  })

  it('hold every layer to its own rate', () => {
    const { call, engine } = fixture([limited])
    const subjectOf = { kind: 'owner', subject: `uri:${ADA.uri}` }
    const owner = manifestOf(
      [ruleOf({ id: 'slow', limits: { perMinute: 1, burst: 1 } })],
      subjectOf,
    )
    assert.ok(engine.load(verified(owner)).allow)
    granted(call())
    const refusal = refused(call())
    assert.equal(refusal.rule, 'owner/slow')
    assert.equal(refusal.retryAfterMs, 60_000)
  })

  it('do not start anew with a newer manifest', () => {
    const { call, engine } = fixture([limited])
    granted(call())
    granted(call())
    const next = manifestOf([ruleOf(limited), ruleOf({ id: 'other', domain: 'bus' })])
    assert.ok(engine.load(verified(next, { number: 2 })).allow)
    refused(call())
  })

  it('count a call with conditions once its arguments are allowed', () => {
    const when = [{ argument: 'path', pathPrefix: '/srv' }]
    const { call } = fixture([{ ...limited, when, limits: { perMinute: 60, burst: 1 } }])
    const decideArguments = granted(call()).decideArguments ?? assert.fail('nothing to decide')
    refused(decideArguments({ path: '/etc' }))
    assert.ok(!isRefusal(decideArguments({ path: '/srv' })))
    assert.equal(refused(decideArguments({ path: '/srv' })).code, 'KOS_POLICY_RATE')
  })

  it('refuse new callers when too many are counted, until some are idle', () => {
    const options = { maxLimitedCallers: 1 }
    const { call, clock } = fixture([limited], { options })
    granted(call())
    assert.equal(refused(call('bob')).retryAfterMs, 1000)
    // The sweep runs once a second, however many are refused.
    clock.advance(999)
    refused(call('bob'))
    clock.advance(1)
    granted(call('bob'))
    refused(call('ada'))
  })

  it('cost nothing where there are none', () => {
    const { engine } = fixture([{}])
    const decision = engine.decide({
      from: subject('user/ada'),
      to: CAMERA,
      domain: 'rpc',
      action: 'files.read',
      catalogEntry: READ,
    })
    assert.ok(decision.allow === true)
    assert.equal(engine.admit(decision, ADA), undefined)
  })
})
