/**
 * The semantics of policy once more, as naively as they can be written: every rule of every manifest
 * is looked at, nothing is indexed, sorted in advance or remembered. Shares no code with
 * `src/trust/policy` beyond types; the fuzz test holds both equal.
 */
import type { Manifest, PolicyRequest, Rule, SubjectFacts } from '../../src/trust/policy/index.ts'

/** What policy must answer. */
export interface ReferenceAnswer {
  readonly allow: boolean
  /** For a grant, the rule of every present layer; for a refusal, the one rule that decided. */
  readonly rules: readonly string[]
}

type Verdict = 'true' | 'false' | 'unknown'

const LAYERS = ['fleet', 'owner', 'device', 'session'] as const
const PROFILES = ['SEC-0', 'SEC-1', 'SEC-2', 'SEC-3', 'SEC-4']

/** Answers a request of a domain that manifests decide, with its arguments. */
export function referenceAnswer(
  manifests: readonly Manifest[],
  request: PolicyRequest,
  nowMs: number,
): ReferenceAnswer {
  if (belowCeiling(request)) return refused('profile-ceiling')
  const present = LAYERS.flatMap((layer) =>
    manifests.filter((manifest) => manifest.kind === layer && covers(manifest, request)),
  )
  if (present[0]?.kind !== 'fleet') return refused('no-fleet-manifest')
  if (present.some(({ notAfter }) => nowMs > notAfter)) return refused('manifest-expired')
  const denied = firstDeny(present, request)
  if (denied !== undefined) return refused(denied)
  const allowed: string[] = []
  for (const manifest of present) {
    const rule = manifest.rules
      .filter((one) => matches(one, { manifest, request }) && allows(one, request))
      .toSorted(preference)[0]
    if (rule === undefined) return refused('default-deny')
    allowed.push(`${manifest.kind}/${rule.id}`)
  }
  return { allow: true, rules: allowed }
}

function refused(rule: string): ReferenceAnswer {
  return { allow: false, rules: [rule] }
}

/** Unconditional denies of all layers are reported before those that look at arguments. */
function firstDeny(present: readonly Manifest[], request: PolicyRequest): string | undefined {
  for (const conditional of [false, true]) {
    for (const manifest of present) {
      const rule = manifest.rules
        .filter(
          (one) =>
            one.effect === 'deny' &&
            (one.when !== undefined) === conditional &&
            matches(one, { manifest, request }) &&
            conditions(one, request.arguments) !== 'false',
        )
        .toSorted(preference)[0]
      if (rule !== undefined) return `${manifest.kind}/${rule.id}`
      // An unconditional lack of any allow settles a layer before arguments are looked at.
    }
    if (conditional) break
    for (const manifest of present) {
      const candidate = manifest.rules.some(
        (one) =>
          one.effect === 'allow' && matches(one, { manifest, request }) && fulfils(one, request),
      )
      if (!candidate) return 'default-deny'
    }
  }
  return undefined
}

function belowCeiling({ from, to, domain, catalogEntry }: PolicyRequest): boolean {
  const changes = catalogEntry.effects === 'change'
  return [from, to].some(({ floor: { name } }) => {
    if (name === 'SEC-0') return true
    if (domain === 'net') return name === 'SEC-1' || name === 'SEC-4'
    if (domain === 'memory') return name === 'SEC-1' || (name === 'SEC-2' && changes)
    return domain === 'file' && name === 'SEC-1' && changes
  })
}

function covers({ kind, subject }: Manifest, { from, to }: PolicyRequest): boolean {
  if (kind === 'fleet') return true
  if (kind === 'owner') return to.owner !== undefined && subject === `uri:${to.owner}`
  return subject === `uri:${kind === 'device' ? to.uri : from.uri}`
}

interface Context {
  readonly manifest: Manifest
  readonly request: PolicyRequest
}

