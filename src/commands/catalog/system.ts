import { arch, freemem, loadavg, platform, totalmem, uptime } from 'node:os'
import { z } from '../../foundation/base/index.ts'
import { PROFILE_NAMES, type ProfileName } from '../../foundation/profiles/index.ts'
import { type Command, defineCommand } from './command.ts'

/** What the host says of itself; integers are bytes or milliseconds. */
export interface HostStatus {
  readonly hostUptimeMs: number
  /** Load averages over 1, 5 and 15 minutes. */
  readonly load: readonly [number, number, number]
  readonly memoryTotalBytes: number
  readonly memoryFreeBytes: number
}

/** The state of a daemon and its host at one moment. */
export interface SystemStatus extends HostStatus {
  readonly daemonUptimeMs: number
  /** Resident memory of the daemon. */
  readonly residentBytes: number
  readonly sessions: number
  readonly runningCalls: number
  readonly auditHealthy: boolean
  /** Who says that the lock list is new: `authority`, the name of a standby signer, or `nobody`. */
  readonly locksFreshBy: string
  /** Since when nobody says so any more; absent: nobody ever did. */
  readonly locksAgeMs?: number | undefined
}

/** What kind of system a daemon runs on. */
export interface SystemInfo {
  readonly os: string
  readonly architecture: string
  readonly kosVersion: string
  readonly nodeVersion: string
  readonly profile: ProfileName
}

/** Where the system commands get their answers: wired by the daemon. */
export interface SystemPort {
  status(): SystemStatus
  info(): SystemInfo
}

/** Reads the host's part of a {@link SystemStatus}. */
export function readHostStatus(): HostStatus {
  const [one = 0, five = 0, fifteen = 0] = loadavg()
  return {
    hostUptimeMs: Math.round(uptime() * 1000),
    load: [one, five, fifteen],
    memoryTotalBytes: totalmem(),
    memoryFreeBytes: freemem(),
  }
}

/** Reads the host's part of a {@link SystemInfo}. */
export function readHostInfo(): Pick<SystemInfo, 'os' | 'architecture' | 'nodeVersion'> {
  return { os: platform(), architecture: arch(), nodeVersion: process.versions.node }
}

const count = (): z.ZodType<number> => z.int().min(0)
const word = (): z.ZodType<string> => z.string().min(1).max(64)
const limits = { maxArgumentBytes: 16, maxResultBytes: 1024, timeoutMs: 1000, concurrency: 64 }

/** `system.status`: how the daemon is doing. */
export function systemStatusCommand(port: SystemPort): Command {
  return defineCommand({
    name: 'system.status',
    domain: 'rpc',
    summary: 'Shows uptime, load, memory and sessions',
    description:
      'Returns the state of the daemon and its host at this moment: how long both run, load, ' +
      'memory, open sessions, running calls, whether the audit log takes records, and who said how ' +
      'long ago that the lock list is the newest: the authority, or a standby signer by its name.',
    argumentSchema: z.strictObject({}),
    resultSchema: z.strictObject({
      daemonUptimeMs: count(),
      hostUptimeMs: count(),
      load: z.tuple([z.number().min(0), z.number().min(0), z.number().min(0)]),
      memoryTotalBytes: count(),
      memoryFreeBytes: count(),
      residentBytes: count(),
      sessions: count(),
      runningCalls: count(),
      auditHealthy: z.boolean(),
      locksFreshBy: word(),
      locksAgeMs: count().optional(),
    }),
    positional: [],
    permission: 'system.read',
    effects: 'read',
    limits,
    examples: [{ purpose: 'See whether a device is well.', arguments: {} }],
    run: () => port.status(),
  })
}

/** `system.info`: what the daemon runs on. */
export function systemInfoCommand(port: SystemPort): Command {
  return defineCommand({
    name: 'system.info',
    domain: 'rpc',
    summary: 'Shows operating system, versions and profile',
    description:
      'Returns operating system, architecture, versions of kOS and Node and the security profile. ' +
      'It names no user, address, path or key.',
    argumentSchema: z.strictObject({}),
    resultSchema: z.strictObject({
      os: word(),
      architecture: word(),
      kosVersion: word(),
      nodeVersion: word(),
      profile: z.enum(PROFILE_NAMES),
    }),
    positional: [],
    permission: 'system.read',
    effects: 'read',
    limits,
    examples: [{ purpose: 'See which version a device runs.', arguments: {} }],
    run: () => port.info(),
  })
}
