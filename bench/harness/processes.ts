import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { Child } from './child-process.ts'
import type { MemberRole } from './fleet.ts'
import type { ChildRequest, Load, Measured } from './messages.ts'

const CHILD = new URL('child.ts', import.meta.url)
const LAUNCHER = new URL('../../bin/kosd', import.meta.url)
/** The server may still write its audit log and free memory when the client is done. */
const SETTLE_MS = 120

/** One measurement of one contender. */
export interface Sample extends Measured {
  readonly operationsPerSecond: number
  /** User and system time per operation. */
  readonly clientCpuUs: number
  readonly serverCpuUs: number
  readonly cpuUs: number
}

/** A contender that runs: one server process, one client process. */
export interface RunningContender {
  readonly name: string
  measure(load: Load): Promise<Sample>
  /** Takes CPU profiles from here to `stop`, where the options name a folder for them. */
  profile(): Promise<void>
  stop(): Promise<void>
}

/** How contenders are started. */
export interface ProcessOptions {
  /** Folder made by `createFleet`. */
  readonly fleet: string
  /** The core that both ends share; absent: they run where the system puts them. */
  readonly core?: number | undefined
  /** Contenders to run without the others; absent: all. */
  readonly only?: readonly string[] | undefined
  /** Numbers in flight to run without the others; absent: all. */
  readonly inFlight?: readonly number[] | undefined
  /** Where CPU profiles of both processes go; absent: none are taken. */
  readonly profileDirectory?: string | undefined
}

type End = Child<ChildRequest>

function startEnd(name: string, role: MemberRole, { fleet, core }: ProcessOptions): End {
  const flags = launchFlags(name)
  const how =
    core === undefined
      ? { execArgv: flags }
      : { execPath: 'taskset', execArgv: ['-c', `${core}`, process.execPath, ...flags] }
  return new Child(`${name} ${role}`, CHILD, { ...how, args: [name, role, fleet] })
}

/** Flags of Node with which `bin/kosd` starts its program: the ends of kOS run as it would run them. */
export function launchFlags(name: string): string[] {
  if (!name.startsWith('kos')) return []
  const launcher = readFileSync(LAUNCHER, 'utf8')
  const flags = /^launch kosd '([^']*)'/m.exec(launcher)?.[1]
  if (flags === undefined) throw new Error('bin/kosd names no flags')
  return flags.split(' ')
}

/** Starts both ends of a contender of `contenders/` and connects them. */
export async function startContender(
  name: string,
  options: ProcessOptions,
): Promise<RunningContender> {
  const server = startEnd(name, 'server', options)
  const client = startEnd(name, 'client', options)
  const { profileDirectory } = options
  let isProfiled = false
  const profile = async (): Promise<void> => {
    if (profileDirectory === undefined) return
    isProfiled = true
    for (const end of [server, client]) await end.ask({ kind: 'profile' })
  }
  const stop = async (): Promise<void> => {
    for (const [role, end] of [
      ['client', client],
      ['server', server],
    ] as const) {
      const file = join(profileDirectory ?? '', `${name}-${role}.cpuprofile`)
      if (isProfiled) await end.ask({ kind: 'profiled', file })
      await end.stop()
    }
  }
  try {
    const port = await server.ask<number>({ kind: 'start', port: 0 })
    await client.ask<number>({ kind: 'start', port })
  } catch (error) {
    await stop()
    throw error
  }
  return { name, stop, profile, measure: (load) => measure(server, client, load) }
}

async function measure(server: End, client: End, load: Load): Promise<Sample> {
  const cpu = async (): Promise<readonly [number, number]> => [
    await server.ask<number>({ kind: 'cpu' }),
    await client.ask<number>({ kind: 'cpu' }),
  ]
  const [serverBefore, clientBefore] = await cpu()
  const measured = await client.ask<Measured>({ kind: 'measure', load })
  await sleep(SETTLE_MS)
  const [serverAfter, clientAfter] = await cpu()
  const { operations, elapsedMs } = measured
  if (operations === 0) throw new Error('not one operation was done')
  const serverCpuUs = (serverAfter - serverBefore) / operations
  const clientCpuUs = (clientAfter - clientBefore) / operations
  return {
    ...measured,
    operationsPerSecond: (operations * 1000) / elapsedMs,
    serverCpuUs,
    clientCpuUs,
    cpuUs: serverCpuUs + clientCpuUs,
  }
}
