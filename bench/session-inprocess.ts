/**
 * Two session machines in one process, joined by memory instead of TLS: what a checked call costs
 * without sockets, seals included. Prints calls per second and CPU per call of both ends.
 *
 * Usage: node bench/session-inprocess.ts [calls in flight] [seconds]
 */
import { sessionPair } from '../test/kit/session-pair.ts'
import { systemClock, systemRandom } from '../src/foundation/base/index.ts'
import type { TestClock } from '../test/kit/clock.ts'

const inFlight = Number(process.argv[2] ?? 64)
const seconds = Number(process.argv[3] ?? 3)
// Limits stay on: they are only raised above what the machine can reach.
const RATE = { perSecond: 10_000_000, burst: 1_000_000 }
const clock: TestClock = {
  ...systemClock,
  advance: () => undefined,
  setWall: () => undefined,
  pendingTimers: 0,
}
const pair = sessionPair({ clock, random: systemRandom, limits: { opens: RATE } })
const { dialler, listener } = pair
listener.onCall = (call) => {
  listener.calls.length = 0
  listener.machine.respond(call, { status: 'ok', value: call.arguments as { text: string } })
}

const args = { text: 'x'.repeat(64) }
let done = 0
let failed = 0
const request = {
  command: 'echo',
  arguments: args,
  deadlineMs: 10_000,
  callId: undefined,
  traceId: undefined,
  sink: undefined,
}
const settle = (result: { readonly status: string }): void => {
  done += 1
  if (result.status !== 'ok') failed += 1
}

function round(): void {
  for (let index = 0; index < inFlight; index += 1) dialler.machine.open(request, settle)
  const out = dialler.machine.take()
  if (out) listener.machine.receive(out)
  const back = listener.machine.take()
  if (back) dialler.machine.receive(back)
}

for (let warm = 0; warm < 2000; warm += 1) round()

/** CPU and wall time per call of short windows: the best window is the one least disturbed. */
const cpuUs: number[] = []
const wallUs: number[] = []
const end = performance.now() + seconds * 1000
while (performance.now() < end) {
  done = 0
  const startCpu = process.cpuUsage()
  const start = performance.now()
  while (performance.now() - start < 100) for (let index = 0; index < 20; index += 1) round()
  const cpu = process.cpuUsage(startCpu)
  cpuUs.push((cpu.user + cpu.system) / done)
  wallUs.push(((performance.now() - start) * 1000) / done)
}
const at = (values: readonly number[], share: number): number =>
  values.toSorted((a, b) => a - b)[Math.floor((values.length - 1) * share)] ?? 0
process.stdout.write(
  `${inFlight} in flight: median ${Math.round(1e6 / at(wallUs, 0.5))} calls/s ` +
    `(best ${Math.round(1e6 / at(wallUs, 0))}), CPU of both ends per call: ` +
    `median ${at(cpuUs, 0.5).toFixed(2)} us (best ${at(cpuUs, 0).toFixed(2)}), ${failed} failed\n`,
)
