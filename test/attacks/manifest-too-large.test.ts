/** Manifests that would keep every node busy: refused where they come in, with nothing changed. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseManifest, type Rule } from '../../src/trust/policy/index.ts'
import { startFabric } from '../kit/fabric.ts'
import { manifestOf, ruleOf } from '../kit/policy.ts'

const RULES = 100_000

/** Rules as an operator would write them out, one for each pair. */
function manyRules(count: number): readonly Rule[] {
  return Array.from({ length: count }, (_, n) =>
    ruleOf({
      id: `rule-${n}`,
      from: [`id:user/user-${n}`],
      to: [`label:zone=zone-${n % 1000}`],
      actions: [`app-${n % 100}.run.*`],
    }),
  )
}

test('100,000 rules are refused in one sentence that says what to do instead', async (context) => {
  const fabric = await startFabric(context)
  const apply = (rules: readonly Rule[]): ReturnType<typeof fabric.kosctl> =>
    fabric.kosctl(['policy', 'apply', '-'], {
      input: JSON.stringify(manifestOf(rules, { notAfter: '2100-01-01T00:00:00Z' })),
    })
  const before = (await fabric.kosctl(['policy', 'show'])).out
  const refused = await apply(manyRules(RULES))
  assert.equal(refused.code, 3)
  assert.match(refused.err, /rule +manifest: over 8 MiB\n +code +KOS_POLICY_MANIFEST_SIZE\n/)
  assert.match(refused.err, /remedy +Use groups, roles and patterns instead of single rules\./)
  // Few words can also mean many combinations: 64 × 64 × 64 of each rule.
  const wide = Array.from({ length: 64 }, (_, n) => `role:role-${n}`)
  const actions = Array.from({ length: 64 }, (_, n) => `app-${n}.>`)
  const combinations = Array.from({ length: 8 }, (_, n) =>
    ruleOf({ id: `wide-${n}`, from: wide, to: wide, actions }),
  )
  const multiplied = await apply(combinations)
  assert.equal(multiplied.code, 3)
  assert.match(multiplied.err, /rule +rules: too many combinations of selectors/)
  assert.equal((await fabric.kosctl(['policy', 'show'])).out, before)
  assert.equal((await apply(manyRules(200))).code, 0)
})

test('one rule more than the bound is refused before it is looked at', () => {
  const result = parseManifest(manifestOf(Array<Rule>(RULES + 1).fill(ruleOf())))
  assert.ok('allow' in result)
  assert.equal(result.code, 'KOS_POLICY_MANIFEST_SIZE')
})
