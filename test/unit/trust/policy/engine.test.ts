import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { type Log, type LogFields, silentLog } from '../../../../src/foundation/base/index.ts'
import { CborTag } from '../../../../src/foundation/codec/index.ts'
import {
  createPolicyEngine,
  LAYERS,
  type ManifestPlace,
  type PolicyEngine,
  type VerifiedManifest,
} from '../../../../src/trust/policy/index.ts'
import { createTestClock } from '../../../kit/clock.ts'
import {
  ADA,
  ask,
  BOB,
  engineWith,
  LAYER_SUBJECTS,
  manifestOf,
  NOT_AFTER_MS,
  ruleOf,
  verified,
} from '../../../kit/policy.ts'

const layer = (kind: keyof typeof LAYER_SUBJECTS, rules = [ruleOf()]): Record<string, unknown> =>
  manifestOf(rules, { kind, subject: LAYER_SUBJECTS[kind] })

function refused(engine: PolicyEngine, manifest: VerifiedManifest, place?: ManifestPlace): string {
  const before = { current: engine.current(), revision: engine.revision }
  const result = engine.load(manifest, place)
  if (result.allow) assert.fail('was loaded')
  assert.deepEqual({ current: engine.current(), revision: engine.revision }, before)
  return `${result.code.slice('KOS_POLICY_'.length)} ${result.rule}`
}