function matches(rule: Rule, { manifest, request }: Context): boolean {
  const { action, catalogEntry, domain, from, to } = request
  const anyOf = (list: Rule['from'], facts: SubjectFacts): boolean =>
    list.some((item) =>
      (typeof item === 'string' ? [item] : item).every((one) =>
        selects(one, facts, { manifest, request }),
      ),
    )
  return (
    rule.domain === domain &&
    (rule.effects === undefined || rule.effects === catalogEntry.effects) &&
    rule.actions.some((one) => fits(one, action) || fits(one, catalogEntry.permission)) &&
    anyOf(rule.from, from) &&
    anyOf(rule.to, to)
  )
}

function selects(selector: string, facts: SubjectFacts, context: Context): boolean {
  const { request, manifest } = context
  if (selector === 'any') return true
  if (selector === 'owner') return request.to.owner === request.from.uri
  const [, tag, value = ''] = /^([a-z]+):(.*)$/.exec(selector) ?? []
  if (tag === 'uri') return facts.uri === value
  if (tag === 'id') return [`${facts.kind}/${facts.id}`, deviceId(facts)].includes(value)
  if (tag === 'kind') return facts.kind === value
  if (tag === 'role') return facts.roles.includes(value)
  if (tag === 'label') {
    const [key = '', wanted] = value.split('=')
    return facts.labels?.[key] === wanted
  }
  if (tag === 'profile') return PROFILES.indexOf(facts.floor.name) >= PROFILES.indexOf(value)
  const members = Object.hasOwn(manifest.groups, value) ? manifest.groups[value] : undefined
  if (members === undefined) return facts.groups.includes(value)
  return members.some((item) =>
    (typeof item === 'string' ? [item] : item).every((one) => selects(one, facts, context)),
  )
}

function deviceId({ kind, id }: SubjectFacts): string | undefined {
  return kind === 'device' ? id : undefined
}

function fits(pattern: string, action: string): boolean {
  const escaped = pattern.replaceAll('.', '\\.').replaceAll('*', '[^.]+')
  return new RegExp(`^${escaped.replace(/>$/, '.+')}$`).test(action)
}

function fulfils({ obligations = [] }: Rule, { fulfilled = [] }: PolicyRequest): boolean {
  return obligations.every((one) => fulfilled.includes(one))
}

function allows(rule: Rule, request: PolicyRequest): boolean {
  return (
    rule.effect === 'allow' &&
    fulfils(rule, request) &&
    conditions(rule, request.arguments) === 'true'
  )
}

function conditions({ when = [] }: Rule, given: unknown): Verdict {
  const verdicts = when.map((condition): Verdict => {
    const value = (given as Record<string, unknown> | undefined)?.[condition.argument]
    if (value === undefined) return 'unknown'
    if ('equals' in condition) return sameType(value, [condition.equals])
    if ('oneOf' in condition) return sameType(value, condition.oneOf)
    if ('range' in condition) {
      if (typeof value !== 'number' || !Number.isInteger(value)) return 'unknown'
      const { min = value, max = value } = condition.range
      return value >= min && value <= max ? 'true' : 'false'
    }
    if (typeof value !== 'string' || !/^(?:\/[^/]+)+$/.test(value)) return 'unknown'
    if (/\/\.\.?(?:\/|$)/.test(value)) return 'unknown'
    return `${value}/`.startsWith(`${condition.pathPrefix}/`) ? 'true' : 'false'
  })
  if (verdicts.includes('false')) return 'false'
  return verdicts.includes('unknown') ? 'unknown' : 'true'
}

function sameType(value: unknown, wanted: readonly unknown[]): Verdict {
  if (!wanted.some((one) => typeof one === typeof value)) return 'unknown'
  return wanted.includes(value) ? 'true' : 'false'
}

/** Generous rates first, then unconditional rules, then by id. */
function preference(a: Rule, b: Rule): number {
  const rate = (rule: Rule): number => rule.limits?.perMinute ?? Infinity
  const burst = (rule: Rule): number => rule.limits?.burst ?? Infinity
  if (rate(a) !== rate(b)) return rate(a) > rate(b) ? -1 : 1
  if (burst(a) !== burst(b)) return burst(a) > burst(b) ? -1 : 1
  const byConditions = Number(a.when !== undefined) - Number(b.when !== undefined)
  return byConditions || (a.id < b.id ? -1 : 1)
}
