/** Properties of policy over random manifests, principals and requests. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { isRefusal } from '../../src/foundation/base/index.ts'
import { PROFILE_NAMES } from '../../src/foundation/profiles/index.ts'
import {
  type Condition,
  type Decision,
  encodeManifest,
  type LayerName,
  LAYERS,
  type Manifest,
  manifestToJson,
  OBLIGATIONS,
  parseManifestJson,
  type PolicyEngine,
  type PolicyRequest,
  type Rule,
  type SubjectFacts,
} from '../../src/trust/policy/index.ts'
import { createTestClock, TEST_EPOCH_MS } from '../kit/clock.ts'
import { engineWith, manifestOf, parsed, subject, verified } from '../kit/policy.ts'
import { referenceAnswer } from '../kit/policy-reference.ts'

/** Six properties share the five seconds of this file. */
const TIME_BOX_MS = 750

function fuzz<T>(property: fc.IProperty<T>): void {
  fc.assert(property, { numRuns: 3000, plugins: [fc.interruptAfterTimeLimit(TIME_BOX_MS)] })
}

const WORDS = ['a', 'b', 'c']
const DEVICE_IDS = WORDS.map((letter) => `kdev-${letter.repeat(26)}`)
const USERS = WORDS.map((letter) => `user/${letter}`)
const PRINCIPALS = [...USERS, ...DEVICE_IDS.map((id) => `device/${id}`)]
const uriOf = (path: string): string => `spiffe://kos.internal/${path}`

const word = fc.constantFrom(...WORDS)
const words = fc.uniqueArray(word, { maxLength: 2 })

const facts: fc.Arbitrary<SubjectFacts> = fc
  .record({
    path: fc.constantFrom(...PRINCIPALS),
    roles: words,
    groups: words,
    labels: fc.dictionary(word, word, { maxKeys: 2 }),
    owner: fc.option(fc.constantFrom(...USERS).map(uriOf), { nil: undefined }),
    profile: fc.oneof(
      { weight: 20, arbitrary: fc.constantFrom('SEC-2', 'SEC-3') },
      fc.constantFrom(...PROFILE_NAMES),
    ),
  })
  .map(({ path, profile, ...directory }) => subject(path, directory, profile))

const atom = fc.oneof(
  { weight: 8, arbitrary: fc.constant('any') },
  { weight: 3, arbitrary: word.map((name) => `group:${name}`) },
  fc.constantFrom(...PRINCIPALS).map((path) => `uri:${uriOf(path)}`),
  fc.constantFrom(...PRINCIPALS, ...DEVICE_IDS).map((id) => `id:${id}`),
  fc.constantFrom('kind:user', 'kind:device'),
  word.map((name) => `role:${name}`),
  fc.tuple(word, word).map(([key, value]) => `label:${key}=${value}`),
  fc.constantFrom(...PROFILE_NAMES).map((name) => `profile:${name}`),
)
const selectorList = (one: fc.Arbitrary<string>): fc.Arbitrary<Rule['from']> =>
  fc.array(fc.oneof(one, fc.array(one, { minLength: 1, maxLength: 3 })), {
    minLength: 1,
    maxLength: 3,
  })
const selectors = selectorList(fc.oneof({ weight: 6, arbitrary: atom }, fc.constant('owner')))

const pattern = fc.oneof(
  fc.constant('>'),
  fc
    .tuple(fc.array(fc.oneof(word, fc.constant('*')), { maxLength: 3 }), fc.boolean())
    .map(([segments, tail]) =>
      [...segments, ...(tail || segments.length === 0 ? ['>'] : [])].join('.'),
    ),
)
const action = fc.array(word, { minLength: 1, maxLength: 3 }).map((segments) => segments.join('.'))

const PATHS = ['/a', '/a/b', '/a/b/c', '/ab', '/b']
const scalar = fc.oneof(fc.constantFrom('x', 'y'), fc.integer({ min: 0, max: 3 }), fc.boolean())
const condition: fc.Arbitrary<Condition> = fc.oneof(
  fc.record({ argument: word, pathPrefix: fc.constantFrom(...PATHS) }),
  fc.record({ argument: word, equals: scalar }),
  fc.record({ argument: word, oneOf: fc.array(scalar, { minLength: 1, maxLength: 2 }) }),
  fc.record({
    argument: word,
    range: fc.record({
      min: fc.option(fc.integer({ min: 0, max: 2 }), { nil: undefined }),
      max: fc.option(fc.integer({ min: 2, max: 3 }), { nil: undefined }),
    }),
  }),
)
const someArguments = fc.dictionary(
  word,
  fc.oneof(scalar, fc.constantFrom(...PATHS, '/a/../b', '/a/', 'a', 1.5), fc.constant([1])),
  { maxKeys: 3 },
)

