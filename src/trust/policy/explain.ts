import { isRefusal } from '../../foundation/base/index.ts'
import type { CompiledManifest } from './compile.ts'
import { coveringManifests, holds, type LayerTable } from './decide.ts'
import type { Decision, PolicyRequest } from './decision.ts'
import type { ConsideredRule, RuleAspect } from './consider.ts'
import { type LayerName, LAYERS, type Rule } from './manifest.ts'
import { conditionText, selectorText } from './manifest-text.ts'
import { type Question, questionOf } from './question.ts'
import { type CompiledRule, isFulfilled } from './rule-index.ts'
import { describeSubject } from './subject.ts'

/** What one layer contributes to a decision. */
export type LayerVerdict =
  | 'allows'
  | 'denies'
  | 'no allow rule'
  | 'depends on arguments'
  | 'does not narrow'

/** What became of a rule. A deny rule whose conditions cannot be evaluated matches. */
export type RuleResult = 'matches' | 'does not match' | 'depends on arguments'

/** One rule that was considered. */
export interface RuleExplanation {
  /** `<layer>/<rule id>`. */
  readonly rule: string
  readonly effect: 'allow' | 'deny'
  readonly result: RuleResult
  /**
   * Why: what of the rule does not fit (`only to kind:service`), how each condition came out
   * (`path under /srv holds`), which obligations are missing (`needs mfa`). Empty: it fits everywhere.
   */
  readonly because: readonly string[]
}

/** One layer of an explanation. */
export interface LayerExplanation {
  readonly layer: LayerName
  readonly state: 'absent' | 'in force' | 'expired'
  readonly verdict: LayerVerdict
  /** The rules that come nearest: the one that decided, then those that match, then near misses. */
  readonly rules: readonly RuleExplanation[]
  /** How many rules of the layer are not listed. */
  readonly omitted: number
  /** Present where a manifest covers the request. */
  readonly manifest?:
    | {
        readonly subject: string
        readonly era: number
        readonly number: number
        readonly hash: string
      }
    | undefined
}

/** Why policy answers as it does. */
export interface Explanation {
  readonly from: string
  readonly fromProfile: string
  readonly to: string
  readonly toProfile: string
  readonly domain: string
  readonly action: string
  readonly permission: string
  readonly effects: string
  /** The canonical arguments, as the rules saw them; absent when they are not known. */
  readonly arguments?: unknown
  readonly outcome: 'allowed' | 'refused' | 'depends on arguments'
  /** `<layer>/<rule id>`, or the engine's own rule, for example `default-deny`. */
  readonly decidedBy: string
  readonly code?: string | undefined
  /** What would permit the request, in one sentence. */
  readonly remedy?: string | undefined
  /** Where an allow rule is missing: one that would be enough, for this caller, target and action. */
  readonly suggestion?: Rule | undefined
  /** All four layers; none when no manifest had a say. */
  readonly layers: readonly LayerExplanation[]
}

interface Explained {
  readonly layers: LayerTable
  readonly request: PolicyRequest
  readonly nowMs: number
  readonly decision: Decision
  /** Rules listed per layer. */
  readonly maxRules: number
}

/** Explains a decision that was taken; reads every rule of every layer that covers the request. */
export function explainRequest(explained: Explained): Explanation {
  const { layers, request, nowMs, decision, maxRules } = explained
  const { from, to, domain, action, catalogEntry } = request
  const question = questionOf(request)
  const asked = !isRefusal(question) && domain !== 'fabric'
  const covering = coveringManifests(layers, request) ?? []
  const outcome = outcomeOf(decision)
  const suggestion = asked ? suggestionOf(decision, covering, request) : undefined
  return {
    from: describeSubject(from),
    fromProfile: from.floor.name,
    to: describeSubject(to),
    toProfile: to.floor.name,
    domain,
    action,
    permission: catalogEntry.permission,
    effects: catalogEntry.effects,
    ...(request.arguments !== undefined && { arguments: request.arguments }),
    ...outcome,
    ...(suggestion && { suggestion }),
    layers: asked
      ? LAYERS.map((layer) => {
          const manifest = covering.find((one) => one.layer === layer)
          const { decidedBy } = outcome
          return manifest === undefined
            ? absentLayer(layer)
            : explainLayer(manifest, question, { nowMs, maxRules, decidedBy })
        })
      : [],
  }
}

