import { systemClock, systemRandom } from '../../src/foundation/base/index.ts'
import type { TestClock } from '../../test/kit/clock.ts'
import { sessionPair } from '../../test/kit/session-pair.ts'
import { type InlineCase, inlineMedian, inlineRatio, measureInline } from '../harness/inline.ts'
import type { ProcessOptions } from '../harness/processes.ts'
import type { Report } from '../harness/report.ts'
import type { Effort } from '../harness/rounds.ts'

const IN_FLIGHT = [1, 64] as const
const AT_ONCE = 640
// Limits stay on: they are only raised above what the machine can reach.
const RATE = Object.freeze({ perSecond: 10_000_000, burst: 10_000_000 })

const nameOf = (inFlight: number): string => `both ends, ${inFlight} in flight`

/** Two session machines joined by memory: frames, seals and credits without sockets and TLS. */
export async function measureSession(_options: ProcessOptions, effort: Effort): Promise<Report> {
  const cases = IN_FLIGHT.map((inFlight) => sessionCase(inFlight))
  const samples = await measureInline(cases, effort)
  const [alone, many] = IN_FLIGHT.map((inFlight) => samples.get(nameOf(inFlight)))
  return {
    suite: 'session',
    title: `Session calls in memory, 64 bytes, one thread for both ends (medians of ${effort.rounds} rounds)`,
    columns: ['calls/s', 'CPU µs each', 'CPU ÷ 64 in flight'],
    rows: [alone, many].map((found, index) => [
      nameOf(IN_FLIGHT[index] ?? 0),
      inlineMedian(found, 'operationsPerSecond'),
      inlineMedian(found, 'cpuUs'),
      inlineRatio(found, many, 'cpuUs'),
    ]),
    goals: [],
  }
}

function sessionCase(inFlight: number): InlineCase {
  const clock: TestClock = {
    ...systemClock,
    advance: () => undefined,
    setWall: () => undefined,
    pendingTimers: 0,
  }
  const { dialler, listener } = sessionPair({
    clock,
    random: systemRandom,
    limits: { opens: RATE },
  })
  listener.onCall = (call) => {
    // The kit keeps calls for tests; here they would only pile up.
    listener.calls.length = 0
    listener.machine.respond(call, { status: 'ok', value: call.arguments as { value: string } })
  }
  const request = {
    command: 'echo',
    arguments: { value: 'x'.repeat(64) },
    deadlineMs: 10_000,
    callId: undefined,
    traceId: undefined,
    sink: undefined,
  }
  const settle = ({ status }: { readonly status: string }): void => {
    if (status !== 'ok') throw new Error(`a call ended ${status}`)
  }
  const turn = (): void => {
    for (let index = 0; index < inFlight; index++) dialler.machine.open(request, settle)
    const there = dialler.machine.take()
    if (there) listener.machine.receive(there)
    const back = listener.machine.take()
    if (back) dialler.machine.receive(back)
  }
  return {
    name: nameOf(inFlight),
    run: () => {
      for (let done = 0; done < AT_ONCE; done += inFlight) turn()
      return AT_ONCE
    },
  }
}
