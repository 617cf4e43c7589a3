import {
  ANY_POLICY,
  type ObjectIdentifier,
  type PkixCertificate,
} from '../../foundation/codec/index.ts'
import { type PathProblem, problem } from './path-reasons.ts'
import type { PolicyInputs } from './path-types.ts'

/** A policy at one depth: one node per policy, however many parents, so nothing multiplies. */
interface PolicyNode {
  readonly policy: ObjectIdentifier
  expected: ReadonlySet<ObjectIdentifier>
  readonly parents: readonly PolicyNode[]
}

type Level = Map<ObjectIdentifier, PolicyNode>

/** State of policy processing along one path. */
export interface PolicyState {
  /** The valid policy graph by depth; `undefined` for the NULL graph. */
  levels: Level[] | undefined
  explicitPolicy: number
  policyMapping: number
  inhibitAnyPolicy: number
}

/**
 * The initial state for a path of n certificates. The policy tree of RFC 5280 grows without bound
 * on hostile chains; the graph of RFC 9618 decides the same and does not.
 *
 * @see RFC 5280 section 6.1.2 (a), (d), (e), (f); RFC 9618 section 5.1
 */
export function initialPolicyState(inputs: PolicyInputs, count: number): PolicyState {
  const root = { policy: ANY_POLICY, expected: new Set([ANY_POLICY]), parents: [] }
  const start = (now: boolean | undefined): number => (now === true ? 0 : count + 1)
  return {
    levels: [new Map([[ANY_POLICY, root]])],
    explicitPolicy: start(inputs.requireExplicitPolicy),
    policyMapping: start(inputs.inhibitPolicyMapping),
    inhibitAnyPolicy: start(inputs.inhibitAnyPolicy),
  }
}

/**
 * Processes the policies of one certificate.
 *
 * @param isTarget - whether it is the last of the path
 * @see RFC 5280 section 6.1.3 (d), (e), (f); RFC 9618 section 5.2
 */
export function certificatePoliciesProblem(
  state: PolicyState,
  certificate: PkixCertificate,
  isTarget: boolean,
): PathProblem | undefined {
  const { certificatePolicies } = certificate
  // RFC 5280 section 6.1.3 (e): without the extension the graph is NULL.
  if (!certificatePolicies) state.levels = undefined
  else if (state.levels) {
    const isAnyAllowed = state.inhibitAnyPolicy > 0 || (!isTarget && certificate.selfIssued)
    addLevel(state.levels, certificatePolicies, isAnyAllowed)
    prune(state)
  }
  // RFC 5280 section 6.1.3 (f).
  return state.explicitPolicy > 0 || state.levels ? undefined : problem('policy', 'explicit')
}

function addLevel(
  levels: Level[],
  policies: readonly ObjectIdentifier[],
  isAnyAllowed: boolean,
): void {
  const above: Level = levels.at(-1) ?? new Map()
  const level: Level = new Map()
  const expecting = parentsByExpectation(above)
  const anyAbove = above.get(ANY_POLICY)
  const add = (policy: ObjectIdentifier, parents: readonly PolicyNode[]): void => {
    level.set(policy, { policy, expected: new Set([policy]), parents })
  }
  for (const policy of policies) {
    if (policy === ANY_POLICY) continue
    // RFC 9618 section 5.2 (d)(1): below those that expect it, else below any-policy.
    const parents = expecting.get(policy)
    if (parents) add(policy, parents)
    else if (anyAbove) add(policy, [anyAbove])
  }
  // RFC 9618 section 5.2 (d)(2): any-policy takes over what is expected and not yet there.
  if (isAnyAllowed && policies.includes(ANY_POLICY)) {
    for (const [policy, parents] of expecting) if (!level.has(policy)) add(policy, parents)
  }
  levels.push(level)
}

function parentsByExpectation(level: Level): ReadonlyMap<ObjectIdentifier, readonly PolicyNode[]> {
  const expecting = new Map<ObjectIdentifier, PolicyNode[]>()
  for (const node of level.values()) {
    for (const policy of node.expected) {
      const parents = expecting.get(policy)
      if (parents) parents.push(node)
      else expecting.set(policy, [node])
    }
  }
  return expecting
}

/** RFC 9618 section 5.2 (d)(3): nodes without children go, from the last level upwards. */
function prune(state: PolicyState): void {
  const levels = state.levels ?? []
  for (let depth = levels.length - 1; depth > 0; depth--) {
    const kept = new Set([...(levels[depth]?.values() ?? [])].flatMap(({ parents }) => parents))
    const above: Level = levels[depth - 1] ?? new Map()
    for (const node of above.values()) if (!kept.has(node)) above.delete(node.policy)
  }
  if (levels.at(-1)?.size === 0) state.levels = undefined
}

