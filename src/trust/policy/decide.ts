import { isRefusal, refuse, type Refusal } from '../../foundation/base/index.ts'
import type { CompiledManifest } from './compile.ts'
import { evaluateAll, type Verdict } from './condition.ts'
import type { Decision, PolicyGrant, PolicyRequest } from './decision.ts'
import { decideFabric } from './fabric.ts'
import { grantOf, type LayerRule } from './grant.ts'
import type { LayerName } from './manifest.ts'
import { type Question, questionOf } from './question.ts'
import type { CompiledRule, Findings } from './rule-index.ts'
import { describeSubject } from './subject.ts'

/** All manifests in force: layer → covered principal's URI (empty for the fleet) → manifest. */
export type LayerTable = Readonly<Record<LayerName, ReadonlyMap<string, CompiledManifest>>>

/** A decision and how long it holds while no manifest changes. */
export interface Ruling {
  readonly decision: Decision
  /** Last millisecond (wall clock) at which every manifest that took part counts. */
  readonly validUntilMs: number
}

/** The place of the fleet manifest in its layer. */
export const FLEET_SUBJECT = ''

/** The manifests that cover a request, widest first; the fleet's is always there. */
export type Covering = readonly [fleet: CompiledManifest, ...narrower: CompiledManifest[]]

/** Finds the manifests that cover a request; `undefined` without a fleet manifest. */
export function coveringManifests(
  layers: LayerTable,
  { from, to }: PolicyRequest,
): Covering | undefined {
  const fleet = layers.fleet.get(FLEET_SUBJECT)
  if (fleet === undefined) return undefined
  const covering: [CompiledManifest, ...CompiledManifest[]] = [fleet]
  const owner = to.owner === undefined ? undefined : layers.owner.get(to.owner)
  if (owner !== undefined) covering.push(owner)
  const device = layers.device.get(to.uri)
  if (device !== undefined) covering.push(device)
  const session = layers.session.get(from.uri)
  if (session !== undefined) covering.push(session)
  return covering
}

/**
 * Decides a request: ceiling, system table, then the layers. Pure.
 *
 * @param layers - the manifests in force
 * @param request - the question; its `arguments` are left to the decision's `decideArguments`
 * @param nowMs - one reading of the wall clock
 */
export function rule(layers: LayerTable, request: PolicyRequest, nowMs: number): Ruling {
  const question = questionOf(request)
  if (isRefusal(question)) return { decision: question, validUntilMs: Infinity }
  if (request.domain === 'fabric') {
    return { decision: decideFabric(request), validUntilMs: Infinity }
  }
  const covering = coveringManifests(layers, request)
  if (covering === undefined) return { decision: noFleetManifest(), validUntilMs: Infinity }
  let validUntilMs = Infinity
  for (const { manifest } of covering) validUntilMs = Math.min(validUntilMs, manifest.notAfter)
  const decision =
    nowMs > validUntilMs
      ? hasExpired(covering, validUntilMs)
      : (settleAlone(covering, question) ?? settle(covering, question))
  return { decision, validUntilMs }
}

function noFleetManifest(): Refusal {
  return refuse('KOS_POLICY_NO_MANIFEST', 'no-fleet-manifest', {
    remedy: 'A fleet manifest signed by the policy key would have to be loaded first.',
    details: { layer: 'fleet' },
  })
}

/** An expired layer still covers its subject: it must not turn into an absent one. */
function hasExpired(covering: Covering, notAfter: number): Refusal {
  const expired = covering.find(({ manifest }) => manifest.notAfter === notAfter) ?? covering[0]
  const { layer, version } = expired
  return refuse('KOS_POLICY_EXPIRED', 'manifest-expired', {
    remedy: `The ${layer} manifest has expired; a newer one would have to be published.`,
    details: { layer, number: version.number },
  })
}

interface LayerFindings extends Findings {
  readonly manifest: CompiledManifest
}