describe('loading', () => {
  it('starts with nothing and allows nothing', () => {
    const engine = engineWith()
    assert.deepEqual(engine.current(), [])
    assert.equal(engine.revision, 0)
    const decision = engine.decide(ask())
    assert.ok(!decision.allow)
    assert.equal(decision.code, 'KOS_POLICY_NO_MANIFEST')
  })

  it('shows what is in force, widest layer first', () => {
    const engine = engineWith(LAYERS.toReversed().map((kind) => layer(kind)))
    const other = { ...layer('device'), subject: `uri:${BOB.uri}` }
    assert.ok(engine.load(verified(other, { number: 4, era: 2 })).allow)
    assert.deepEqual(
      engine.current().map((one) => `${one.layer} ${one.subject} ${one.era} ${one.number}`),
      [
        'fleet any 1 1',
        `owner ${LAYER_SUBJECTS.owner} 1 1`,
        `device ${LAYER_SUBJECTS.device} 1 1`,
        `device uri:${BOB.uri} 2 4`,
        `session ${LAYER_SUBJECTS.session} 1 1`,
      ],
    )
    assert.equal(engine.revision, 5)
    assert.match(engine.current()[0]?.hash ?? '', /^[0-9a-f]{64}$/)
  })

  it('replaces at once, also for answers that were remembered', () => {
    const engine = engineWith([manifestOf()])
    assert.equal(engine.decide(ask()).allow, true)
    assert.equal(engine.decide(ask()).allow, true)
    assert.ok(engine.load(verified(manifestOf([]), { number: 2 })).allow)
    assert.equal(engine.decide(ask()).allow, false)
  })

  it('takes the same manifest again, without a change', () => {
    const engine = engineWith([manifestOf()])
    const result = engine.load(verified(manifestOf()))
    assert.ok(result.allow)
    assert.equal(result.changed, false)
    assert.equal(result.loaded, engine.current()[0])
    assert.equal(engine.revision, 1)
  })

  it('takes a newer era whatever its number', () => {
    const engine = engineWith()
    assert.ok(engine.load(verified(manifestOf(), { era: 1, number: 9 })).allow)
    const result = engine.load(verified(manifestOf([]), { era: 2, number: 1 }))
    assert.ok(result.allow)
    assert.equal(result.changed, true)
    assert.equal(
      refused(engine, verified(manifestOf(), { era: 1, number: 10 })),
      'MANIFEST_OLDER number',
    )
  })

  it('keeps to the floor from before a restart', () => {
    const clock = createTestClock()
    const floors = [
      { layer: 'fleet', subject: 'any', era: 2, number: 5 },
      { layer: 'owner', subject: LAYER_SUBJECTS.owner, era: 1, number: 3 },
    ] as const
    const verify = (): never => assert.fail('not asked')
    const engine = createPolicyEngine({ clock, log: silentLog, verify }, { floors })
    assert.match(refused(engine, verified(manifestOf(), { era: 2, number: 4 })), /OLDER/)
    assert.match(refused(engine, verified(manifestOf(), { era: 1, number: 6 })), /OLDER/)
    assert.match(refused(engine, verified(layer('owner'), { number: 2 })), /OLDER/)
    assert.ok(engine.load(verified(manifestOf(), { era: 2, number: 5 })).allow)
    assert.ok(engine.load(verified(layer('owner'), { number: 3 })).allow)
    assert.ok(engine.load(verified(layer('device'), { number: 1 })).allow)
  })

  it('refuses another manifest of the same number', () => {
    const engine = engineWith([manifestOf()])
    assert.equal(
      refused(engine, verified(manifestOf([]), { content: 'other' })),
      'MANIFEST_OLDER number: used for other content',
    )
  })

  it('refuses numbers that do not compare', () => {
    const engine = engineWith()
    for (const number of [Number.NaN, 1.5, Infinity]) {
      assert.equal(refused(engine, { ...verified(manifestOf()), number }), 'MANIFEST number')
    }
    assert.equal(refused(engine, { ...verified(manifestOf()), era: Number.NaN }), 'MANIFEST number')
  })

  it('refuses what is not a manifest', () => {
    const engine = engineWith([manifestOf()])
    const tagged = { ...verified({}, { number: 2 }), body: new CborTag(1, 0) }
    assert.equal(refused(engine, tagged), 'MANIFEST body: plain: tag')
    assert.match(refused(engine, verified([], { number: 2 })), /^MANIFEST value/)
  })

  it('refuses a manifest that is not where the caller expects it', () => {
    const engine = engineWith()
    const owner = verified(layer('owner'))
    assert.match(refused(engine, owner, { layer: 'fleet' }), /^MANIFEST_LAYER kind/)
    const place = { layer: 'owner', subject: `uri:${BOB.uri}` } as const
    assert.match(refused(engine, owner, place), /^MANIFEST_LAYER subject/)
    assert.ok(engine.load(owner, { layer: 'owner', subject: `uri:${ADA.uri}` }).allow)
  })

  it('refuses an expired manifest, at the last millisecond not yet', () => {
    const clock = createTestClock(NOT_AFTER_MS)
    const engine = engineWith([manifestOf()], clock)
    clock.advance(1)
    assert.equal(
      refused(engine, verified(manifestOf(), { number: 2 })),
      'MANIFEST_EXPIRED notAfter',
    )
  })

  it('holds a bounded number of manifests', () => {
    const engine = createPolicyEngine(
      { clock: createTestClock(), log: silentLog, verify: () => assert.fail('not asked') },
      { maxManifests: 1 },
    )
    assert.ok(engine.load(verified(manifestOf())).allow)
    assert.equal(refused(engine, verified(layer('owner'))), 'MANIFEST_SIZE manifests: too many')
    assert.ok(engine.load(verified(manifestOf([]), { number: 2 })).allow)
  })

  it('refuses a manifest whose index would be too large', () => {
    const many = Array<string>(64).fill('any')
    const rules = Array.from({ length: 8 }, (_, n) =>
      ruleOf({ id: `r${n}`, from: many, to: many, actions: many.map(() => '>') }),
    )
    assert.match(refused(engineWith(), verified(manifestOf(rules))), /^MANIFEST_SIZE rules/)
  })

  it('does not hide failures that are no refusal', () => {
    const body = new Map([
      [
        'rules',
        {
          get length(): never {
            throw new RangeError('boom')
          },
        },
      ],
    ])
    const hostile = { ...verified({}), body: body as never }
    assert.throws(() => engineWith().load(hostile))
  })

  it('logs what was loaded and what was refused, and why a signature failed', () => {
    const events: { name: string; fields: LogFields }[] = []
    const log: Log = { event: (name, fields = {}) => void events.push({ name, fields }) }
    const engine = createPolicyEngine({
      clock: createTestClock(),
      log,
      verify: (signed) =>
        signed.length === 0
          ? { allow: false, code: 'KOS_PKI_OBJECT', rule: 'signature' }
          : verified(manifestOf()),
    })
    assert.ok(engine.loadSigned(new Uint8Array(1)).allow)
    const refusal = engine.loadSigned(new Uint8Array())
    assert.ok(!refusal.allow)
    assert.equal(refusal.code, 'KOS_POLICY_MANIFEST_SIGNATURE')
    assert.ok(!engine.loadSigned(new Uint8Array(1), { layer: 'owner' }).allow)
    assert.deepEqual(
      events.map(({ name, fields }) => [name, fields.code, fields.count]),
      [
        ['policy.manifest.loaded', undefined, 1],
        ['policy.manifest.refused', 'KOS_PKI_OBJECT', undefined],
        ['policy.manifest.refused', 'KOS_POLICY_MANIFEST_LAYER', undefined],
      ],
    )
  })
})

