import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { isRefusal, type PrincipalKind } from '../../../../src/foundation/base/index.ts'
import { PROFILE_NAMES, type ProfileName } from '../../../../src/foundation/profiles/index.ts'
import {
  type Decision,
  LAYERS,
  MANIFEST_DOMAINS,
  type PolicyRequest,
  type Rule,
  type SubjectFacts,
} from '../../../../src/trust/policy/index.ts'
import { createTestClock } from '../../../kit/clock.ts'
import {
  ask,
  BOB,
  CAMERA,
  engineWith,
  LAYER_SUBJECTS,
  manifestOf,
  NOT_AFTER_MS,
  ruleOf,
  subject,
} from '../../../kit/policy.ts'

type Bodies = readonly Record<string, unknown>[]

function decide(bodies: Bodies, changes: Partial<PolicyRequest> = {}): Decision {
  return engineWith(bodies).decide(ask(changes))
}

/** The rules of a grant, or code and rule of a refusal. */
function answer(bodies: Bodies, changes: Partial<PolicyRequest> = {}): string {
  const decision = decide(bodies, changes)
  if (isRefusal(decision)) return `${decision.code.slice('KOS_POLICY_'.length)} ${decision.rule}`
  return decision.allow === 'pending' ? 'pending' : decision.rules.join(' ')
}
const fleet = (...rules: Partial<Rule>[]): Bodies => [manifestOf(rules.map((rule) => ruleOf(rule)))]

