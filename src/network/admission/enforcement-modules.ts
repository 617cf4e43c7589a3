import { type Clock, type Schema, zm } from '../../foundation/base/index.ts'
import type {
  EnforcementFacts,
  EnforcementModule,
  EnforcementStage,
} from '../../foundation/pipeline/index.ts'
import { parseSource } from './address.ts'
import { compileLists } from './lists.ts'

/** What modules ask of the world. */
export interface EnforcementPorts {
  readonly clock: Clock
  /** Whether a live probe finds Node restricted to an OpenSSL FIPS provider. */
  isFipsInUse(): boolean
  /** Whether somebody else witnesses the audit log. */
  isAuditWitnessed(): boolean
}

/** What a module is, as data: its name, where it is asked, what it demands. */
export interface ModuleEntry {
  readonly name: string
  /** Where it may be asked; the first is the default. */
  readonly stages: readonly [EnforcementStage, ...EnforcementStage[]]
  /** One sentence for people. */
  readonly demand: string
  /** Names of its settings beside `module` and `stage`. */
  readonly settings: readonly string[]
  /**
   * @param settings - as configured, unchecked
   * @returns the check, or the name of the setting that does not fit
   */
  make(settings: unknown, ports: EnforcementPorts): EnforcementModule['unmet'] | string
}

/** Every module there is; a name that is not here is refused. */
export const ENFORCEMENT_MODULES: readonly ModuleEntry[] = [
  {
    name: 'time-window',
    stages: ['call', 'handshake', 'admission'],
    demand: 'the time is within one of the windows',
    settings: ['zone', 'windows'],
    make: timeWindow,
  },
  {
    name: 'source-network',
    stages: ['admission', 'handshake', 'call'],
    demand: 'the peer connects from one of the networks',
    settings: ['allow'],
    make: sourceNetwork,
  },
  {
    name: 'fips-provider',
    stages: ['handshake', 'call'],
    demand: 'a live probe finds Node restricted to a FIPS provider',
    settings: [],
    make: (_settings, ports) => () => (ports.isFipsInUse() ? undefined : 'not-in-use'),
  },
  {
    name: 'witness',
    stages: ['call', 'handshake'],
    demand: 'somebody else witnesses the audit log',
    settings: [],
    make: (_settings, ports) => () => (ports.isAuditWitnessed() ? undefined : 'no-witness'),
  },
]

const DAYS = ['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat'] as const
type Day = (typeof DAYS)[number]

interface TimeWindowSettings {
  readonly zone?: string | undefined
  readonly windows: readonly {
    readonly days?: readonly Day[] | undefined
    readonly from: string
    readonly until: string
  }[]
}

const timeOfDay = zm.string().check(zm.regex(/^(?:[01][0-9]|2[0-3]):[0-5][0-9]$|^24:00$/))

const timeWindowSchema: Schema<TimeWindowSettings> = zm.strictObject({
  zone: zm.optional(zm.string().check(zm.maxLength(64))),
  windows: zm
    .array(
      zm.strictObject({
        days: zm.optional(zm.array(zm.enum(DAYS)).check(zm.minLength(1), zm.maxLength(7))),
        from: timeOfDay,
        until: timeOfDay,
      }),
    )
    .check(zm.minLength(1), zm.maxLength(32)),
})

/** A window as days and minutes of the day: from ≤ now < until. */
interface Window {
  readonly days: ReadonlySet<string>
  readonly fromMinute: number
  readonly untilMinute: number
}

function timeWindow(
  settings: unknown,
  { clock }: EnforcementPorts,
): EnforcementModule['unmet'] | string {
  const parsed = timeWindowSchema.safeParse(settings)
  if (!parsed.success) return 'windows'
  const { zone = 'UTC', windows } = parsed.data
  const local = localTime(zone)
  if (!local) return 'zone'
  const compiled = windows.map(compileWindow)
  // Past midnight takes two windows: then it is plain which day is meant.
  if (compiled.some(({ fromMinute, untilMinute }) => fromMinute >= untilMinute)) return 'windows'
  let known = { epochMinute: -1, isOpen: false }
  return () => {
    const epochMinute = Math.floor(clock.wallMs() / 60_000)
    // Zones change by whole minutes: one look per minute is exact.
    if (epochMinute !== known.epochMinute) {
      const now = local(epochMinute * 60_000)
      known = { epochMinute, isOpen: compiled.some((window) => contains(window, now)) }
    }
    return known.isOpen ? undefined : 'closed'
  }
}

function compileWindow(window: TimeWindowSettings['windows'][number]): Window {
  const { days = DAYS, from, until } = window
  return {
    days: new Set(days),
    fromMinute: minuteOf(from),
    untilMinute: minuteOf(until),
  }
}

function minuteOf(text: string): number {
  return Number(text.slice(0, 2)) * 60 + Number(text.slice(3))
}

function contains({ days, fromMinute, untilMinute }: Window, now: LocalTime): boolean {
  return days.has(now.day) && now.minute >= fromMinute && now.minute < untilMinute
}

interface LocalTime {
  readonly day: string
  readonly minute: number
}

/** @returns `undefined` when the zone is not in the IANA time zone database of this Node */
function localTime(timeZone: string): ((atMs: number) => LocalTime) | undefined {
  try {
    const format = new Intl.DateTimeFormat('en-US', {
      timeZone,
      weekday: 'short',
      hour: '2-digit',
      minute: '2-digit',
      hourCycle: 'h23',
    })
    return (atMs) => {
      const parts = Object.fromEntries(
        format.formatToParts(atMs).map(({ type, value }) => [type, value]),
      )
      const minute = Number(parts['hour']) * 60 + Number(parts['minute'])
      return { day: (parts['weekday'] ?? '').toLowerCase(), minute }
    }
  } catch {
    return undefined
  }
}

const sourceNetworkSchema: Schema<{ readonly allow: readonly string[] }> = zm.strictObject({
  allow: zm.array(zm.string().check(zm.maxLength(64))).check(zm.minLength(1), zm.maxLength(256)),
})

function sourceNetwork(settings: unknown): EnforcementModule['unmet'] | string {
  const parsed = sourceNetworkSchema.safeParse(settings)
  const lists = parsed.success && compileAllowed(parsed.data.allow)
  if (!lists) return 'allow'
  return ({ connection }: EnforcementFacts) => {
    const source = parseSource(connection.sourceAddress)
    return source && lists.allows(source) ? undefined : 'outside'
  }
}

function compileAllowed(allow: readonly string[]): ReturnType<typeof compileLists> | undefined {
  try {
    return compileLists({ block: [], allow, allowOnly: true })
  } catch {
    return undefined
  }
}
