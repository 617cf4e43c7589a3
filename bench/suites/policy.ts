import assert from 'node:assert/strict'
import {
  parseTrustDomain,
  principalOf,
  type PrincipalKind,
  sha256,
  silentLog,
  systemClock,
  utf8,
} from '../../src/foundation/base/index.ts'
import type { CborValue } from '../../src/foundation/codec/index.ts'
import { profileOf } from '../../src/foundation/profiles/index.ts'
import {
  createPolicyEngine,
  type DirectoryFacts,
  type PolicyEngine,
  type PolicyRequest,
  type SubjectFacts,
  subjectFacts,
} from '../../src/trust/policy/index.ts'
import { casbinDecider } from '../contenders/policy-casbin.ts'
import { cedarDecider } from '../contenders/policy-cedar.ts'
import {
  type BenchQuestion,
  benchQuestions,
  benchRules,
  manifestRule,
} from '../contenders/policy-rules.ts'
import { type InlineCase, inlineMedian, inlineRatio, measureInline } from '../harness/inline.ts'
import type { ProcessOptions } from '../harness/processes.ts'
import { atLeast, atMost, type Report } from '../harness/report.ts'
import type { Effort } from '../harness/rounds.ts'

const RULE_COUNTS = [10, 1_000, 10_000] as const
const REQUESTS = 1024
/** A new principal asks this often before it is new again. */
const TURNS = 4
/** Engines that read every rule are asked fewer questions; each was checked before. */
const PEER_QUESTIONS = 32

type Way = 'remembered' | 'evaluated' | 'new facts'
type Peer = 'casbin' | 'cedar-wasm, pre-parsed'

const WAYS: readonly Way[] = ['remembered', 'evaluated', 'new facts']
const PEERS: readonly Peer[] = ['casbin', 'cedar-wasm, pre-parsed']

/** One way of deciding by so many rules. */
const nameOf = (way: Way | Peer, count: number): string =>
  `${way}, ${count.toLocaleString('en-US')} rules`

/**
 * Decisions with their reason: remembered (commands: the same facts and action again, as in a
 * session), evaluated (channels are never remembered), new facts (principals seen for the first time).
 * Beside them two engines that users would pick, by the same rules. Every answer of every engine is
 * checked before it is timed.
 */
export async function measurePolicy(_options: ProcessOptions, effort: Effort): Promise<Report> {
  const cases = RULE_COUNTS.flatMap((count) => casesFor(count))
  for (const count of RULE_COUNTS) cases.push(...(await peerCasesFor(count)))
  const samples = await measureInline(cases, effort)
  const cpu = (way: Way | Peer, count: number): ReturnType<typeof samples.get> =>
    samples.get(nameOf(way, count))
  const [fewest, , most] = RULE_COUNTS
  const evaluated = cpu('evaluated', most)
  return {
    suite: 'policy',
    title: `Policy decisions on one thread (medians of ${effort.rounds} rounds)`,
    columns: ['decisions/s', 'CPU ns each', 'CPU ÷ 10 rules', 'CPU ÷ kOS evaluated'],
    rows: [...WAYS, ...PEERS].flatMap((way) =>
      RULE_COUNTS.map((count) => {
        const found = cpu(way, count)
        return [
          nameOf(way, count),
          inlineMedian(found, 'operationsPerSecond'),
          inlineMedian(found, 'cpuUs') * 1000,
          inlineRatio(found, cpu(way, fewest), 'cpuUs'),
          inlineRatio(found, cpu('evaluated', count), 'cpuUs'),
        ] as const
      }),
    ),
    goals: [
      atLeast(
        'evaluated decisions per CPU second by 10,000 rules, in millions',
        1,
        1 / inlineMedian(evaluated, 'cpuUs'),
      ),
      atMost(
        'CPU of an evaluated decision by 10,000 rules ÷ by 10 rules',
        2,
        inlineRatio(evaluated, cpu('evaluated', fewest), 'cpuUs'),
      ),
      ...PEERS.map((peer) =>
        atLeast(
          `CPU of ${peer} by 10,000 rules ÷ of an evaluated decision`,
          10_000,
          inlineRatio(cpu(peer, most), evaluated, 'cpuUs'),
        ),
      ),
    ],
  }
}

