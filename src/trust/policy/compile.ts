import { AtomTable, OWNER_ATOM } from './atoms.ts'
import { compileCondition } from './condition.ts'
import { type ConsideredRule, nearestRules } from './consider.ts'
import type { Domain, ManifestVersion, PolicyGrant } from './decision.ts'
import { grantOf } from './grant.ts'
import {
  type LayerName,
  type Manifest,
  type Obligation,
  OBLIGATIONS,
  type Rule,
} from './manifest.ts'
import { parsePattern, PatternTrie } from './pattern.ts'
import type { Question } from './question.ts'
import {
  type CompiledRule,
  type Findings,
  findRules,
  type RuleQuery,
  RuleSet,
} from './rule-index.ts'

/** The obligations of a list as bits. */
export function obligationBits(obligations: readonly Obligation[] | undefined): number {
  let bits = 0
  for (const obligation of obligations ?? []) bits |= 1 << OBLIGATIONS.indexOf(obligation)
  return bits
}

/** One layer ready for decisions; never changes, so it can be swapped for another in one step. */
export class CompiledManifest {
  readonly manifest: Manifest
  readonly version: ManifestVersion
  /** In rank order. */
  readonly #rules: readonly CompiledRule[]
  readonly #atoms: AtomTable
  /** By rank. */
  readonly #grants: (PolicyGrant | undefined)[]
  readonly #domains = new Map<Domain, PatternTrie<RuleSet>>()

  /**
   * @param manifest - as returned by `parseManifest`
   * @param version - where it stands in its series
   */
  constructor(manifest: Manifest, version: ManifestVersion) {
    this.manifest = manifest
    this.version = version
    this.#atoms = new AtomTable(manifest)
    this.#rules = rankedRules(manifest)
    this.#grants = Array.from({ length: this.#rules.length })
    // Each rule goes in front of those that rank behind it.
    for (const rule of this.#rules.toReversed()) this.#add(rule)
  }

  /** The name of the layer. */
  get layer(): LayerName {
    return this.manifest.kind
  }

  /** The matching rules that matter for a decision. */
  find(question: Question): Findings {
    return findRules(this.#ruleSets(question), this.#query(question))
  }

  /**
   * The rules that cover a request, whatever their conditions and obligations, and near misses. Reads
   * every rule: for explanations.
   */
  nearest(question: Question, maxMisses: number): readonly ConsideredRule[] {
    const query = this.#query(question)
    return nearestRules(this.#rules, { question, query, atoms: this.#atoms }, maxMisses)
  }

  /** The grant of a rule where no other layer covers the request; made once. */
  grantAlone(rule: CompiledRule): PolicyGrant {
    const { manifest, version } = this
    return (this.#grants[rule.rank] ??= grantOf(version, [{ manifest, rule }]))
  }

  #ruleSets({ request, action, permission }: Question): readonly RuleSet[] {
    const sets: RuleSet[] = []
    const index = this.#domains.get(request.domain)
    if (index === undefined) return sets
    index.find(action, sets)
    if (permission !== undefined) index.find(permission, sets)
    return sets
  }

  #query({ request, owner, changes, obligations }: Question): RuleQuery {
    const from = this.#atoms.atomsOf(request.from)
    const to = this.#atoms.atomsOf(request.to)
    return owner
      ? { from: [...from, OWNER_ATOM], to: [...to, OWNER_ATOM], changes, obligations }
      : { from, to, changes, obligations }
  }

  #add(rule: CompiledRule): void {
    const { domain, actions } = rule.source
    let index = this.#domains.get(domain)
    if (index === undefined) {
      this.#domains.set(domain, (index = new PatternTrie(() => new RuleSet())))
    }
    const from = this.#atoms.alternatives(rule.source.from)
    const to = this.#atoms.alternatives(rule.source.to)
    for (const action of actions) {
      const set = index.at(parsePattern(action) ?? [])
      for (const one of from) for (const other of to) set.add(rule, one, other)
    }
  }
}

function rankedRules(manifest: Manifest): readonly CompiledRule[] {
  const ranked = manifest.rules.toSorted(compareRules)
  return ranked.map((source, rank) =>
    Object.freeze({
      source,
      name: `${manifest.kind}/${source.id}`,
      rank,
      when: source.when?.map(compileCondition),
      obligations: obligationBits(source.obligations),
      limit: source.limits && {
        perSecond: source.limits.perMinute / 60,
        burst: source.limits.burst,
      },
    }),
  )
}

/** Generous before narrow, unconditional before conditional, then by id: a total order. */
function compareRules(a: Rule, b: Rule): number {
  const { perMinute: rateA = Infinity, burst: burstA = Infinity } = a.limits ?? {}
  const { perMinute: rateB = Infinity, burst: burstB = Infinity } = b.limits ?? {}
  if (rateA !== rateB) return rateA > rateB ? -1 : 1
  if (burstA !== burstB) return burstA > burstB ? -1 : 1
  const byConditions = Number(a.when !== undefined) - Number(b.when !== undefined)
  if (byConditions !== 0) return byConditions
  return a.id < b.id ? -1 : 1
}
