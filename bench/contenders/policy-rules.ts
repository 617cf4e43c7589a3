/** The rules and questions of the policy bench, in no engine's language. */
import type { Rule } from '../../src/trust/policy/index.ts'

const TEAMS = 50
const ZONES = 20

/** A team may (or may not) use the tasks of an app in a zone. */
export interface BenchRule {
  readonly id: string
  readonly allows: boolean
  readonly team: string
  readonly zone: string
  /** First segment of the actions; any task of `<app>.run` is meant. */
  readonly app: string
}

/** A user asks for an action on a target. */
export interface BenchQuestion {
  readonly user: string
  readonly teams: readonly string[]
  readonly target: string
  readonly zone: string
  readonly app: string
  readonly action: string
  /** What every engine must answer. */
  readonly allowed: boolean
}

/** Rule `n`: team `n % 50` may (1 in 10: may not) use `app<n / 50>.run.*` in zone `n % 20`. */
export function benchRules(count: number): readonly BenchRule[] {
  return Array.from({ length: count }, (_, n) => ({
    id: `rule-${n}`,
    allows: n % 10 !== 9,
    team: teamOf(n),
    zone: zoneOf(n),
    app: appOf(n),
  }))
}

/** A rule as it stands in a manifest. */
export function manifestRule(
  { id, allows, team, zone, app }: BenchRule,
  domain: 'rpc' | 'bus',
): Rule {
  return {
    id,
    effect: allows ? 'allow' : 'deny',
    domain,
    from: [`group:${team}`],
    to: [`label:zone=${zone}`],
    actions: [`${app}.run.*`],
  }
}

/**
 * Questions spread over all rules; 1 in 4 asks for an action of no rule.
 *
 * @param questions - how many
 * @param count - of rules
 */
export function benchQuestions(questions: number, count: number): readonly BenchQuestion[] {
  return Array.from({ length: questions }, (_, index) => {
    const n = Math.floor((index * count) / questions)
    const isUnmatched = index % 4 === 3
    const app = appOf(n)
    return {
      user: `user-${index}`,
      teams: [teamOf(n), 'staff'],
      target: `target-${index}`,
      zone: zoneOf(n),
      app,
      action: `${app}.${isUnmatched ? 'stop' : 'run'}.task`,
      allowed: !isUnmatched && n % 10 !== 9,
    }
  })
}

function teamOf(n: number): string {
  return `team-${n % TEAMS}`
}

function zoneOf(n: number): string {
  return `z${n % ZONES}`
}

function appOf(n: number): string {
  return `app${Math.floor(n / TEAMS)}`
}