describe('rules', () => {
  it('deny by default, and by any matching deny', () => {
    assert.equal(answer(fleet()), 'NOT_ALLOWED default-deny')
    assert.equal(answer(fleet({})), 'fleet/open')
    assert.equal(answer(fleet({}, { id: 'no', effect: 'deny' })), 'DENIED fleet/no')
    assert.equal(answer(fleet({}, { id: 'no', effect: 'deny', domain: 'bus' })), 'fleet/open')
  })

  it('match caller, target, action and effect', () => {
    const only = (changes: Partial<Rule>): string => answer(fleet(changes))
    const no = 'NOT_ALLOWED default-deny'
    const yes = 'fleet/open'
    assert.equal(only({ from: ['owner'], to: ['kind:device'] }), yes)
    assert.equal(only({ from: ['any'], to: ['owner'] }), yes)
    assert.equal(
      only({ from: [['owner', 'role:operator']], to: [['label:zone=lab', 'role:camera']] }),
      yes,
    )
    assert.equal(only({ from: [['owner', 'role:auditor']] }), no)
    assert.equal(only({ from: ['role:auditor', 'group:staff'] }), yes)
    assert.equal(only({ to: [['label:zone=lab', 'role:robot']] }), no)
    assert.equal(only({ from: ['profile:SEC-2'] }), yes)
    assert.equal(only({ from: ['profile:SEC-3'] }), no)
    assert.equal(only({ actions: ['system.>', 'files.*'] }), yes)
    assert.equal(only({ actions: ['files'] }), no)
    assert.equal(only({ effects: 'read' }), yes)
    assert.equal(only({ effects: 'change' }), no)
    assert.equal(answer(fleet({ from: ['owner'] }), { from: BOB }), no)
  })

  it('of one caller about several targets each cover their own', () => {
    const bodies = fleet(
      { id: 'robots', from: ['role:operator'], to: ['role:robot'] },
      { id: 'cameras', from: ['role:operator'], to: ['role:camera'] },
    )
    assert.equal(answer(bodies), 'fleet/cameras')
    const robot = subject('device/kdev-bbbbbbbbbbbbbbbbbbbbbbbbbb', { roles: ['robot'] })
    assert.equal(answer(bodies, { to: robot }), 'fleet/robots')
  })

  it('of several groups that one selector puts a target in', () => {
    const groups = { seen: ['role:camera'], kept: ['role:camera'], other: ['role:robot'] }
    for (const name of ['seen', 'kept', 'other']) {
      const body = manifestOf([ruleOf({ to: [`group:${name}`] })], { groups })
      const expected = name === 'other' ? 'NOT_ALLOWED default-deny' : 'fleet/open'
      assert.equal(answer([body]), expected, name)
    }
  })

  it('cover an action by its name or by its permission', () => {
    const changes = {
      action: 'system.info',
      catalogEntry: { effects: 'read', permission: 'system.read' },
    } as const
    assert.equal(answer(fleet({ actions: ['system.info'] }), changes), 'fleet/open')
    assert.equal(answer(fleet({ actions: ['system.read'] }), changes), 'fleet/open')
    const deny = { id: 'no', effect: 'deny', actions: ['system.read'] } as const
    assert.equal(answer(fleet({}, deny), changes), 'DENIED fleet/no')
    assert.equal(answer(fleet({ domain: 'bus' }), changes), 'NOT_ALLOWED default-deny')
  })

  it('count only when their obligations are fulfilled', () => {
    const rules = fleet({ obligations: ['mfa', 'confirm'] })
    assert.equal(answer(rules), 'NOT_ALLOWED default-deny')
    assert.equal(answer(rules, { fulfilled: ['mfa'] }), 'NOT_ALLOWED default-deny')
    assert.equal(answer(rules, { fulfilled: ['confirm', 'audit', 'mfa'] }), 'fleet/open')
  })

  it('grant the most generous limit', () => {
    const limited = (perMinute: number, burst: number): Partial<Rule> => ({
      id: `l${perMinute}-${burst}`,
      limits: { perMinute, burst },
    })
    const some = [limited(60, 1), limited(60, 5), limited(30, 9)]
    assert.equal(answer(fleet(...some)), 'fleet/l60-5')
    assert.equal(answer(fleet(...some.toReversed())), 'fleet/l60-5')
    assert.equal(answer(fleet(...some, { id: 'z' })), 'fleet/z')
    const decision = decide(fleet(...some))
    assert.ok(decision.allow === true)
    assert.deepEqual(decision.limits, [
      { rule: 'fleet/l60-5', key: 'fleet any l60-5', rate: { perSecond: 1, burst: 5 } },
    ])
  })

  it('answer by the smallest id when several match', () => {
    assert.equal(answer(fleet({ id: 'b' }, { id: 'a' })), 'fleet/a')
    const wide = (id: string): Partial<Rule> => ({ id, from: ['any'], to: ['any'] })
    const narrow = (id: string): Partial<Rule> => ({ id, from: ['role:operator'], to: ['owner'] })
    assert.equal(answer(fleet(wide('b'), narrow('a'))), 'fleet/a')
    assert.equal(answer(fleet(wide('a'), narrow('b'))), 'fleet/a')
    const denies = [
      { id: 'y', effect: 'deny' },
      { id: 'x', effect: 'deny' },
    ] as const
    assert.equal(answer(fleet(...denies)), 'DENIED fleet/x')
  })
})