const limits = fc.record({ perMinute: fc.constantFrom(60, 600), burst: fc.constantFrom(1, 9) })
const domain = fc.oneof(
  { weight: 30, arbitrary: fc.constant('rpc') },
  fc.constantFrom('bus', 'file', 'memory', 'net'),
)
const rule: fc.Arbitrary<Omit<Rule, 'id'>> = fc
  .record({
    effect: fc.constantFrom('allow', 'allow', 'allow', 'deny'),
    domain,
    from: selectors,
    to: selectors,
    actions: fc.array(pattern, { minLength: 1, maxLength: 2 }),
    effects: fc.option(fc.constantFrom('read', 'change'), { nil: undefined, freq: 2 }),
    when: fc.option(fc.array(condition, { minLength: 1, maxLength: 2 }), { nil: undefined }),
    limits: fc.option(limits, { nil: undefined, freq: 3 }),
    obligations: fc.option(fc.subarray([...OBLIGATIONS], { minLength: 1, maxLength: 2 }), {
      nil: undefined,
      freq: 3,
    }),
  })
  .map(({ limits: rate, obligations, ...rest }) =>
    rest.effect === 'deny' ? rest : { ...rest, limits: rate, obligations },
  ) as fc.Arbitrary<Omit<Rule, 'id'>>

const rules = fc
  .array(rule, { minLength: 4, maxLength: 9 })
  .map((list): Rule[] => list.map((one, index) => ({ id: `r${(index * 7) % 11}`, ...one })))

/** Groups contain only later groups, so there is no cycle. */
const groups = fc
  .tuple(...WORDS.map(() => fc.option(selectorList(atom), { nil: undefined })))
  .map((lists) => {
    const entries = lists.map((list, index) => [
      WORDS[index],
      list?.filter((item) => [item].flat().every((one) => isLater(one, index))),
    ])
    return Object.fromEntries(entries.filter(([, list]) => (list?.length ?? 0) > 0)) as object
  })

function isLater(selector: string, index: number): boolean {
  const name = selector.startsWith('group:') ? selector.slice(6) : undefined
  return name === undefined || WORDS.indexOf(name) > index
}

const notAfter = fc.oneof(
  { weight: 30, arbitrary: fc.constant(TEST_EPOCH_MS + 1000) },
  fc.constant(TEST_EPOCH_MS - 1),
)

function layer(kind: LayerName, subjects: fc.Arbitrary<string>): fc.Arbitrary<Manifest> {
  return fc
    .record({ rules, groups, notAfter, subject: subjects })
    .map(({ rules: list, ...rest }) =>
      parsed(encodeManifest(manifestOf(list, { kind, ...rest }) as unknown as Manifest)),
    )
}

