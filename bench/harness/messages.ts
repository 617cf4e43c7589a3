/** How hard a client drives: one measurement. */
export interface Load {
  readonly durationMs: number
  /** Operations that wait for their answer at any time. */
  readonly inFlight: number
}

/** What a client saw in one measurement. */
export interface Measured {
  readonly operations: number
  readonly elapsedMs: number
  /** Only where few operations are in flight. */
  readonly p50Us?: number | undefined
  readonly p99Us?: number | undefined
}

/** What the bench asks of a child process. */
export type ChildRequest = { readonly id: number } & (
  | { readonly kind: 'start'; readonly port: number }
  | { readonly kind: 'measure'; readonly load: Load }
  /** User and system time so far, in microseconds. */
  | { readonly kind: 'cpu' }
  /** Takes a CPU profile from here on. */
  | { readonly kind: 'profile' }
  /** Writes the profile to a file. */
  | { readonly kind: 'profiled'; readonly file: string }
  | { readonly kind: 'stop' }
)

/** The answer of a child process. */
export type ChildAnswer =
  | { readonly id: number; readonly value: unknown }
  | { readonly id: number; readonly error: string }

/** What the processes of `bench -- lock` are asked; times are CLOCK_MONOTONIC in milliseconds. */
export type LockRequest = { readonly id: number } & (
  | {
      readonly kind: 'connect'
      readonly at: { readonly host: string; readonly port: number }
      readonly uri: string
      readonly isTimed: boolean
    }
  | { readonly kind: 'listen' | 'times' | 'stop' }
)

/** When each member heard of a lock, and when its session with the locked one was over. */
export interface LockTimes {
  readonly heardMs: readonly number[]
  readonly closedMs: readonly number[]
}

/** What a process of a living fleet is asked. */
export type LivingRequest = { readonly id: number } & (
  | { readonly kind: 'start' | 'state' | 'stop' }
  /** Puts the clock of the members forward. */
  | { readonly kind: 'advance'; readonly ms: number }
)

/** How its members are. */
export interface LivingState {
  /** Members with an open session to the authority. */
  readonly connected: number
  /** Sessions that ended since the start. */
  readonly lost: number
  /** Certificates that were granted since the start, and those that members hold by generation. */
  readonly renewed: number
  readonly generations: Readonly<Record<string, number>>
  /** How many hold a trust bundle of which number. */
  readonly bundles: Readonly<Record<string, number>>
  /** Milliseconds since the epoch of each renewal. */
  readonly renewedAtMs: readonly number[]
  /** Attempts that failed or were refused. */
  readonly failed: number
  readonly rssBytes: number
}
