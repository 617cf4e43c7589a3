/** Runs a living fleet: its authority here, its members in processes of their own, an operator who asks. */
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { setTimeout as sleep } from 'node:timers/promises'
import { systemRandom } from '../../src/foundation/base/index.ts'
import type { RunningAuthority } from '../../src/apps/authority/index.ts'
import {
  type AuthorityClient,
  type Member,
  openMember,
  renewMembership,
} from '../../src/apps/node/index.ts'
import { createJumpClock, type JumpClock } from '../../test/kit/jump-clock.ts'
import { Child } from './child-process.ts'
import { createLivingFleet, type LivingFleet, startLivingAuthority } from './living-fleet.ts'
import type { LivingRequest, LivingState } from './messages.ts'

const CHILD = new URL('living-child.ts', import.meta.url)
const PROCESSES = 2
const POLL_MS = 250
/** Members keep what they hold in memory: the disk is the authority's. */
const MEMORY_FOLDER = '/dev/shm'

/** What was seen of the authority while something went on. */
export interface Watched {
  /** Milliseconds that the operator waited for the list of devices. */
  readonly operatorMs: readonly number[]
  readonly peakConnections: number
  readonly peakHalfOpen: number
  readonly peakRssBytes: number
  /** Longest time that the authority's event loop was held up, in milliseconds. */
  readonly loopMs: number
  readonly cpuMs: number
}

/** A living fleet, with its authority running until it is stopped. */
export interface LivingDriver {
  readonly count: number
  readonly clock: JumpClock
  /** Of the operator; asked anew after the authority came back. */
  client(): Promise<AuthorityClient>
  /** Asks the authority for something as the operator; throws when it is refused. */
  ask(method: 'GET' | 'POST', path: string, body?: object): Promise<unknown>
  /** The operator takes a certificate of the issuing intermediate. */
  renewOperator(): Promise<void>
  /** What all members say of themselves. */
  state(): Promise<LivingState>
  startMembers(): Promise<void>
  startAuthority(): Promise<void>
  stopAuthority(): Promise<void>
  /** Puts the clocks of all forward. */
  advance(ms: number): Promise<void>
  /** Waits until the members are as wanted; throws when they are not in time. */
  until(isSo: (state: LivingState) => boolean, withinMs: number): Promise<LivingState>
  /** The same; says how they are when the time is over. */
  settle(isSo: (state: LivingState) => boolean, withinMs: number): Promise<LivingState>
  /** Watches the authority while something goes on, with an operator who asks all the time. */
  watch<T>(work: () => Promise<T>): Promise<{ readonly result: T; readonly watched: Watched }>
  stop(): Promise<void>
}

/** Makes a fleet of so many members below a folder and starts its authority. */
export async function startLivingFleet(
  folder: string,
  count: number,
  taintSpreadMs: number,
): Promise<LivingDriver> {
  await using stack = new AsyncDisposableStack()
  const memory = mkdtempSync(join(existsSync(MEMORY_FOLDER) ? MEMORY_FOLDER : tmpdir(), 'kos-'))
  stack.defer(() => rmSync(memory, { recursive: true, force: true }))
  const clock = createJumpClock()
  const file = join(memory, 'fleet.json')
  const place = { folder: join(folder, 'authority'), membersFolder: memory, file }
  const fleet = await createLivingFleet(clock, place, count)
  const driver = new Driver(clock, fleet)
  await driver.startAuthority()
  stack.defer(() => driver.stopAuthority())
  for (let index = 0; index < PROCESSES; index += 1) {
    const first = Math.floor((count * index) / PROCESSES)
    const next = Math.floor((count * (index + 1)) / PROCESSES)
    const args = [file, `${first}`, `${next - first}`, `${taintSpreadMs}`]
    const child = new Child<LivingRequest>('a process of members', CHILD, { args })
    stack.defer(() => child.stop())
    driver.children.push(child)
  }
  const running = stack.move()
  driver.onStop = () => running.disposeAsync()
  return driver
}

class Driver implements LivingDriver {
  readonly clock: JumpClock
  readonly children: Child<LivingRequest>[] = []
  onStop: () => Promise<void> = () => Promise.resolve()
  readonly #fleet: LivingFleet
  #authority: RunningAuthority | undefined
  #client: AuthorityClient | undefined
  #operator: Member | undefined

  constructor(clock: JumpClock, fleet: LivingFleet) {
    this.clock = clock
    this.#fleet = fleet
  }

  get count(): number {
    return this.#fleet.members.length
  }