const anyUri = fc.constantFrom(...PRINCIPALS).map((path) => `uri:${uriOf(path)}`)
const userUri = fc.constantFrom(...USERS).map((path) => `uri:${uriOf(path)}`)
const maybe = <T>(one: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> =>
  fc.option(one, { nil: undefined, freq: 1 })
const manifests: fc.Arbitrary<Manifest[]> = fc
  .tuple(
    fc.option(layer('fleet', fc.constant('any')), { nil: undefined, freq: 20 }),
    maybe(layer('owner', userUri)),
    maybe(layer('device', anyUri)),
    maybe(layer('session', anyUri)),
  )
  .map((list) => list.filter((one) => one !== undefined))

const request: fc.Arbitrary<PolicyRequest> = fc
  .record({
    from: facts,
    to: facts,
    domain,
    action,
    permission: fc.option(action, { nil: undefined, freq: 1 }),
    effects: fc.constantFrom('read', 'change'),
    fulfilled: fc.option(fc.subarray([...OBLIGATIONS]), { nil: undefined }),
  })
  .map(({ permission, effects, ...rest }) => ({
    ...rest,
    catalogEntry: { effects, permission: permission ?? rest.action },
  })) as fc.Arbitrary<PolicyRequest>

/** An engine that holds the manifests, expired ones included: it loads before they expire. */
function engineOf(list: readonly Manifest[]): PolicyEngine {
  const clock = createTestClock(TEST_EPOCH_MS - 2)
  const engine = engineWith(list, clock)
  clock.setWall(TEST_EPOCH_MS)
  return engine
}

function allowed(decision: Decision, given: unknown): boolean {
  const final = decision.allow === 'pending' ? decision.decideArguments(given) : decision
  return !isRefusal(final)
}

const asked = fc.record({ list: manifests, one: request, given: someArguments })

test('the compiled decision equals the naive one, rule by rule', () => {
  const requests = fc.array(request, { minLength: 8, maxLength: 16 })
  fuzz(
    fc.property(manifests, requests, someArguments, (list, asking, given) => {
      const engine = engineOf(list)
      // Twice: the second round is answered from memory.
      for (const one of [...asking, ...asking]) {
        const expected = referenceAnswer(list, { ...one, arguments: given }, TEST_EPOCH_MS)
        const direct = engine.decide({ ...one, arguments: given })
        const pending = engine.decide(one)
        const later = pending.allow === 'pending' ? pending.decideArguments(given) : pending
        for (const decision of [direct, later]) {
          if (decision.allow === 'pending') assert.fail('arguments were given')
          const names = decision.allow ? decision.rules : [decision.rule]
          assert.deepEqual({ allow: decision.allow, rules: names }, expected)
        }
        const explained = engine.explain({ ...one, arguments: given })
        assert.equal(explained.outcome, expected.allow ? 'allowed' : 'refused')
        assert.equal(explained.decidedBy, expected.rules[0])
        // The explanation reads every rule, the decision asks an index: they agree.
        for (const { state, verdict, rules: read } of explained.layers) {
          if (state !== 'in force') continue
          const matches = (effect: string): boolean =>
            read.some((each) => each.effect === effect && each.result === 'matches')
          const said = matches('deny') ? 'denies' : matches('allow') ? 'allows' : 'no allow rule'
          assert.equal(verdict, said)
        }
      }
    }),
  )
})

test('the order of rules never matters', () => {
  const order = fc.array(fc.nat(), { minLength: 9, maxLength: 9 })
  fuzz(
    fc.property(asked, order, ({ list, one, given }, keys) => {
      const shuffled = list.map((manifest) => {
        const rank = (rule: Rule): number => keys[manifest.rules.indexOf(rule)] ?? 0
        return parsed({ ...manifest, rules: manifest.rules.toSorted((a, b) => rank(a) - rank(b)) })
      })
      const answer = (from: readonly Manifest[]): object => ({
        ...engineOf(from).decide({ ...one, arguments: given }),
        manifestHash: 'differs by the order',
      })
      assert.deepEqual(answer(shuffled), answer(list))
    }),
  )
})

test('adding a deny rule never grants, removing an allow rule never grants', () => {
  fuzz(
    fc.property(asked, rule, fc.nat(), ({ list, one, given }, extra, pick) => {
      const at = pick % Math.max(list.length, 1)
      const change = (edit: (from: readonly Rule[]) => readonly Rule[]): Manifest[] =>
        list.map((manifest, index) =>
          index === at ? parsed({ ...manifest, rules: edit(manifest.rules) }) : manifest,
        )
      const { limits: _limits, obligations: _obligations, ...bare } = extra
      const deny: Rule = { ...bare, id: 'extra', effect: 'deny' }
      const before = allowed(engineOf(list).decide(one), given)
      const more = change((from) => [...from, deny])
      const fewer = change((from) => {
        const allows = from.filter(({ effect }) => effect === 'allow')
        const gone = allows[pick % Math.max(allows.length, 1)]
        return from.filter((each) => each !== gone)
      })
      assert.ok(before || !allowed(engineOf(more).decide(one), given), 'a deny rule granted')
      assert.ok(before || !allowed(engineOf(fewer).decide(one), given), 'a lost allow rule granted')
    }),
  )
})

test('adding a layer never grants', () => {
  fuzz(
    fc.property(asked, fc.constantFrom(...LAYERS.slice(1)), ({ list, one, given }, gone) => {
      const fewer = list.filter(({ kind }) => kind !== gone)
      const without = allowed(engineOf(fewer).decide(one), given)
      assert.ok(without || !allowed(engineOf(list).decide(one), given), 'a layer granted')
    }),
  )
})

test('facts that change are decided as they are, whatever was decided before', () => {
  fuzz(
    fc.property(asked, facts, ({ list, one, given }, other) => {
      const engine = engineOf(list)
      const live = { ...one.from }
      engine.decide({ ...one, from: live })
      Object.assign(live, other)
      assert.equal(
        allowed(engine.decide({ ...one, from: live }), given),
        allowed(engineOf(list).decide({ ...one, from: other }), given),
      )
    }),
  )
})

test('a refused load changes nothing, and the JSON form reads back as it was', () => {
  fuzz(
    fc.property(layer('fleet', fc.constant('any')), fc.json(), (manifest, junk) => {
      const back = parseManifestJson(manifestToJson(manifest), { uriOf: () => undefined })
      assert.deepEqual(back, manifest)
      const engine = engineOf([manifest])
      const before = engine.current()
      assert.equal(engine.load(verified(JSON.parse(junk), { number: 2 })).allow, false)
      assert.deepEqual(engine.current(), before)
      assert.equal(engine.revision, 1)
    }),
  )
})
