import { newEnforcer, newModel } from 'casbin'
import type { BenchQuestion, BenchRule } from './policy-rules.ts'

/** The cheapest comparison first; groups of callers and of targets, deny overrides. */
const MODEL = `
[request_definition]
r = sub, obj, act
[policy_definition]
p = sub, obj, act, eft
[role_definition]
g = _, _
g2 = _, _
[policy_effect]
e = some(where (p.eft == allow)) && !some(where (p.eft == deny))
[matchers]
m = keyMatch(r.act, p.act) && g(r.sub, p.sub) && g2(r.obj, p.obj)
`

/** Makes the decision of Casbin over the rules: its policies in memory, its own synchronous call. */
export async function casbinDecider(
  rules: readonly BenchRule[],
  questions: readonly BenchQuestion[],
): Promise<(question: BenchQuestion) => boolean> {
  const enforcer = await newEnforcer(newModel(MODEL))
  await enforcer.addPolicies(
    rules.map(({ team, zone, app, allows }) => [
      team,
      zone,
      `${app}.run.*`,
      allows ? 'allow' : 'deny',
    ]),
  )
  for (const { user, teams, target, zone } of questions) {
    for (const team of teams) await enforcer.addNamedGroupingPolicy('g', user, team)
    await enforcer.addNamedGroupingPolicy('g2', target, zone)
  }
  return ({ user, target, action }) => enforcer.enforceSync(user, target, action)
}