function outcomeOf(
  decision: Decision,
): Pick<Explanation, 'outcome' | 'decidedBy' | 'code' | 'remedy'> {
  if (isRefusal(decision)) {
    const { code, rule, remedy } = decision
    return { outcome: 'refused', decidedBy: rule, code, ...(remedy !== undefined && { remedy }) }
  }
  return decision.allow === 'pending'
    ? { outcome: 'depends on arguments', decidedBy: decision.provisional.rule }
    : { outcome: 'allowed', decidedBy: decision.rule }
}

const MAX_SUGGESTED_NAME = 48

/** The narrowest rule that adds what `default-deny` missed in its layer. */
function suggestionOf(
  decision: Decision,
  covering: readonly CompiledManifest[],
  { from, to, domain, action, catalogEntry }: PolicyRequest,
): Rule | undefined {
  if (!isRefusal(decision) || decision.code !== 'KOS_POLICY_NOT_ALLOWED') return undefined
  const layer = covering.find((one) => one.layer === decision.details?.['layer'])
  if (layer === undefined || domain === 'fabric') return undefined
  const taken = new Set(layer.manifest.rules.map(({ id }) => id))
  const word = action.toLowerCase().slice(0, MAX_SUGGESTED_NAME)
  const name = `allow-${word.replaceAll(/^[^a-z0-9]+|[^a-z0-9]+$/g, '')}`
  let id = name
  for (let count = 2; taken.has(id); count += 1) id = `${name}-${count}`
  return {
    id,
    effect: 'allow',
    domain,
    from: [`id:${from.kind}/${from.id}`],
    to: [`id:${to.kind}/${to.id}`],
    actions: [action],
    effects: catalogEntry.effects,
  }
}

function absentLayer(layer: LayerName): LayerExplanation {
  const verdict = layer === 'fleet' ? 'no allow rule' : 'does not narrow'
  return { layer, state: 'absent', verdict, rules: [], omitted: 0 }
}

interface LayerQuestion {
  readonly nowMs: number
  readonly maxRules: number
  readonly decidedBy: string
}

function explainLayer(
  manifest: CompiledManifest,
  question: Question,
  { nowMs, maxRules, decidedBy }: LayerQuestion,
): LayerExplanation {
  const { subject, notAfter, rules: written } = manifest.manifest
  const expired = nowMs > notAfter
  const rules = manifest
    .nearest(question, maxRules)
    .map((considered) => explainRule(considered, question))
    .toSorted((a, b) => placeOf(a, decidedBy) - placeOf(b, decidedBy))
    .slice(0, maxRules)
  return {
    layer: manifest.layer,
    state: expired ? 'expired' : 'in force',
    verdict: expired ? 'denies' : verdictOf(manifest, question),
    rules,
    omitted: written.length - rules.length,
    manifest: { subject, ...manifest.version },
  }
}

function verdictOf(manifest: CompiledManifest, question: Question): LayerVerdict {
  const { deny, allow } = manifest.find(question)
  if (deny.best !== undefined) return 'denies'
  const given = question.request.arguments
  if (given === undefined) {
    if (allow.best === undefined && allow.conditional.length === 0) return 'no allow rule'
    const isOpen = deny.conditional.length > 0 || allow.conditional.length > 0
    return isOpen ? 'depends on arguments' : 'allows'
  }
  if (deny.conditional.some((rule) => holds(rule, given) !== false)) return 'denies'
  const allowed =
    allow.best !== undefined || allow.conditional.some((rule) => holds(rule, given) === true)
  return allowed ? 'allows' : 'no allow rule'
}

/** The rule that decided first, then what matches; the order within stays. */
function placeOf({ rule, result }: RuleExplanation, decidedBy: string): number {
  if (rule === decidedBy) return 0
  if (result === 'matches') return 1
  return result === 'depends on arguments' ? 2 : 3
}

