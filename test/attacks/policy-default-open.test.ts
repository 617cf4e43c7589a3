/** Whatever is missing, empty or broken must close, never open. */
import assert from 'node:assert/strict'
import { it } from 'node:test'
import { isRefusal, unixMs } from '../../src/foundation/base/index.ts'
import { defaultFleetManifest, MANIFEST_DOMAINS } from '../../src/trust/policy/index.ts'
import { createTestClock } from '../kit/clock.ts'
import {
  ADA,
  ask,
  BOB,
  CAMERA,
  engineWith,
  manifestOf,
  NOT_AFTER_MS,
  ruleOf,
} from '../kit/policy.ts'

const change = { effects: 'change', permission: 'files.write' } as const

it('is closed without a manifest, with an empty one, and with an expired one', () => {
  const clock = createTestClock()
  const engines = [engineWith(), engineWith([manifestOf([])]), engineWith([manifestOf()], clock)]
  clock.setWall(NOT_AFTER_MS + 1)
  for (const engine of engines) {
    for (const domain of MANIFEST_DOMAINS) {
      assert.ok(isRefusal(engine.decide(ask({ domain }))))
      assert.ok(isRefusal(engine.decide(ask({ domain, arguments: {} }))))
    }
  }
})

it('opens with the default manifest to owners who read, and to nobody else', () => {
  const engine = engineWith([defaultFleetManifest({ notAfter: unixMs(NOT_AFTER_MS) })])
  const allows = (changes: Parameters<typeof ask>[0]): boolean =>
    engine.decide(ask(changes)).allow === true
  assert.ok(allows({}))
  assert.ok(!allows({ from: BOB }))
  assert.ok(!allows({ catalogEntry: change }))
  assert.ok(!allows({ from: CAMERA, to: ADA }))
  assert.ok(!allows({ from: CAMERA, to: CAMERA }))
  for (const domain of MANIFEST_DOMAINS.slice(1)) assert.ok(!allows({ domain }))
})

it('does not take two principals without owner for owner and property', () => {
  const engine = engineWith([manifestOf([ruleOf({ from: ['owner'] })])])
  const orphan = { ...CAMERA, owner: undefined }
  const nameless = { ...ADA, uri: undefined as unknown as string }
  assert.ok(isRefusal(engine.decide(ask({ from: nameless, to: orphan }))))
})

it('lets a deny rule match, and an allow rule not, when they cannot be evaluated', () => {
  const when = [{ argument: 'path', pathPrefix: '/srv' }] as const
  const denying = engineWith([manifestOf([ruleOf(), ruleOf({ id: 'no', effect: 'deny', when })])])
  const allowing = engineWith([manifestOf([ruleOf({ when })])])
  for (const given of [{}, null, [], 'x', { path: 1 }, { path: '/srv/../etc' }, { path: 'srv' }]) {
    assert.ok(isRefusal(denying.decide(ask({ arguments: given }))), JSON.stringify(given))
    assert.ok(isRefusal(allowing.decide(ask({ arguments: given }))), JSON.stringify(given))
  }
})

it('gives no yes that can be taken for one before the arguments are decided', () => {
  const when = [{ argument: 'path', pathPrefix: '/srv' }] as const
  const decision = engineWith([manifestOf([ruleOf({ when })])]).decide(ask())
  assert.equal(decision.allow, 'pending')
})