describe('requests', () => {
  it('with a malformed or reserved action are refused before any rule', () => {
    for (const action of ['', 'a..b', 'a b', '*', '>']) {
      assert.equal(answer(fleet({}), { action }), 'REQUEST malformed-action')
    }
    const permission = (text: string): Partial<PolicyRequest> => ({
      catalogEntry: { effects: 'read', permission: text },
    })
    assert.equal(answer(fleet({}), permission('a..b')), 'REQUEST malformed-action')
    assert.equal(answer(fleet({}), { action: 'fabric.node.time' }), 'REQUEST reserved-action')
    assert.equal(answer(fleet({}), permission('fabric')), 'REQUEST reserved-action')
  })

  it('are granted with the facts that a record needs', () => {
    const decision = decide(fleet({}))
    assert.ok(decision.allow === true)
    assert.ok(Object.isFrozen(decision) && Object.isFrozen(decision.rules))
    assert.equal(decision.layer, 'fleet')
    assert.equal(decision.rule, 'fleet/open')
    assert.equal(decision.manifestNumber, 1)
    assert.match(decision.manifestHash, /^[0-9a-f]{64}$/)
  })

  it('say what would permit them', () => {
    const remedy = (bodies: Bodies, changes: Partial<PolicyRequest> = {}): string | undefined => {
      const decision = decide(bodies, changes)
      return isRefusal(decision) ? decision.remedy : undefined
    }
    assert.equal(
      remedy(fleet()),
      'An allow rule in the fleet manifest for files.read from user/ada to camera-1 would permit this.',
    )
    assert.equal(
      remedy(fleet({ effect: 'deny', id: 'no' })),
      'The rule fleet/no denies files.read from user/ada to camera-1; ' +
        'it would have to be removed or narrowed.',
    )
    assert.match(remedy([]) ?? '', /fleet manifest signed by the policy key/)
    assert.match(
      remedy(fleet({}), { from: subject('user/eve', {}, 'SEC-0') }) ?? '',
      /profile SEC-0 of user\/eve does not permit the domain rpc/,
    )
  })
})

describe('layers', () => {
  const layer = (kind: keyof typeof LAYER_SUBJECTS, ...rules: Partial<Rule>[]): Bodies[number] =>
    manifestOf(
      rules.map((rule) => ruleOf(rule)),
      { kind, subject: LAYER_SUBJECTS[kind] },
    )

  it('must all allow where they are present', () => {
    const all = LAYERS.map((kind) => layer(kind, {}))
    assert.equal(answer(all), 'fleet/open owner/open device/open session/open')
    for (const [index, kind] of LAYERS.entries()) {
      const without = all.with(index, layer(kind))
      const decision = decide(without)
      assert.ok(isRefusal(decision))
      assert.deepEqual([decision.rule, decision.details], ['default-deny', { layer: kind }])
      const denying = all.with(index, layer(kind, {}, { id: 'no', effect: 'deny' }))
      assert.equal(answer(denying), `DENIED ${kind}/no`)
    }
  })

  it('do not narrow where they are absent or cover somebody else', () => {
    assert.equal(answer(fleet({})), 'fleet/open')
    const closed = LAYERS.slice(1).map((kind) => layer(kind))
    const [owner, device, session] = closed as [Bodies[number], Bodies[number], Bodies[number]]
    const other = subject('device/kdev-bbbbbbbbbbbbbbbbbbbbbbbbbb', { owner: BOB.uri })
    const elsewhere = { from: BOB, to: other } as const
    assert.equal(answer([...fleet({}), owner, device, session], elsewhere), 'fleet/open')
    assert.equal(answer([...fleet({}), owner], { to: BOB }), 'fleet/open')
  })

  it('do not replace the fleet layer', () => {
    const rest = LAYERS.slice(1).map((kind) => layer(kind, {}))
    assert.equal(answer(rest), 'NO_MANIFEST no-fleet-manifest')
  })

  it('deny when they have expired, instead of becoming absent', () => {
    for (const kind of LAYERS) {
      const clock = createTestClock()
      const bodies = LAYERS.map((one) =>
        one === kind ? { ...layer(one, {}), notAfter: NOT_AFTER_MS - 1 } : layer(one, {}),
      )
      const engine = engineWith(bodies, clock)
      assert.equal(engine.decide(ask()).allow, true)
      clock.setWall(NOT_AFTER_MS)
      const decision = engine.decide(ask())
      assert.ok(isRefusal(decision))
      assert.equal(decision.rule, 'manifest-expired')
      assert.deepEqual(decision.details, { layer: kind, number: 1 })
    }
  })
})

