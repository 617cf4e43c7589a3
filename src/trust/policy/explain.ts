import { isRefusal } from '../../foundation/base/index.ts'
import type { CompiledManifest } from './compile.ts'
import { coveringManifests, holds, type LayerTable } from './decide.ts'
import type { Decision, PolicyRequest } from './decision.ts'
import { type LayerName, LAYERS, type Obligation } from './manifest.ts'
import { type Question, questionOf } from './question.ts'
import type { CompiledRule } from './rule-index.ts'
import { describeSubject } from './subject.ts'

/** What one layer contributes to a decision. */
export type LayerVerdict =
  | 'allows'
  | 'denies'
  | 'no allow rule'
  | 'depends on arguments'
  | 'does not narrow'

/** What is known of the conditions of a rule. */
export type ConditionState =
  | 'none'
  | 'hold'
  | 'do not hold'
  | 'cannot be evaluated'
  | 'arguments not known'

/** A rule that matches caller, target, action and effect. */
export interface MatchedRule {
  /** `<layer>/<rule id>`. */
  readonly rule: string
  readonly effect: 'allow' | 'deny'
  readonly conditions: ConditionState
  /** Obligations that the enforcing side does not fulfil: the rule does not allow. */
  readonly unfulfilled: readonly Obligation[]
}

/** One layer of an explanation. */
export interface LayerExplanation {
  readonly layer: LayerName
  readonly state: 'absent' | 'in force' | 'expired'
  readonly verdict: LayerVerdict
  readonly matched: readonly MatchedRule[]
  /** Present where a manifest covers the request. */
  readonly manifest?: {
    readonly subject: string
    readonly era: number
    readonly number: number
    readonly hash: string
  }
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
  readonly outcome: 'allowed' | 'refused' | 'depends on arguments'
  /** `<layer>/<rule id>`, or the engine's own rule, for example `default-deny`. */
  readonly decidedBy: string
  readonly code?: string
  readonly remedy?: string
  /** All four layers; none when no manifest had a say. */
  readonly layers: readonly LayerExplanation[]
}

interface Explained {
  readonly layers: LayerTable
  readonly request: PolicyRequest
  readonly nowMs: number
  readonly decision: Decision
}

/** Explains a decision that was taken; lists every matching rule of every layer. */
export function explainRequest({ layers, request, nowMs, decision }: Explained): Explanation {
  const { from, to, domain, action, catalogEntry } = request
  const question = questionOf(request)
  const asked = !isRefusal(question) && domain !== 'fabric'
  const covering = coveringManifests(layers, request) ?? []
  return {
    from: describeSubject(from),
    fromProfile: from.floor.name,
    to: describeSubject(to),
    toProfile: to.floor.name,
    domain,
    action,
    permission: catalogEntry.permission,
    effects: catalogEntry.effects,
    ...outcomeOf(decision),
    layers: asked
      ? LAYERS.map((layer) => {
          const manifest = covering.find((one) => one.layer === layer)
          return manifest === undefined
            ? absentLayer(layer)
            : explainLayer(manifest, question, nowMs)
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

function absentLayer(layer: LayerName): LayerExplanation {
  const verdict = layer === 'fleet' ? 'no allow rule' : 'does not narrow'
  return { layer, state: 'absent', verdict, matched: [] }
}

function explainLayer(
  manifest: CompiledManifest,
  question: Question,
  nowMs: number,
): LayerExplanation {
  const { subject, notAfter } = manifest.manifest
  const expired = nowMs > notAfter
  return {
    layer: manifest.layer,
    state: expired ? 'expired' : 'in force',
    verdict: expired ? 'denies' : verdictOf(manifest, question),
    matched: manifest.findAll(question).map((rule) => matchedRule(rule, question.request)),
    manifest: { subject, ...manifest.version },
  }
}

function verdictOf(manifest: CompiledManifest, question: Question): LayerVerdict {
  const { deny, allow } = manifest.find(question)
  if (deny.best !== undefined) return 'denies'
  if (allow.best === undefined && allow.conditional.length === 0) return 'no allow rule'
  if (deny.conditional.length === 0 && allow.conditional.length === 0) return 'allows'
  const given = question.request.arguments
  if (given === undefined) return 'depends on arguments'
  if (deny.conditional.some((rule) => holds(rule, given) !== false)) return 'denies'
  const allowed =
    allow.best !== undefined || allow.conditional.some((rule) => holds(rule, given) === true)
  return allowed ? 'allows' : 'no allow rule'
}

function matchedRule(rule: CompiledRule, request: PolicyRequest): MatchedRule {
  const fulfilled = request.fulfilled ?? []
  return {
    rule: rule.name,
    effect: rule.source.effect,
    conditions: conditionState(rule, request.arguments),
    unfulfilled: (rule.source.obligations ?? []).filter((one) => !fulfilled.includes(one)),
  }
}

function conditionState(rule: CompiledRule, given: unknown): ConditionState {
  if (rule.when === undefined) return 'none'
  if (given === undefined) return 'arguments not known'
  const verdict = holds(rule, given)
  if (verdict === undefined) return 'cannot be evaluated'
  return verdict ? 'hold' : 'do not hold'
}

/**
 * An explanation as lines for a person.
 *
 * @param explanation - as returned by `PolicyEngine.explain`
 */
export function explanationToText(explanation: Explanation): string {
  const { from, to, fromProfile, toProfile, domain, action, effects } = explanation
  const { outcome, decidedBy, code, remedy } = explanation
  const lines = [
    `${action} (${domain}, ${effects}) from ${from} (${fromProfile}) to ${to} (${toProfile})`,
    `${outcome} by ${decidedBy}${code === undefined ? '' : ` (${code})`}`,
  ]
  for (const { layer, state, verdict, manifest, matched } of explanation.layers) {
    const number = manifest === undefined ? '' : ` number ${manifest.number}`
    lines.push(`  ${layer}${number}, ${state}: ${verdict}`)
    for (const rule of matched) lines.push(`    ${ruleText(rule)}`)
  }
  if (remedy !== undefined) lines.push(`Remedy: ${remedy}`)
  return `${lines.join('\n')}\n`
}

function ruleText({ rule, effect, conditions, unfulfilled }: MatchedRule): string {
  const condition = conditions === 'none' ? '' : `, conditions: ${conditions}`
  const needs = unfulfilled.length === 0 ? '' : `, needs ${unfulfilled.join(', ')}`
  return `${effect} ${rule}${condition}${needs}`
}