function explainRule({ rule, misses }: ConsideredRule, question: Question): RuleExplanation {
  const { request } = question
  const { effect, obligations = [] } = rule.source
  const unfulfilled = isFulfilled(rule, question.obligations)
    ? []
    : obligations.filter((one) => !(request.fulfilled ?? []).includes(one))
  const verdict =
    rule.when && request.arguments !== undefined ? holds(rule, request.arguments) : true
  const because = [
    ...misses.map((aspect) => missText(rule.source, aspect)),
    ...conditionTexts(rule, request.arguments),
    ...(unfulfilled.length > 0 ? [`needs ${unfulfilled.join(', ')}`] : []),
  ]
  const covers = misses.length === 0 && unfulfilled.length === 0
  // What cannot be evaluated denies: it matches as a deny rule and does not as an allow rule.
  const fits = covers && (verdict ?? effect === 'deny')
  const isOpen = rule.when !== undefined && request.arguments === undefined
  const result = fits ? (isOpen ? 'depends on arguments' : 'matches') : 'does not match'
  return { rule: rule.name, effect, result, because }
}

/** Longest text of one reason; a rule may name 64 alternatives of 8 selectors. */
const MAX_REASON = 160

function missText(rule: Rule, aspect: RuleAspect): string {
  switch (aspect) {
    case 'domain':
      return `only domain ${rule.domain}`
    case 'effects':
      return `only effects ${rule.effects ?? ''}`
    case 'actions':
      return cut(`only actions ${rule.actions.join(' or ')}`)
    case 'from':
    case 'to':
      return cut(`only ${aspect} ${selectorText(rule[aspect])}`)
  }
}

function conditionTexts({ source, when = [] }: CompiledRule, given: unknown): readonly string[] {
  return (source.when ?? []).map((condition, index) => {
    const verdict = given === undefined ? undefined : when[index]?.(given)
    const state =
      verdict === undefined ? 'cannot be evaluated' : verdict ? 'holds' : 'does not hold'
    return `${cut(conditionText(condition))} ${given === undefined ? 'is not known yet' : state}`
  })
}

function cut(text: string): string {
  return text.length <= MAX_REASON ? text : `${text.slice(0, MAX_REASON - 1)}…`
}

/** Longest text of arguments. */
const MAX_ARGUMENTS = 1024

/**
 * An explanation as lines for a person.
 *
 * @param explanation - as returned by `PolicyEngine.explain`
 */
export function explanationToText(explanation: Explanation): string {
  const { from, to, fromProfile, toProfile, domain, action, effects } = explanation
  const { outcome, decidedBy, code, remedy, suggestion } = explanation
  const lines = [
    `${action} (${domain}, ${effects}) from ${from} (${fromProfile}) to ${to} (${toProfile})`,
    `${outcome} by ${decidedBy}${code === undefined ? '' : ` (${code})`}`,
  ]
  if (explanation.arguments !== undefined) {
    lines.push(`  arguments ${argumentText(explanation.arguments)}`)
  }
  for (const { layer, state, verdict, manifest, rules, omitted } of explanation.layers) {
    const number = manifest === undefined ? '' : ` number ${manifest.number}`
    lines.push(`  ${layer}${number}, ${state}: ${verdict}`)
    for (const rule of rules) lines.push(`    ${ruleText(rule)}`)
    if (omitted > 0) lines.push(`    and ${omitted} more, further away`)
  }
  if (remedy !== undefined) lines.push(`Remedy: ${remedy}`)
  if (suggestion !== undefined) lines.push(`Such a rule: ${JSON.stringify(suggestion)}`)
  return `${lines.join('\n')}\n`
}

function argumentText(given: unknown): string {
  const text = JSON.stringify(given, (_key, value: unknown) => {
    if (typeof value === 'bigint') return value.toString()
    return value instanceof Uint8Array ? Buffer.from(value).toString('base64') : value
  })
  return text.length <= MAX_ARGUMENTS ? text : `${text.slice(0, MAX_ARGUMENTS - 1)}…`
}

function ruleText({ rule, effect, result, because }: RuleExplanation): string {
  return `${effect} ${rule} ${result}${because.length === 0 ? '' : `: ${because.join('; ')}`}`
}
