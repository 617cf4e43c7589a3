/** The work of a decision does not grow with the number of rules: counted, not timed. */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import { ask, engineWith, manifestOf, ruleOf, subject } from '../../../kit/policy.ts'
import { PatternTrie } from '../../../../src/trust/policy/pattern.ts'

const SCRIPT = fileURLToPath(new URL('../../../kit/policy-steps.ts', import.meta.url))

describe('the work of a decision', () => {
  it('is the same by 10 rules and by 10,000', () => {
    const env = { ...process.env, NODE_V8_COVERAGE: '', NODE_TEST_CONTEXT: undefined }
    const out = execFileSync(process.execPath, [SCRIPT, '10', '100', '10000'], { env })
    const [few, more, many] = JSON.parse(out.toString()) as (readonly [number, number])[]
    assert.ok(few && more && many)
    // What reads every rule shows that reading is counted.
    assert.ok(many[1] > 100 * few[1], `${few[1]} steps of an explanation, ${many[1]}`)
    // One step more: whether a branch is the only one.
    for (const [steps] of [more, many]) assert.ok(steps <= few[0] + 1, `${few[0]}, then ${steps}`)
  })

  it('is bounded by the action where patterns branch at every segment', () => {
    // Every mixture of `a` and `*` over 11 segments covers the action: no more than 2^11 sets.
    const trie = new PatternTrie<{ count: number }>(() => ({ count: 0 }))
    for (let mask = 0; mask < 2 ** 11; mask += 1) {
      trie.at(Array.from({ length: 11 }, (_, bit) => ((mask >> bit) & 1 ? '*' : 'a'))).count += 1
    }
    const found: { count: number }[] = []
    trie.find(Array<string>(11).fill('a'), found)
    assert.equal(found.length, 2 ** 11)
    const missed: { count: number }[] = []
    trie.find([...Array<string>(10).fill('a'), 'b'], missed)
    assert.equal(missed.length, 2 ** 10)
    assert.equal(new Set(found).size, found.length)
  })

  it('survives rules whose conditions contradict one another', () => {
    const both = [
      { argument: 'mode', equals: 'a' },
      { argument: 'mode', equals: 'b' },
    ] as const
    const never = ruleOf({ id: 'never', when: both })
    const engine = engineWith([manifestOf([never])])
    const given = (mode: unknown): boolean =>
      engine.decide(ask({ arguments: { mode } })).allow === true
    for (const mode of ['a', 'b', 'c', 1, undefined, null]) assert.equal(given(mode), false)
    // As a deny rule it denies where it cannot be evaluated, and nowhere else.
    const denies = engineWith([manifestOf([ruleOf(), { ...never, effect: 'deny' }])])
    const allowed = (args: unknown): boolean =>
      denies.decide(ask({ arguments: args })).allow === true
    for (const mode of ['a', 'b', 'c']) assert.equal(allowed({ mode }), true, mode)
    for (const args of [{}, { mode: 1 }]) assert.equal(allowed(args), false)
  })

  it('counts groups of groups once for each principal', () => {
    const depth = 4000
    const groups = Object.fromEntries(
      Array.from({ length: depth }, (_, n) => [
        `g${n}`,
        [n === 0 ? 'role:camera' : `group:g${n - 1}`],
      ]),
    )
    const engine = engineWith([manifestOf([ruleOf({ from: [`group:g${depth - 1}`] })], { groups })])
    const from = subject('device/kdev-bbbbbbbbbbbbbbbbbbbbbbbbbb', { roles: ['camera'] })
    assert.equal(engine.decide(ask({ from })).allow, true)
    assert.equal(engine.decide(ask()).allow, false)
  })
})
