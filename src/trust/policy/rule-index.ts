import type { RateLimit } from '../../foundation/base/index.ts'
import type { Alternative, Atom } from './atoms.ts'
import type { ConditionTest } from './condition.ts'
import type { Rule } from './manifest.ts'

/** A rule ready to be matched. */
export interface CompiledRule {
  readonly source: Rule
  /** `<layer>/<rule id>`, as it stands in refusals and records. */
  readonly name: string
  /**
   * Place in one total order of the manifest's rules that does not depend on how they are written
   * down: more generous limits first, unconditional before conditional, then by id.
   */
  readonly rank: number
  readonly when: readonly ConditionTest[] | undefined
  /** Bits of the obligations that must be fulfilled. */
  readonly obligations: number
  readonly limit: RateLimit | undefined
  /** The rule as the only match: the usual answer, made once. */
  readonly alone: Matches
}

/** What a manifest is asked: the atoms of both sides and what the call does. */
export interface RuleQuery {
  /** Atoms of the caller; `OWNER_ATOM` among them when the caller owns the target. */
  readonly from: readonly Atom[]
  readonly to: readonly Atom[]
  readonly changes: boolean
  /** Bits of the obligations that the enforcing side fulfils. */
  readonly obligations: number
}

interface Entry {
  readonly rule: CompiledRule
  readonly fromRest: readonly Atom[]
  readonly toRest: readonly Atom[]
}

/** Lists in rank order: deny read, deny change, allow read, allow change. */
type Bucket = (readonly Entry[])[]

/** One for all: most lists of most buckets are empty, and this one is always in the cache. */
const NO_ENTRIES: readonly Entry[] = Object.freeze([])

const DENY = 0
const ALLOW = 2
const READ = 0
const CHANGE = 1

/** The rules behind one action pattern, found by one atom of each side instead of by a scan. */
export class RuleSet {
  readonly #byFrom = new Map<Atom, Map<Atom, Bucket>>()

  /** Adds a rule under one alternative of each side; rules are added in rank order. */
  add(rule: CompiledRule, from: Alternative, to: Alternative): void {
    const bucket = this.#bucket(from.key, to.key)
    const entry: Entry = { rule, fromRest: from.rest, toRest: to.rest }
    const side = rule.source.effect === 'deny' ? DENY : ALLOW
    if (rule.source.effects !== 'change') append(bucket, side + READ, entry)
    if (rule.source.effects !== 'read') append(bucket, side + CHANGE, entry)
  }

  /** Appends the buckets that a query can match in. */
  collect(query: RuleQuery, into: Bucket[]): void {
    for (const from of query.from) {
      const byTo = this.#byFrom.get(from)
      if (byTo === undefined) continue
      for (const to of query.to) {
        const bucket = byTo.get(to)
        if (bucket !== undefined) into.push(bucket)
      }
    }
  }

  #bucket(from: Atom, to: Atom): Bucket {
    let byTo = this.#byFrom.get(from)
    if (byTo === undefined) this.#byFrom.set(from, (byTo = new Map<Atom, Bucket>()))
    let bucket = byTo.get(to)
    if (bucket === undefined) {
      byTo.set(to, (bucket = [NO_ENTRIES, NO_ENTRIES, NO_ENTRIES, NO_ENTRIES]))
    }
    return bucket
  }
}

function append(bucket: Bucket, side: number, entry: Entry): void {
  const list = bucket[side] ?? NO_ENTRIES
  if (list === NO_ENTRIES) bucket[side] = [entry]
  else (list as Entry[]).push(entry)
}

/** What matches on one side (deny or allow) of one layer. */
export interface Matches {
  /** The matching rule without conditions that comes first in rank order. */
  readonly best: CompiledRule | undefined
  /** Matching rules with conditions that come before `best`, in rank order. */
  readonly conditional: readonly CompiledRule[]
}

/** What one layer says before arguments are looked at. */
export interface Findings {
  readonly deny: Matches
  readonly allow: Matches
}

/** Finds what matters for a decision; does not look at rules that cannot change it. */
export function findRules(sets: readonly RuleSet[], query: RuleQuery): Findings {
  const buckets = bucketsOf(sets, query)
  const effects = query.changes ? CHANGE : READ
  return {
    deny: pick(buckets, query, DENY + effects),
    allow: pick(buckets, query, ALLOW + effects),
  }
}

/** Whether the enforcing side fulfils all that a rule demands. */
export function isFulfilled(rule: CompiledRule, obligations: number): boolean {
  return (rule.obligations & ~obligations) === 0
}

function bucketsOf(sets: readonly RuleSet[], query: RuleQuery): Bucket[] {
  const buckets: Bucket[] = []
  for (const set of sets) set.collect(query, buckets)
  return buckets
}

const NO_RULES: readonly CompiledRule[] = Object.freeze([])
const NO_MATCH: Matches = Object.freeze({ best: undefined, conditional: NO_RULES })

/** Completes a rule by its {@link CompiledRule.alone}. */
export function compiledRule(rule: Omit<CompiledRule, 'alone'>): CompiledRule {
  const alone: { best: CompiledRule | undefined; conditional: readonly CompiledRule[] } = {
    ...NO_MATCH,
  }
  const whole = Object.freeze({ ...rule, alone })
  alone.best = whole
  Object.freeze(alone)
  return whole
}

function pick(buckets: readonly Bucket[], query: RuleQuery, side: number): Matches {
  let best: CompiledRule | undefined
  let conditional: Set<CompiledRule> | undefined
  for (const bucket of buckets) {
    for (const entry of bucket[side] ?? NO_ENTRIES) {
      const { rule } = entry
      // The list is in rank order: what follows cannot beat what was found.
      if (best !== undefined && rule.rank >= best.rank) break
      if (!isFulfilled(rule, query.obligations) || !restMatches(entry, query)) continue
      if (rule.when === undefined) best = rule
      else (conditional ??= new Set()).add(rule)
    }
  }
  if (conditional === undefined) return best?.alone ?? NO_MATCH
  const limit = best?.rank ?? Infinity
  return { best, conditional: [...conditional].filter(({ rank }) => rank < limit).toSorted(byRank) }
}

function byRank(a: CompiledRule, b: CompiledRule): number {
  return a.rank - b.rank
}

function restMatches(entry: Entry, query: RuleQuery): boolean {
  return includesAll(query.from, entry.fromRest) && includesAll(query.to, entry.toRest)
}

/** Whether all wanted atoms are among those of a side. */
export function includesAll(atoms: readonly Atom[], wanted: readonly Atom[]): boolean {
  for (const atom of wanted) if (!atoms.includes(atom)) return false
  return true
}