describe('conditions on arguments', () => {
  const inData = { argument: 'path', pathPrefix: '/srv/data' } as const
  const bodies = fleet(
    { id: 'allow-data', when: [inData] },
    { id: 'allow-small', when: [{ argument: 'length', range: { max: 10 } }] },
    {
      id: 'no-secret',
      effect: 'deny',
      when: [{ argument: 'path', pathPrefix: '/srv/data/secret' }],
    },
  )

  it('wait for the arguments, and are no yes until then', () => {
    const decision = decide(bodies)
    assert.ok(decision.allow === 'pending')
    assert.ok(!isRefusal(decision))
    assert.equal(decision.provisional.rule, 'fleet/allow-data')
    assert.ok(!('rule' in decision))
  })

  it('are decided on the arguments, at once or later', () => {
    const cases: readonly (readonly [given: unknown, expected: string])[] = [
      [{ path: '/srv/data/a' }, 'fleet/allow-data'],
      [{ path: '/srv/data/secret/a' }, 'DENIED fleet/no-secret'],
      [{ path: '/etc', length: 3 }, 'fleet/allow-small'],
      [{ path: '/etc', length: 11 }, 'NOT_ALLOWED default-deny'],
      [{ path: '/etc' }, 'NOT_ALLOWED default-deny'],
      [{ path: '/srv/data/../etc' }, 'DENIED fleet/no-secret'],
      [{ length: 3 }, 'DENIED fleet/no-secret'],
      [null, 'DENIED fleet/no-secret'],
    ]
    const engine = engineWith(bodies)
    for (const [given, expected] of cases) {
      assert.equal(answer(bodies, { arguments: given }), expected, JSON.stringify(given))
      const pending = engine.decide(ask())
      assert.ok(pending.allow === 'pending')
      const later = pending.decideArguments(given)
      const text = later.allow ? later.rule : `${later.code.slice(11)} ${later.rule}`
      assert.equal(text, expected)
    }
  })

  it('are not waited for when they cannot change the answer', () => {
    const never = { id: 'never', when: [inData] } as const
    assert.equal(answer(fleet({}, never)), 'fleet/open')
    assert.equal(answer(fleet({ effect: 'deny' }, never)), 'DENIED fleet/open')
    const limited = { id: 'limited', limits: { perMinute: 1, burst: 1 } }
    assert.equal(answer(fleet(limited, never)), 'pending')
    assert.equal(answer(fleet(limited, never), { arguments: { path: '/etc' } }), 'fleet/limited')
    assert.equal(answer(fleet(limited, never), { arguments: { path: '/srv/data' } }), 'fleet/never')
  })

  it('match once, however many ways lead to the rule', () => {
    const rule = {
      id: 'twice',
      from: ['any', 'role:operator'],
      actions: ['>', 'files.*'],
      when: [inData],
    }
    assert.equal(answer(fleet(rule), { arguments: { path: '/srv/data' } }), 'fleet/twice')
  })

  it('do not keep the arguments of an earlier call', () => {
    const engine = engineWith(bodies)
    assert.equal(engine.decide(ask({ arguments: { path: '/srv/data' } })).allow, true)
    assert.equal(engine.decide(ask({ arguments: { path: '/etc' } })).allow, false)
    assert.equal(engine.decide(ask()).allow, 'pending')
  })
})

