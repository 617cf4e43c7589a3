import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { explanationToText, type PolicyRequest } from '../../../../src/trust/policy/index.ts'
import { createTestClock } from '../../../kit/clock.ts'
import {
  ask,
  BOB,
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
  arguments {"path":"/etc","key":1}
  fleet number 1, in force: no allow rule
    allow fleet/staff does not match: needs mfa
    allow fleet/data does not match: path under /srv/data does not hold
    allow fleet/bus does not match: only domain bus
    deny fleet/no-write does not match: only effects change
  owner, absent: does not narrow
  device number 1, in force: denies
    deny device/no-key matches: key = true cannot be evaluated
    allow device/all matches
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
  arguments {"path":"/srv/data","key":false}
  fleet number 1, in force: allows
    allow fleet/data matches: path under /srv/data holds
    allow fleet/staff does not match: needs mfa, audit
    allow fleet/bus does not match: only domain bus
    deny fleet/no-write does not match: only effects change
  owner, absent: does not narrow
  device number 1, in force: allows
    allow device/all matches
    deny device/no-key does not match: key = true does not hold
  session, absent: does not narrow
`,
    )
  })

  it('say what still depends on arguments', () => {
    const text = explain([FLEET, DEVICE])
    assert.match(text, /\ndepends on arguments by fleet\/data\n/)
    assert.match(text, /fleet number 1, in force: depends on arguments/)
    assert.match(
      text,
      /allow fleet\/data depends on arguments: path under \/srv\/data is not known yet/,
    )
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
    assert.match(explain([FLEET], write), /in force: denies\n {4}deny fleet\/no-write matches\n/)
    assert.match(explain([manifestOf([])]), /fleet number 1, in force: no allow rule/)
  })

  it('suggest a rule that is enough, and no more', () => {
    const taken = ruleOf({ id: 'allow-files.read', actions: ['calc'] })
    const { suggestion } = engineWith([manifestOf([taken])]).explain(ask())
    assert.ok(suggestion)
    assert.equal(suggestion.id, 'allow-files.read-2')
    const engine = engineWith([manifestOf([taken, suggestion])])
    assert.equal(engine.decide(ask()).allow, true)
    assert.equal(engine.decide(ask({ from: BOB })).allow, false)
    assert.equal(engine.decide(ask({ action: 'files.list' })).allow, false)
    const write = { catalogEntry: { effects: 'change', permission: 'files.read' } } as const
    assert.equal(engine.decide(ask(write)).allow, false)
    assert.match(explain([manifestOf([taken])]), /\nSuch a rule: \{"id":"allow-files.read-2",/)
    // What no rule can give, none is suggested for.
    assert.equal(engineWith([]).explain(ask()).suggestion, undefined)
    const denied = engineWith([manifestOf([ruleOf({ effect: 'deny' })])])
    assert.equal(denied.explain(ask()).suggestion, undefined)
  })

  it('list what decided first, and a bounded number of rules', () => {
    const many = Array.from({ length: 300 }, (_, n) =>
      ruleOf({
        id: `r${n}`,
        actions: [n % 3 === 0 ? 'files.read' : 'calc'],
        from: ['role:nobody'],
      }),
    )
    const slow = ruleOf({ id: 'slow', limits: { perMinute: 1, burst: 1 } })
    const likely = Array.from({ length: 50 }, (_, n) =>
      ruleOf({ id: `q${n}`, obligations: ['mfa'] }),
    )
    const engine = engineWith([manifestOf([...many, ...likely, slow])])
    const [fleet] = engine.explain(ask()).layers
    assert.equal(fleet?.rules.length, 20)
    assert.equal(fleet?.omitted, 331)
    assert.deepEqual([fleet?.rules[0]?.rule, fleet?.rules[0]?.result], ['fleet/slow', 'matches'])
    assert.deepEqual(fleet?.rules[1]?.because, ['needs mfa'])
    assert.equal(engine.explain(ask(), 400).layers[0]?.rules.length, 351)
    assert.match(explanationToText(engine.explain(ask(), 5)), /and 346 more, further away/)
  })

  it('name each aspect that does not fit, cut to a readable length', () => {
    const from = Array.from({ length: 64 }, (_, n) => `role:some-long-role-name-${n}`)
    const text = explain([
      manifestOf([
        ruleOf({ from, to: [['kind:service', 'label:zone=lab']], actions: ['calc', 'system.*'] }),
      ]),
    ])
    assert.match(text, /only actions calc or system\.\*; only from role:some-long-role-name-0 or /)
    assert.match(text, /…; only to kind:service and label:zone=lab\n/)
    const long = { path: 'x'.repeat(5000), bytes: new Uint8Array([1]), count: 5n }
    const line = explain([], { arguments: long }).split('\n')[2] ?? ''
    assert.equal(line.length, '  arguments '.length + 1024)
    assert.match(explain([], { arguments: { ...long, path: 'x' } }), /"bytes":"AQ==","count":"5"/)
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
