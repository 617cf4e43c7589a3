import type { RateLimit } from '../../foundation/base/index.ts'
import type { PeerFacts } from '../../foundation/pipeline/index.ts'
import type { Profile } from '../../foundation/profiles/index.ts'
import { executionErrors } from './errors.ts'

/** Bounds of execution, over all peers where not said otherwise. */
export interface ExecutorLimits {
  /** Calls of one peer. @see docs/protocol.md: Limits */
  readonly callRate: RateLimit
  /** Calls of one peer that run at the same time. */
  readonly maxRunningPerPeer: number
  /** Peers with calls in memory at the same time. */
  readonly maxPeers: number
  /** Results kept for duplicates. */
  readonly maxStoredCalls: number
  /** Arguments and results kept for duplicates, in bytes. */
  readonly maxStoredBytes: number
  /** Kept calls of one peer that changed something: these are never given up before their time. */
  readonly maxStoredChangesPerPeer: number
}

/** The limits of the protocol, 64 running calls a peer and 32 MiB of kept results. */
export const DEFAULT_EXECUTOR_LIMITS: ExecutorLimits = Object.freeze({
  callRate: Object.freeze({ perSecond: 50, burst: 100 }),
  maxRunningPerPeer: 64,
  maxPeers: 65_536,
  maxStoredCalls: 65_536,
  maxStoredBytes: 32 * 1024 * 1024,
  maxStoredChangesPerPeer: 4096,
})

/** Profile and limits of one executor. */
export interface ExecutorOptions {
  /** The profile of this device: wall time of a run, and whether intents come first. */
  readonly profile: Profile
  readonly limits: ExecutorLimits
  /** The rate granted to a peer in place of the default; `undefined`: the default. */
  callRateOf?(peer: PeerFacts): RateLimit | undefined
}

/** Throws KOS_EXECUTION_OPTIONS when a limit is not a positive number. */
export function checkLimits({ callRate, ...counts }: ExecutorLimits): void {
  const all = {
    ...counts,
    'callRate.perSecond': callRate.perSecond,
    'callRate.burst': callRate.burst,
  }
  for (const [option, value] of Object.entries(all)) {
    if (!(value > 0)) throw executionErrors.error('KOS_EXECUTION_OPTIONS', { option })
  }
}