/**
 * Prepares the policies for the next certificate.
 *
 * @returns `policy-mapping` when a mapping is from or to any-policy
 * @see RFC 5280 section 6.1.4 (a), (b), (h), (i), (j); RFC 9618 section 5.3
 */
export function nextPoliciesProblem(
  state: PolicyState,
  certificate: PkixCertificate,
): PathProblem | undefined {
  const { policyMappings = [], policyConstraints = {}, selfIssued } = certificate
  const mappings = new Map<ObjectIdentifier, Set<ObjectIdentifier>>()
  for (const { issuerPolicy, subjectPolicy } of policyMappings) {
    // RFC 5280 section 6.1.4 (a).
    if (issuerPolicy === ANY_POLICY || subjectPolicy === ANY_POLICY) {
      return problem('policy-mapping')
    }
    mappings.set(issuerPolicy, (mappings.get(issuerPolicy) ?? new Set()).add(subjectPolicy))
  }
  applyMappings(state, mappings)
  // RFC 5280 section 6.1.4 (h): self-issued certificates do not count.
  if (!selfIssued) {
    state.explicitPolicy = Math.max(0, state.explicitPolicy - 1)
    state.policyMapping = Math.max(0, state.policyMapping - 1)
    state.inhibitAnyPolicy = Math.max(0, state.inhibitAnyPolicy - 1)
  }
  // RFC 5280 section 6.1.4 (i), (j).
  const { requireExplicitPolicy = Infinity, inhibitPolicyMapping = Infinity } = policyConstraints
  state.explicitPolicy = Math.min(state.explicitPolicy, requireExplicitPolicy)
  state.policyMapping = Math.min(state.policyMapping, inhibitPolicyMapping)
  state.inhibitAnyPolicy = Math.min(
    state.inhibitAnyPolicy,
    certificate.inhibitAnyPolicy ?? Infinity,
  )
  return undefined
}

// RFC 5280 section 6.1.4 (b), RFC 9618 section 5.3.
function applyMappings(
  state: PolicyState,
  mappings: ReadonlyMap<ObjectIdentifier, ReadonlySet<ObjectIdentifier>>,
): void {
  const level = state.levels?.at(-1)
  if (!level) return
  const anyAbove = state.levels?.at(-2)?.get(ANY_POLICY)
  for (const [policy, expected] of mappings) {
    const node = level.get(policy)
    // (b)(2): where mapping is inhibited, a mapped policy ends.
    if (state.policyMapping === 0) level.delete(policy)
    else if (node) node.expected = expected
    else if (level.has(ANY_POLICY) && anyAbove) {
      level.set(policy, { policy, expected, parents: [anyAbove] })
    }
  }
  prune(state)
}

/** The policies of an accepted path. */
export interface PathPolicies {
  readonly authorityPolicies: readonly ObjectIdentifier[]
  readonly userPolicies: readonly ObjectIdentifier[]
}

/**
 * Ends policy processing.
 *
 * @returns the policies of the path, or `policy` when one was required and none is left
 * @see RFC 5280 section 6.1.5 (a), (b), (g); RFC 9618 section 5.4
 */
export function finishPolicies(
  state: PolicyState,
  target: PkixCertificate,
  inputs: PolicyInputs,
): PathPolicies | PathProblem {
  // RFC 5280 section 6.1.5 (a). (b) reads a constraint that only CA certificates may carry.
  const required = target.policyConstraints?.requireExplicitPolicy === 0
  const explicitPolicy = required ? 0 : Math.max(0, state.explicitPolicy - 1)
  const authorityPolicies = authorityConstrained(state.levels ?? [])
  const initial = inputs.initialPolicies ?? [ANY_POLICY]
  const isAny = authorityPolicies.includes(ANY_POLICY)
  const userPolicies = initial.includes(ANY_POLICY)
    ? authorityPolicies
    : initial.filter((policy) => isAny || authorityPolicies.includes(policy))
  // RFC 5280 section 6.1.5 (g).
  if (explicitPolicy === 0 && userPolicies.length === 0) return problem('policy', 'user')
  return { authorityPolicies, userPolicies: Object.freeze(userPolicies) }
}

// The policies as the first CAs named them: nodes right below any-policy, which still have a way
// down to the target, and any-policy itself when it came that far.
function authorityConstrained(levels: readonly Level[]): readonly ObjectIdentifier[] {
  const policies = new Set<ObjectIdentifier>()
  for (const level of levels) {
    for (const { policy, parents } of level.values()) {
      const isFirst = parents.some((parent) => parent.policy === ANY_POLICY)
      if (isFirst && policy !== ANY_POLICY) policies.add(policy)
    }
  }
  if (levels.at(-1)?.has(ANY_POLICY) === true) policies.add(ANY_POLICY)
  return Object.freeze([...policies])
}
