import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { explanationToText, type PolicyRequest } from '../../../../src/trust/policy/index.ts'
import { createTestClock } from '../../../kit/clock.ts'
import {
  ask,
  engineWith,
  LAYER_SUBJECTS,
  manifestOf,
  NOT_AFTER_MS,
  ruleOf,
  subject,
} from '../../../kit/policy.ts'

const inData = { argument: 'path', pathPrefix: '/srv/data' } as const
const FLEET = manifestOf([
  ruleOf({ id: 'data', from: ['owner'], when: [inData] }),
  ruleOf({ id: 'staff', from: ['group:staff'], obligations: ['mfa', 'audit'] }),
  ruleOf({ id: 'no-write', effect: 'deny', effects: 'change' }),
  ruleOf({ id: 'bus', domain: 'bus' }),
])
const DEVICE = manifestOf(
  [
    ruleOf({ id: 'all' }),
    ruleOf({ id: 'no-key', effect: 'deny', when: [{ argument: 'key', equals: true }] }),
  ],
  { kind: 'device', subject: LAYER_SUBJECTS.device },
)

/** The explanation without the hashes of manifests. */
function explain(bodies: readonly unknown[], changes: Partial<PolicyRequest> = {}): string {
  return explanationToText(engineWith(bodies).explain(ask(changes)))
}

describe('explanations', () => {
  it('list what matched in every layer, and what is missing', () => {
    assert.equal(
      explain([FLEET, DEVICE], { arguments: { path: '/etc', key: 1 }, fulfilled: ['audit'] }),
      `files.read (rpc, read) from user/ada (SEC-2) to camera-1 (SEC-2)
refused by device/no-key (KOS_POLICY_DENIED)
  fleet number 1, in force: no allow rule
    allow fleet/staff, needs mfa
    allow fleet/data, conditions: do not hold
  owner, absent: does not narrow
  device number 1, in force: denies
    allow device/all
    deny device/no-key, conditions: cannot be evaluated
  session, absent: does not narrow
Remedy: The rule device/no-key denies files.read from user/ada to camera-1 with these arguments; it would have to be removed or narrowed.
`,
    )
  })

  it('say what allowed', () => {
    assert.equal(
      explain([FLEET, DEVICE], { arguments: { path: '/srv/data', key: false } }),
      `files.read (rpc, read) from user/ada (SEC-2) to camera-1 (SEC-2)
allowed by fleet/data
  fleet number 1, in force: allows
    allow fleet/staff, needs mfa, audit
    allow fleet/data, conditions: hold
  owner, absent: does not narrow
  device number 1, in force: allows
    allow device/all
    deny device/no-key, conditions: do not hold
  session, absent: does not narrow
`,
    )
  })

  it('say what still depends on arguments', () => {
    const text = explain([FLEET, DEVICE])
    assert.match(text, /\ndepends on arguments by fleet\/data\n/)
    assert.match(text, /fleet number 1, in force: depends on arguments/)
    assert.match(text, /allow fleet\/data, conditions: arguments not known/)
  })

  it('name the first missing layer and the rule that would help', () => {
    const text = explain([])
    assert.match(text, /refused by no-fleet-manifest \(KOS_POLICY_NO_MANIFEST\)/)
    assert.match(text, /fleet, absent: no allow rule/)
    const closed = manifestOf([], { kind: 'owner', subject: LAYER_SUBJECTS.owner })
    assert.match(
      explain([manifestOf(), closed]),
      /Remedy: An allow rule in the owner manifest for files.read from user\/ada to camera-1/,
    )
    const write = { catalogEntry: { effects: 'change', permission: 'files.write' } } as const
    assert.match(explain([FLEET], write), /in force: denies\n {4}deny fleet\/no-write\n/)
    assert.match(explain([manifestOf([])]), /fleet number 1, in force: no allow rule/)
  })

  it('show an expired layer as one that denies', () => {
    const clock = createTestClock()
    const engine = engineWith([FLEET], clock)
    clock.setWall(NOT_AFTER_MS + 1)
    const { layers, decidedBy } = engine.explain(ask())
    assert.equal(decidedBy, 'manifest-expired')
    assert.deepEqual([layers[0]?.state, layers[0]?.verdict], ['expired', 'denies'])
    assert.equal(layers[0]?.manifest?.subject, 'any')
  })

  it('leave the layers out where no manifest had a say', () => {
    const eve = subject('user/eve', {}, 'SEC-0')
    assert.equal(
      explain([FLEET], { from: eve }),
      `files.read (rpc, read) from user/eve (SEC-0) to camera-1 (SEC-2)
refused by profile-ceiling (KOS_POLICY_CEILING)
Remedy: The profile SEC-0 of user/eve does not permit the domain rpc; no manifest can grant more than a profile.
`,
    )
    const fabric = { domain: 'fabric', action: 'fabric.push.x' } as const
    const text = explain([FLEET], { ...fabric, from: subject('authority/main') })
    assert.match(text, /\nallowed by fabric\/push\n$/)
    assert.match(explain([FLEET], { action: 'a..b' }), /refused by malformed-action/)
  })
})