  async client(): Promise<AuthorityClient> {
    if (this.#client) return this.#client
    const folder = join(this.#fleet.folder, 'operator')
    this.#operator ??= openMember({ clock: this.clock, random: systemRandom }, { folder })
    if (!this.#operator) throw new Error('no operator')
    this.#client = await this.#operator.connectAuthority(10_000)
    return this.#client
  }

  async ask(method: 'GET' | 'POST', path: string, body?: object): Promise<unknown> {
    const client = await this.client()
    const bytes = Buffer.from(JSON.stringify(body ?? {}))
    const sent = body && ({ type: 'application/json', bytes } as const)
    const answer = await client.request(method, path, sent)
    const text = Buffer.from(answer.body).toString('utf8')
    if (answer.status !== 200) throw new Error(`${path}: ${answer.status} ${text}`)
    return JSON.parse(text)
  }

  async renewOperator(): Promise<void> {
    if (!this.#operator) throw new Error('nobody asked yet')
    const refusal = await renewMembership(this.#operator, { addresses: [] })
    if (refusal) throw new Error(refusal.rule)
    this.#client = undefined
  }

  async state(): Promise<LivingState> {
    const states = await Promise.all(
      this.children.map((child) => child.ask<LivingState>({ kind: 'state' })),
    )
    return states.reduce((a, b) => ({
      connected: a.connected + b.connected,
      lost: a.lost + b.lost,
      renewed: a.renewed + b.renewed,
      generations: added(a.generations, b.generations),
      bundles: added(a.bundles, b.bundles),
      renewedAtMs: [...a.renewedAtMs, ...b.renewedAtMs],
      failed: a.failed + b.failed,
      rssBytes: a.rssBytes + b.rssBytes,
    }))
  }

  async startMembers(): Promise<void> {
    await Promise.all(this.children.map((child) => child.ask({ kind: 'start' })))
  }

  async startAuthority(): Promise<void> {
    this.#authority = await startLivingAuthority(this.clock, this.#fleet)
  }

  async stopAuthority(): Promise<void> {
    this.#client?.close()
    this.#client = undefined
    await this.#authority?.stop()
    this.#authority = undefined
  }

  async advance(ms: number): Promise<void> {
    this.clock.advance(ms)
    await Promise.all(this.children.map((child) => child.ask({ kind: 'advance', ms })))
  }

  async until(isSo: (state: LivingState) => boolean, withinMs: number): Promise<LivingState> {
    const state = await this.settle(isSo, withinMs)
    if (isSo(state)) return state
    const { renewedAtMs: _, ...rest } = state
    throw new Error(`not within ${withinMs} ms: ${JSON.stringify(rest)}`)
  }

  async settle(isSo: (state: LivingState) => boolean, withinMs: number): Promise<LivingState> {
    const startedMs = performance.now()
    for (;;) {
      const state = await this.state()
      if (isSo(state) || performance.now() - startedMs > withinMs) return state
      await sleep(POLL_MS)
    }
  }

  async watch<T>(
    work: () => Promise<T>,
  ): Promise<{ readonly result: T; readonly watched: Watched }> {
    const operatorMs: number[] = []
    let peakConnections = 0
    let peakHalfOpen = 0
    let peakRssBytes = 0
    let isOver = false
    const loop = monitorEventLoopDelay({ resolution: 10 })
    loop.enable()
    const cpu = process.cpuUsage()
    const sampler = setInterval(() => {
      const load = this.#authority?.load()
      peakConnections = Math.max(peakConnections, load?.connections ?? 0)
      peakHalfOpen = Math.max(peakHalfOpen, load?.halfOpen ?? 0)
      peakRssBytes = Math.max(peakRssBytes, process.memoryUsage.rss())
    }, 20)
    const asking = (async (): Promise<void> => {
      while (!isOver) {
        const beganMs = performance.now()
        await this.ask('GET', '/v1/principals')
        operatorMs.push(performance.now() - beganMs)
        await sleep(POLL_MS)
      }
    })()
    try {
      const failure = asking.then((): never => {
        throw new Error('the operator stopped asking')
      })
      const result = await Promise.race([work(), failure])
      isOver = true
      await asking
      const { user, system } = process.cpuUsage(cpu)
      const loopMs = loop.max / 1e6
      const cpuMs = (user + system) / 1000
      return {
        result,
        watched: { operatorMs, peakConnections, peakHalfOpen, peakRssBytes, loopMs, cpuMs },
      }
    } finally {
      isOver = true
      loop.disable()
      clearInterval(sampler)
    }
  }

  stop(): Promise<void> {
    return this.onStop()
  }
}

function added(
  a: Readonly<Record<string, number>>,
  b: Readonly<Record<string, number>>,
): Record<string, number> {
  const sum = { ...a }
  for (const [key, value] of Object.entries(b)) sum[key] = (sum[key] ?? 0) + value
  return sum
}
