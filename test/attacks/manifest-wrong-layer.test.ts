/** A manifest of a narrow layer is passed off as another layer, to widen rights instead of narrowing. */
import assert from 'node:assert/strict'
import { it } from 'node:test'
import { isRefusal } from '../../src/foundation/base/index.ts'
import { LAYERS, parseManifest } from '../../src/trust/policy/index.ts'
import {
  ADA,
  ask,
  BOB,
  engineWith,
  LAYER_SUBJECTS,
  manifestOf,
  ruleOf,
  verified,
} from '../kit/policy.ts'

const NARROW = LAYERS.slice(1)

it('refuses a manifest in the place of another layer', () => {
  const engine = engineWith([manifestOf([])])
  for (const kind of NARROW) {
    const open = verified(manifestOf([ruleOf()], { kind, subject: LAYER_SUBJECTS[kind] }))
    for (const layer of LAYERS) {
      const result = engine.load({ ...open, number: 9 }, { layer })
      assert.equal(result.allow, layer === kind, `${kind} as ${layer}`)
    }
  }
  // Where they belong they were loaded, and granted nothing.
  assert.equal(engine.decide(ask()).allow, false)
})

it('grants nothing by narrow layers alone', () => {
  const engine = engineWith(
    NARROW.map((kind) => manifestOf([ruleOf()], { kind, subject: LAYER_SUBJECTS[kind] })),
  )
  const decision = engine.decide(ask())
  assert.ok(isRefusal(decision))
  assert.equal(decision.rule, 'no-fleet-manifest')
})

it('refuses a fleet manifest that covers one principal only', () => {
  // It would take the place of the fleet layer and leave everybody else without one.
  const result = parseManifest(manifestOf([ruleOf()], { subject: `uri:${BOB.uri}` }))
  assert.ok('allow' in result)
  assert.equal(result.code, 'KOS_POLICY_MANIFEST_LAYER')
})

it('does not let the layer of one owner, target or caller speak for another', () => {
  const closed = NARROW.map((kind) => manifestOf([], { kind, subject: LAYER_SUBJECTS[kind] }))
  const open = NARROW.map((kind) => manifestOf([ruleOf()], { kind, subject: `uri:${BOB.uri}` }))
  const engine = engineWith([manifestOf(), ...closed, ...open])
  assert.equal(engine.decide(ask({ from: ADA })).allow, false)
  const place = { layer: 'owner', subject: LAYER_SUBJECTS.owner } as const
  const bobs = verified(manifestOf([ruleOf()], { kind: 'owner', subject: `uri:${BOB.uri}` }))
  assert.equal(engine.load({ ...bobs, number: 2 }, place).allow, false)
  assert.equal(engine.decide(ask({ from: ADA })).allow, false)
})
