import type { AtomTable } from './atoms.ts'
import type { SelectorList } from './manifest.ts'
import { parsePattern, patternCovers } from './pattern.ts'
import type { Question } from './question.ts'
import { type CompiledRule, includesAll, type RuleQuery } from './rule-index.ts'

/** What of a rule can keep it from covering a request. */
export type RuleAspect = 'domain' | 'actions' | 'effects' | 'from' | 'to'

/** A rule held against a request. */
export interface ConsideredRule {
  readonly rule: CompiledRule
  /** What does not fit; empty: the rule covers the request. */
  readonly misses: readonly RuleAspect[]
}

/** A request as a manifest sees it. */
export interface Considering {
  readonly question: Question
  readonly query: RuleQuery
  readonly atoms: AtomTable
}

const ASPECTS = 5

/**
 * Holds every rule against a request, one by one, without the index that decides: so an explanation
 * does not repeat what the index may have got wrong.
 *
 * @param rules - in rank order
 * @param maxMisses - how many are returned, at most, of those that do not cover the request
 * @returns all rules that cover it, then near misses: fewest first; both in rank order
 */
export function nearestRules(
  rules: readonly CompiledRule[],
  considering: Considering,
  maxMisses: number,
): readonly ConsideredRule[] {
  const byMisses = Array.from({ length: ASPECTS + 1 }, (): ConsideredRule[] => [])
  for (const rule of rules) {
    const misses = missesOf(rule, considering)
    const list = byMisses[misses.length]
    // Only what can be returned is kept: a manifest may have 100,000 rules.
    if (list && (misses.length === 0 || list.length < maxMisses)) list.push({ rule, misses })
  }
  const [covering = [], ...others] = byMisses
  return [...covering, ...others.flat().slice(0, maxMisses)]
}

function missesOf({ source }: CompiledRule, considering: Considering): readonly RuleAspect[] {
  const { question, query, atoms } = considering
  const misses: RuleAspect[] = []
  if (source.domain !== question.request.domain) misses.push('domain')
  if (!coversAction(source.actions, question)) misses.push('actions')
  const effect = query.changes ? 'change' : 'read'
  if (source.effects !== undefined && source.effects !== effect) misses.push('effects')
  if (!matchesSide(source.from, query.from, atoms)) misses.push('from')
  if (!matchesSide(source.to, query.to, atoms)) misses.push('to')
  return misses
}

function coversAction(patterns: readonly string[], { action, permission }: Question): boolean {
  return patterns.some((text) => {
    const pattern = parsePattern(text) ?? []
    return patternCovers(pattern, action) || (permission && patternCovers(pattern, permission))
  })
}

function matchesSide(list: SelectorList, side: RuleQuery['from'], atoms: AtomTable): boolean {
  return atoms
    .alternatives(list)
    .some(({ key, rest }) => side.includes(key) && includesAll(side, rest))
}