describe('the profile ceiling', () => {
  const open = MANIFEST_DOMAINS.map((domain) => ({ id: domain, domain }))
  const permitted = (from: ProfileName, to: ProfileName, effects: 'read' | 'change'): string => {
    const engine = engineWith(fleet(...open))
    return MANIFEST_DOMAINS.filter((domain) => {
      const decision = engine.decide(
        ask({
          from: subject('user/ada', {}, from),
          to: subject(`device/${CAMERA.id}`, {}, to),
          domain,
          catalogEntry: { effects, permission: 'files.read' },
        }),
      )
      assert.ok(
        decision.allow === true || (isRefusal(decision) && decision.rule === 'profile-ceiling'),
      )
      return decision.allow
    }).join(' ')
  }

  it('stands above every manifest', () => {
    const rows = {
      'SEC-0': ['', ''],
      'SEC-1': ['rpc bus file exec update', 'rpc bus exec update'],
      'SEC-2': ['rpc bus file memory exec net update', 'rpc bus file exec net update'],
      'SEC-3': ['rpc bus file memory exec net update', 'rpc bus file memory exec net update'],
      'SEC-4': ['rpc bus file memory exec update', 'rpc bus file memory exec update'],
    } as const
    for (const name of PROFILE_NAMES) {
      assert.equal(permitted(name, name, 'read'), rows[name][0])
      assert.equal(permitted(name, name, 'change'), rows[name][1])
    }
  })

  it('is the lower one of both sides', () => {
    for (const effects of ['read', 'change'] as const) {
      for (const one of PROFILE_NAMES) {
        for (const other of PROFILE_NAMES) {
          const both = new Set(permitted(one, one, effects).split(' '))
          const expected = permitted(other, other, effects)
            .split(' ')
            .filter((name) => both.has(name))
          assert.equal(permitted(one, other, effects), expected.join(' '))
        }
      }
    }
  })

  it('names the profile and the change that it does not permit', () => {
    const sensor = subject(`device/${CAMERA.id}`, { name: 'sensor-1' }, 'SEC-1')
    const decision = decide(fleet({ domain: 'file' }), {
      to: sensor,
      domain: 'file',
      catalogEntry: { effects: 'change', permission: 'files.read' },
    })
    assert.ok(isRefusal(decision))
    assert.match(
      decision.remedy ?? '',
      /SEC-1 of sensor-1 does not permit changes in the domain file/,
    )
  })
})

describe('the fabric', () => {
  const AUTHORITY = subject('authority/main', {}, 'SEC-3')
  const call = (from: SubjectFacts, to: SubjectFacts, action: string): string =>
    answer([], { from, to, action, domain: 'fabric' })

  it('is decided by the system table, without any manifest', () => {
    const kinds: readonly PrincipalKind[] = ['agent', 'user', 'service']
    for (const node of [CAMERA, ...kinds.map((kind) => subject(`${kind}/x`))]) {
      assert.equal(call(AUTHORITY, node, 'fabric.push.notice'), 'fabric/push')
      assert.equal(call(node, AUTHORITY, 'fabric.node.audit'), 'fabric/node')
      assert.equal(call(node, AUTHORITY, 'fabric.push.notice'), 'NOT_ALLOWED fabric-table')
      assert.equal(call(AUTHORITY, node, 'fabric.node.audit'), 'NOT_ALLOWED fabric-table')
      assert.equal(call(node, CAMERA, 'fabric.push.notice'), 'NOT_ALLOWED fabric-table')
      assert.equal(call(node, CAMERA, 'fabric.peer.locks'), 'fabric/peer')
      assert.equal(call(AUTHORITY, node, 'fabric.peer.locks'), 'NOT_ALLOWED fabric-table')
    }
    assert.equal(call(AUTHORITY, AUTHORITY, 'fabric.push.notice'), 'NOT_ALLOWED fabric-table')
    for (const action of ['fabric.push', 'fabric.pushed.x', 'fabric.other', 'rpc.push.x']) {
      assert.equal(call(AUTHORITY, CAMERA, action), 'NOT_ALLOWED fabric-table')
    }
    assert.equal(call(AUTHORITY, CAMERA, 'fabric.push.>'), 'REQUEST malformed-action')
  })

  it('is closed to a profile without sessions', () => {
    const stranger = subject('device/kdev-bbbbbbbbbbbbbbbbbbbbbbbbbb', {}, 'SEC-0')
    assert.equal(call(stranger, AUTHORITY, 'fabric.node.audit'), 'CEILING profile-ceiling')
  })

  it('grants in the name of the system', () => {
    const decision = decide([], {
      from: AUTHORITY,
      action: 'fabric.push.notice',
      domain: 'fabric',
    })
    assert.ok(decision.allow === true)
    assert.deepEqual(
      [decision.layer, decision.manifestNumber, decision.manifestHash],
      ['system', 0, ''],
    )
  })
})
