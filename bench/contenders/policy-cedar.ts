import {
  type EntityJson,
  preparsePolicySet,
  statefulIsAuthorized,
  type StatefulAuthorizationCall,
} from '@cedar-policy/cedar-wasm/nodejs'
import type { BenchQuestion, BenchRule } from './policy-rules.ts'

/** Makes the decision of Cedar over the rules: parsed once, only the question crosses into wasm. */
export function cedarDecider(
  rules: readonly BenchRule[],
  questions: readonly BenchQuestion[],
): (question: BenchQuestion) => boolean {
  const preparsedPolicySetId = `rules-${rules.length}`
  const staticPolicies = Object.fromEntries(
    rules.map(({ id, allows, team, zone, app }) => [
      id,
      `${allows ? 'permit' : 'forbid'}(principal in Team::"${team}", ` +
        `action in Action::"${app}.run", resource in Zone::"${zone}");`,
    ]),
  )
  const answer = preparsePolicySet(preparsedPolicySetId, { staticPolicies })
  if (answer.type !== 'success') throw new Error(JSON.stringify(answer.errors))
  const calls = new Map(questions.map((one) => [one, callOf(one, preparsedPolicySetId)]))
  return (question) => {
    const call = calls.get(question)
    const decided = call && statefulIsAuthorized(call)
    if (decided?.type !== 'success') throw new Error(JSON.stringify(decided))
    return decided.response.decision === 'allow'
  }
}

function callOf(question: BenchQuestion, preparsedPolicySetId: string): StatefulAuthorizationCall {
  const { user, teams, target, zone, action } = question
  const principal = { type: 'User', id: user }
  const resource = { type: 'Target', id: target }
  const asked = { type: 'Action', id: action }
  const entities: EntityJson[] = [
    { uid: principal, attrs: {}, parents: teams.map((id) => ({ type: 'Team', id })) },
    { uid: resource, attrs: {}, parents: [{ type: 'Zone', id: zone }] },
    // `app7.run.task` lies in `app7.run`, as the pattern `app7.run.*` says.
    {
      uid: asked,
      attrs: {},
      parents: [{ type: 'Action', id: action.slice(0, action.lastIndexOf('.')) }],
    },
  ]
  return { principal, action: asked, resource, context: {}, preparsedPolicySetId, entities }
}