describe('memory of decisions', () => {
  it('answers frozen facts from memory, and everything else anew', () => {
    const engine = engineWith([manifestOf([ruleOf({ from: ['role:operator'] })])])
    const evaluated = engine.decide(ask())
    const remembered = engine.decide(ask())
    assert.deepEqual(remembered, evaluated)
    assert.equal(engine.decide(ask()), remembered)
    assert.ok(Object.isFrozen(remembered))
    const live = { ...ADA, roles: ['operator'] }
    assert.equal(engine.decide(ask({ from: live })).allow, true)
    live.roles.pop()
    assert.equal(engine.decide(ask({ from: live })).allow, false)
    const liveTarget = { ...ADA, roles: ['operator'] }
    assert.equal(engine.decide(ask({ to: liveTarget })).allow, true)
  })

  it('keeps questions apart that differ in anything', () => {
    const engine = engineWith([
      manifestOf([
        ruleOf({ id: 'read', effects: 'read', actions: ['files.read'] }),
        ruleOf({ id: 'mfa', actions: ['files.write'], obligations: ['mfa'] }),
        ruleOf({ id: 'bus', domain: 'bus', actions: ['files.write'] }),
      ]),
    ])
    const action = 'files.read'
    const allows = (changes: Parameters<typeof ask>[0]): boolean =>
      engine.decide(ask(changes)).allow === true
    for (let round = 0; round < 2; round += 1) {
      assert.ok(allows({ action }))
      assert.ok(!allows({ action, catalogEntry: { effects: 'change', permission: action } }))
      assert.ok(!allows({ action: 'files.write' }))
      assert.ok(allows({ action: 'files.write', fulfilled: ['mfa'] }))
      assert.ok(allows({ action: 'files.write', domain: 'bus' }))
      const catalogEntry = { effects: 'read', permission: 'files.read' } as const
      assert.ok(allows({ action: 'files.other', catalogEntry }))
      assert.ok(!allows({ action: 'files.other' }))
      assert.ok(!allows({ action, to: { ...ADA, floor: BOB.floor }, domain: 'exec' }))
    }
  })

  it('keeps the targets of one caller apart', () => {
    const engine = engineWith([manifestOf([ruleOf({ to: ['kind:device'] })])])
    for (let round = 0; round < 3; round += 1) {
      assert.equal(engine.decide(ask()).allow, true)
      assert.equal(engine.decide(ask({ to: BOB })).allow, false)
    }
  })

  it('forgets actions when there are many, and answers all the same', () => {
    const engine = engineWith([manifestOf([ruleOf({ actions: ['a.*'] })])])
    for (let n = 0; n < 600; n += 1) {
      assert.equal(engine.decide(ask({ action: `a.n${n}` })).allow, true)
    }
    assert.equal(engine.decide(ask({ action: 'a.n599' })).allow, true)
    assert.equal(engine.decide(ask({ action: 'a.n300' })).allow, true)
    assert.equal(engine.decide(ask({ action: 'a.n0' })).allow, true)
    assert.equal(engine.decide(ask({ action: 'b.n0' })).allow, false)
  })

  it('ends with the manifest it rests on', () => {
    const clock = createTestClock()
    const engine = engineWith([manifestOf()], clock)
    assert.equal(engine.decide(ask()).allow, true)
    clock.setWall(NOT_AFTER_MS)
    assert.equal(engine.decide(ask()).allow, true)
    clock.setWall(NOT_AFTER_MS + 1)
    const decision = engine.decide(ask())
    assert.ok(!decision.allow)
    assert.equal(decision.code, 'KOS_POLICY_EXPIRED')
  })
})
