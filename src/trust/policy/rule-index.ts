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

/** A rule under one alternative of each side, and the next one in rank order. */
interface Entry {
  readonly rule: CompiledRule
  readonly fromRest: readonly Atom[]
  readonly toRest: readonly Atom[]
  readonly next: Entry | undefined
}

/**
 * The rules for one atom of each side: four lists in rank order. Linked, not arrays, since most hold
 * nothing or one rule: a decision by many rules costs what it reads from memory.
 */
interface Bucket {
  readonly to: Atom
  denyRead: Entry | undefined
  denyChange: Entry | undefined
  allowRead: Entry | undefined
  allowChange: Entry | undefined
  /** Buckets of other targets for the same caller; only the first bucket of a caller has them. */
  more: Map<Atom, Bucket> | undefined
}

/** The rules behind one action pattern, found by one atom of each side instead of by a scan. */
export class RuleSet {
  readonly #byFrom = new Map<Atom, Bucket>()

  /** Adds a rule under one alternative of each side; rules are added in falling rank order. */
  add(rule: CompiledRule, from: Alternative, to: Alternative): void {
    const bucket = this.#bucket(from.key, to.key)
    const { effect, effects } = rule.source
    const [fromRest, toRest] = [from.rest, to.rest]
    const before = (next: Entry | undefined): Entry => ({ rule, fromRest, toRest, next })
    if (effect === 'deny') {
      if (effects !== 'change') bucket.denyRead = before(bucket.denyRead)
      if (effects !== 'read') bucket.denyChange = before(bucket.denyChange)
    } else {
      if (effects !== 'change') bucket.allowRead = before(bucket.allowRead)
      if (effects !== 'read') bucket.allowChange = before(bucket.allowChange)
    }
  }

  /** Appends the buckets that a query can match in. */
  collect(query: RuleQuery, into: Bucket[]): void {
    for (const from of query.from) {
      const first = this.#byFrom.get(from)
      if (first === undefined) continue
      const { more } = first
      for (const to of query.to) {
        if (to === first.to) into.push(first)
        else if (more !== undefined) {
          const bucket = more.get(to)
          if (bucket !== undefined) into.push(bucket)
        }
      }
    }
  }

  #bucket(from: Atom, to: Atom): Bucket {
    const first = this.#byFrom.get(from)
    if (first?.to === to) return first
    const known = first?.more?.get(to)
    if (known !== undefined) return known
    const bucket: Bucket = {
      to,
      denyRead: undefined,
      denyChange: undefined,
      allowRead: undefined,
      allowChange: undefined,
      more: undefined,
    }
    if (first === undefined) this.#byFrom.set(from, bucket)
    else (first.more ??= new Map<Atom, Bucket>()).set(to, bucket)
    return bucket
  }
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
  const buckets: Bucket[] = []
  for (const set of sets) set.collect(query, buckets)
  return query.changes
    ? {
        deny: pick(buckets, query, (bucket) => bucket.denyChange),
        allow: pick(buckets, query, (bucket) => bucket.allowChange),
      }
    : {
        deny: pick(buckets, query, (bucket) => bucket.denyRead),
        allow: pick(buckets, query, (bucket) => bucket.allowRead),
      }
}

/** Whether the enforcing side fulfils all that a rule demands. */
export function isFulfilled(rule: CompiledRule, obligations: number): boolean {
  return (rule.obligations & ~obligations) === 0
}

const NO_RULES: readonly CompiledRule[] = Object.freeze([])
const NO_MATCH: Matches = Object.freeze({ best: undefined, conditional: NO_RULES })

function pick(
  buckets: readonly Bucket[],
  query: RuleQuery,
  first: (bucket: Bucket) => Entry | undefined,
): Matches {
  let best: CompiledRule | undefined
  let conditional: Set<CompiledRule> | undefined
  for (const bucket of buckets) {
    for (let entry = first(bucket); entry !== undefined; entry = entry.next) {
      const { rule } = entry
      // The list is in rank order: what follows cannot beat what was found.
      if (best !== undefined && rule.rank >= best.rank) break
      if (!isFulfilled(rule, query.obligations) || !restMatches(entry, query)) continue
      if (rule.when === undefined) best = rule
      else (conditional ??= new Set()).add(rule)
    }
  }
  // Made anew: a stored answer of every rule would be one more read from far memory.
  if (conditional === undefined) return best ? { best, conditional: NO_RULES } : NO_MATCH
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