/**
 * The usual case, a fleet manifest alone and no conditions: the same answer as {@link settle} gives,
 * with next to nothing allocated.
 *
 * @returns `undefined` in any other case
 */
function settleAlone(covering: Covering, question: Question): Decision | undefined {
  if (covering.length > 1) return undefined
  const [fleet] = covering
  const { deny, allow } = fleet.find(question)
  if (deny.best !== undefined) return deniedBy(deny.best, question.request)
  if (deny.conditional.length > 0 || allow.conditional.length > 0) return undefined
  if (allow.best === undefined) return notAllowed(fleet.layer, question.request)
  return fleet.grantAlone(allow.best)
}

function settle(covering: Covering, question: Question): Decision {
  const { request } = question
  const [fleet] = covering
  const layers: LayerFindings[] = []
  for (const manifest of covering) {
    const { deny, allow } = manifest.find(question)
    if (deny.best !== undefined) return deniedBy(deny.best, request)
    layers.push({ manifest, deny, allow })
  }
  const rules: LayerRule[] = []
  let pending = false
  for (const { manifest, deny, allow } of layers) {
    const first = allow.conditional[0] ?? allow.best
    if (first === undefined) return notAllowed(manifest.layer, request)
    rules.push({ manifest: manifest.manifest, rule: first })
    pending ||= deny.conditional.length > 0 || allow.conditional.length > 0
  }
  const grant = grantOf(fleet.version, rules)
  if (!pending) return grant
  // The answer may be remembered: it must not keep the arguments of the call that came first.
  const rest = { fleet, layers, request: { ...request, arguments: undefined } }
  return Object.freeze({
    allow: 'pending',
    provisional: grant,
    decideArguments: (canonicalArguments: unknown) => decideWith(canonicalArguments, rest),
  })
}

interface PendingQuestion {
  readonly fleet: CompiledManifest
  readonly layers: readonly LayerFindings[]
  readonly request: PolicyRequest
}

/** The second half of a pending decision: denies of all layers first, then an allow in each. */
function decideWith(
  canonicalArguments: unknown,
  { fleet, layers, request }: PendingQuestion,
): PolicyGrant | Refusal {
  for (const { deny } of layers) {
    for (const rule of deny.conditional) {
      // Only a condition that is known to be false keeps a deny rule from matching.
      if (holds(rule, canonicalArguments) !== false) return deniedBy(rule, request)
    }
  }
  const rules: LayerRule[] = []
  for (const { manifest, allow } of layers) {
    const rule =
      allow.conditional.find((one) => holds(one, canonicalArguments) === true) ?? allow.best
    if (rule === undefined) return notAllowed(manifest.layer, request)
    rules.push({ manifest: manifest.manifest, rule })
  }
  return grantOf(fleet.version, rules)
}

/** Whether the conditions of a rule hold; `undefined`: they cannot be evaluated. */
export function holds(rule: CompiledRule, canonicalArguments: unknown): Verdict {
  return evaluateAll(rule.when ?? [], canonicalArguments)
}

function deniedBy(rule: CompiledRule, request: PolicyRequest): Refusal {
  const condition = rule.when === undefined ? '' : ' with these arguments'
  return refuse('KOS_POLICY_DENIED', rule.name, {
    remedy:
      `The rule ${rule.name} denies ${callText(request)}${condition}; ` +
      'it would have to be removed or narrowed.',
  })
}

function notAllowed(layer: LayerName, request: PolicyRequest): Refusal {
  return refuse('KOS_POLICY_NOT_ALLOWED', 'default-deny', {
    remedy: `An allow rule in the ${layer} manifest for ${callText(request)} would permit this.`,
    details: { layer },
  })
}

/** `files.read from user/ada to camera-1`. */
function callText({ action, from, to }: PolicyRequest): string {
  return `${action} from ${describeSubject(from)} to ${describeSubject(to)}`
}
