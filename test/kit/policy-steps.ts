/**
 * Counts what a decision executes in the room of policy: every block of code, as the engine's coverage
 * counts it. A process of its own, because counting is for the whole process:
 * `node test/kit/policy-steps.ts <rules> …` prints one JSON list of pairs: steps of a decision, and of
 * an explanation, which reads every rule.
 */
import { Session } from 'node:inspector/promises'

const ROOM = '/src/trust/policy/'
const APPS = 50

const session = new Session()
session.connect()
await session.post('Profiler.enable')
// Before anything of the room is compiled, or blocks would not be counted.
await session.post('Profiler.startPreciseCoverage', { callCount: true, detailed: true })
const { ask, engineWith, manifestOf, ruleOf, subject } = await import('./policy.ts')

/** Executed blocks of the room since the last time. */
async function counted(): Promise<number> {
  const { result } = await session.post('Profiler.takePreciseCoverage')
  return result
    .filter(({ url }) => url.includes(ROOM))
    .flatMap(({ functions }) => functions.flatMap(({ ranges }) => ranges.map(({ count }) => count)))
    .reduce((sum, count) => sum + count, 0)
}

async function stepsOf(rules: number): Promise<readonly [decision: number, explanation: number]> {
  const engine = engineWith([
    manifestOf(
      Array.from({ length: rules }, (_, n) =>
        ruleOf({
          id: `rule-${n}`,
          // Channels are decided anew each time; commands would be remembered.
          domain: 'bus',
          effect: n % 10 === 9 ? 'deny' : 'allow',
          from: [`group:team-${n % APPS}`],
          to: [`label:zone=z${n % 20}`],
          actions: [`app${Math.floor(n / APPS)}.run.*`],
        }),
      ),
    ),
  ])
  const request = ask({
    from: subject('user/ada', { groups: ['team-3'] }),
    to: subject('service/lamp', { labels: { zone: 'z3' } }),
    domain: 'bus',
    action: 'app0.run.task',
  })
  // The first decision also numbers the selectors of both sides.
  if (engine.decide(request).allow !== true) throw new Error('not allowed')
  await counted()
  engine.decide(request)
  const decision = await counted()
  engine.explain(request)
  return [decision, await counted()]
}

const steps: (readonly [number, number])[] = []
for (const rules of process.argv.slice(2)) steps.push(await stepsOf(Number(rules)))
process.stdout.write(JSON.stringify(steps))