function casesFor(count: number): InlineCase[] {
  const commands = engineFor(count, 'rpc')
  const channels = engineFor(count, 'bus')
  return [
    { name: nameOf('remembered', count), run: () => decideAll(commands, commands.requests) },
    { name: nameOf('evaluated', count), run: () => decideAll(channels, channels.requests) },
    { name: nameOf('new facts', count), run: () => decideAll(commands, renewed(commands)) },
  ]
}

async function peerCasesFor(count: number): Promise<readonly InlineCase[]> {
  const rules = benchRules(count)
  const questions = benchQuestions(PEER_QUESTIONS, count)
  const deciders: readonly (readonly [Peer, (question: BenchQuestion) => boolean])[] = [
    ['casbin', await casbinDecider(rules, questions)],
    ['cedar-wasm, pre-parsed', cedarDecider(rules, questions)],
  ]
  return deciders.map(([peer, decide]) => {
    for (const one of questions) {
      assert.equal(decide(one), one.allowed, `${peer}: ${one.user} ${one.action}`)
    }
    let next = 0
    const run = (): number => {
      const question = questions[next++ % questions.length]
      if (question) decide(question)
      return 1
    }
    return { name: nameOf(peer, count), run }
  })
}

interface Loaded {
  readonly engine: PolicyEngine
  readonly requests: readonly PolicyRequest[]
}

function decideAll({ engine }: Loaded, requests: readonly PolicyRequest[]): number {
  for (let turn = 0; turn < TURNS; turn++) {
    for (const request of requests) engine.decide(request)
  }
  return requests.length * TURNS
}

/** The same requests by principals that the engine has not seen. */
function renewed({ requests }: Loaded): readonly PolicyRequest[] {
  const fresh = (subject: SubjectFacts): SubjectFacts => Object.freeze({ ...subject })
  return requests.map((request) => ({
    ...request,
    from: fresh(request.from),
    to: fresh(request.to),
  }))
}

function engineFor(count: number, domain: 'rpc' | 'bus'): Loaded {
  const engine = createPolicyEngine({
    clock: systemClock,
    log: silentLog,
    verify: () => assert.fail('nothing is signed here'),
  })
  const body = {
    apiVersion: 'kos/v1',
    kind: 'fleet',
    subject: 'any',
    notAfter: systemClock.wallMs() + 3_600_000,
    groups: {},
    rules: benchRules(count).map((rule) => manifestRule(rule, domain)),
  }
  const hash = sha256(utf8('bench'))
  const loaded = engine.load({ era: 1, number: 1, body: decoded(body), hash })
  assert.ok(loaded.allow, 'the manifest of the benchmark loads')
  const requests = benchQuestions(REQUESTS, count).map((question) => {
    const request = requestOf(question, domain)
    assert.equal(engine.decide(request).allow, question.allowed)
    return request
  })
  return { engine, requests }
}

/** Plain data as the codec hands it out. */
function decoded(value: unknown): CborValue {
  if (Array.isArray(value)) return value.map(decoded)
  if (typeof value !== 'object' || value === null) return value as CborValue
  return new Map(Object.entries(value).map(([key, child]) => [key, decoded(child)]))
}

function requestOf(question: BenchQuestion, domain: 'rpc' | 'bus'): PolicyRequest {
  const { user, teams, target, zone, action } = question
  const from = facts('user', user, { roles: ['member', 'on-call'], groups: teams })
  const to = facts('service', target, {
    labels: { zone, site: 'north' },
    owner: 'spiffe://kos.internal/user/somebody',
  })
  return { from, to, domain, action, catalogEntry: { effects: 'read', permission: action } }
}

function facts(kind: PrincipalKind, id: string, directory: DirectoryFacts): SubjectFacts {
  const trustDomain = parseTrustDomain('kos.internal')
  const principal = trustDomain && principalOf(trustDomain, kind, id)
  assert.ok(principal, id)
  return subjectFacts(principal, profileOf('SEC-2'), directory)
}
