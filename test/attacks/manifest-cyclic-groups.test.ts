/** Groups that contain one another: an evaluator that follows them never ends. */
import assert from 'node:assert/strict'
import { it } from 'node:test'
import { ask, engineWith, manifestOf, ruleOf, verified } from '../kit/policy.ts'

it('refuses every cycle, long or short, and keeps what is in force', () => {
  const engine = engineWith([manifestOf()])
  const ring = Array.from({ length: 4000 }, (_, n) => [`g${n}`, [`group:g${(n + 1) % 4000}`]])
  const cycles: readonly Readonly<Record<string, unknown>>[] = [
    { a: ['group:a'] },
    { a: ['role:x', ['kind:user', 'group:b']], b: ['group:c'], c: ['any', 'group:a'] },
    Object.fromEntries(ring) as Record<string, unknown>,
  ]
  for (const groups of cycles) {
    const rules = [ruleOf({ from: ['group:a'] })]
    const result = engine.load(verified(manifestOf(rules, { groups }), { number: 2 }))
    assert.ok(!result.allow)
    assert.equal(result.code, 'KOS_POLICY_MANIFEST_CYCLE')
    assert.equal(engine.decide(ask()).allow, true)
  }
})
