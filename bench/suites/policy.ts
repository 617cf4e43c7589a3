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
  type Rule,
  type SubjectFacts,
  subjectFacts,
} from '../../src/trust/policy/index.ts'
import { type InlineCase, inlineMedian, inlineRatio, measureInline } from '../harness/inline.ts'
import type { ProcessOptions } from '../harness/processes.ts'
import { atLeast, atMost, type Report } from '../harness/report.ts'
import type { Effort } from '../harness/rounds.ts'

const RULE_COUNTS = [10, 1_000, 10_000] as const
const REQUESTS = 1024
/** A new principal asks this often before it is new again. */
const TURNS = 4
const TEAMS = 50

type Way = 'remembered' | 'evaluated' | 'new facts'

const WAYS: readonly Way[] = ['remembered', 'evaluated', 'new facts']

/** One way of deciding by so many rules. */
const nameOf = (way: Way, count: number): string => `${way}, ${count.toLocaleString('en-US')} rules`

/**
 * Decisions with their reason: remembered (commands: the same facts and action again, as in a
 * session), evaluated (channels are never remembered), new facts (principals seen for the first time).
 * Every answer is checked before it is timed.
 */
export async function measurePolicy(_options: ProcessOptions, effort: Effort): Promise<Report> {
  const cases = RULE_COUNTS.flatMap((count) => casesFor(count))
  const samples = await measureInline(cases, effort)
  const fewest = nameOf('evaluated', RULE_COUNTS[0])
  const most = nameOf('evaluated', RULE_COUNTS[2])
  return {
    suite: 'policy',
    title: `Policy decisions on one thread (medians of ${effort.rounds} rounds)`,
    columns: ['decisions/s', 'CPU ns each', 'CPU ÷ 10 rules'],
    rows: WAYS.flatMap((way) =>
      RULE_COUNTS.map((count) => {
        const found = samples.get(nameOf(way, count))
        const base = samples.get(nameOf(way, RULE_COUNTS[0]))
        return [
          nameOf(way, count),
          inlineMedian(found, 'operationsPerSecond'),
          inlineMedian(found, 'cpuUs') * 1000,
          inlineRatio(found, base, 'cpuUs'),
        ] as const
      }),
    ),
    goals: [
      atLeast(
        'evaluated decisions per CPU second by 10,000 rules, in millions',
        1,
        1 / inlineMedian(samples.get(most), 'cpuUs'),
      ),
      atMost(
        'CPU of an evaluated decision by 10,000 rules ÷ by 10 rules',
        2,
        inlineRatio(samples.get(most), samples.get(fewest), 'cpuUs'),
      ),
    ],
  }
}

function casesFor(count: number): readonly InlineCase[] {
  const commands = engineFor(count, 'rpc')
  const channels = engineFor(count, 'bus')
  return [
    { name: nameOf('remembered', count), run: () => decideAll(commands, commands.requests) },
    { name: nameOf('evaluated', count), run: () => decideAll(channels, channels.requests) },
    { name: nameOf('new facts', count), run: () => decideAll(commands, renewed(commands)) },
  ]
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
    rules: Array.from({ length: count }, (_, n) => ruleOf(n, domain)),
  }
  const hash = sha256(utf8('bench'))
  const loaded = engine.load({ era: 1, number: 1, body: decoded(body), hash })
  assert.ok(loaded.allow, 'the manifest of the benchmark loads')
  const asked = Array.from({ length: REQUESTS }, (_, index) => askedFor(index, { count, domain }))
  for (const { request, allow } of asked) assert.equal(engine.decide(request).allow, allow)
  return { engine, requests: asked.map(({ request }) => request) }
}

/** Rule `n`: team `n % 50` may (1 in 10: may not) use `app<n / 50>.run.*` in zone `n % 20`. */
function ruleOf(n: number, domain: 'rpc' | 'bus'): Rule {
  return {
    id: `rule-${n}`,
    effect: n % 10 === 9 ? 'deny' : 'allow',
    domain,
    from: [`group:team-${n % TEAMS}`],
    to: [`label:zone=z${n % 20}`],
    actions: [`app${Math.floor(n / TEAMS)}.run.*`],
  }
}

/** Plain data as the codec hands it out. */
function decoded(value: unknown): CborValue {
  if (Array.isArray(value)) return value.map(decoded)
  if (typeof value !== 'object' || value === null) return value as CborValue
  return new Map(Object.entries(value).map(([key, child]) => [key, decoded(child)]))
}

/** Request `index` asks for a rule (spread over all); 1 in 4 asks for an action of no rule. */
function askedFor(
  index: number,
  { count, domain }: { readonly count: number; readonly domain: 'rpc' | 'bus' },
): { readonly request: PolicyRequest; readonly allow: boolean } {
  const n = Math.floor((index * count) / REQUESTS)
  const unmatched = index % 4 === 3
  const from = facts('user', `user-${index}`, {
    roles: ['member', 'on-call'],
    groups: [`team-${n % TEAMS}`, 'staff'],
  })
  const to = facts('service', `target-${index}`, {
    labels: { zone: `z${n % 20}`, site: 'north' },
    owner: 'spiffe://kos.internal/user/somebody',
  })
  const action = `app${Math.floor(n / TEAMS)}.${unmatched ? 'stop' : 'run'}.task`
  const catalogEntry = { effects: 'read', permission: action } as const
  return { request: { from, to, domain, action, catalogEntry }, allow: !unmatched && n % 10 !== 9 }
}

function facts(kind: PrincipalKind, id: string, directory: DirectoryFacts): SubjectFacts {
  const trustDomain = parseTrustDomain('kos.internal')
  const principal = trustDomain && principalOf(trustDomain, kind, id)
  assert.ok(principal, id)
  return subjectFacts(principal, profileOf('SEC-2'), directory)
}
