import { type Clock, isRefusal, type Random, type Refusal } from '../../foundation/base/index.ts'
import { createBackoff } from '../../network/transport/index.ts'
import { nodeErrors } from './errors.ts'

/** Between attempts: short enough for one device, and its randomness spreads a whole shelf. */
const PAUSES = Object.freeze({ minMs: 500, maxMs: 30_000 })
/** The system says that nobody is there, or that there is no such host. */
const AWAY: readonly string[] = [
  'ECONNREFUSED',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ENOTFOUND',
  'EAI_AGAIN',
]

/** How long somebody keeps asking to be let in. */
export interface JoinPatience {
  /** From the first attempt on; `Infinity`: until it is let in or refused. */
  readonly forMs: number
  /** Whether it waits for an authority that is not there, and not only for one that is busy. */
  readonly whileAway: boolean
  /** Told of every pause. */
  readonly onPause?: (pauseMs: number) => void
}

/**
 * Joins, again after a random pause while the authority is busy: an address that sends too many
 * connections at once is cut off before a byte is read, so that many devices behind one address get in one
 * after the other.
 *
 * @param attempt - one join; the same keys each time, so that a lost answer is repeated
 * @returns what the last attempt gave
 * @throws what the last attempt threw
 */
export async function joinPatiently<T>(
  deps: { readonly clock: Clock; readonly random: Random },
  patience: JoinPatience,
  attempt: () => Promise<T | Refusal>,
): Promise<T | Refusal> {
  const backoff = createBackoff(deps, PAUSES)
  const untilMs = deps.clock.monotonicMs() + patience.forMs
  for (;;) {
    const result = await attempt().catch((error: unknown) => {
      if (!isWorthWaiting(error, patience)) throw error
      return { error }
    })
    const isError = typeof result === 'object' && result !== null && 'error' in result
    const isLater = isRefusal(result) && result.retryAfterMs !== undefined
    if (!isError && !isLater) return result
    const pauseMs = backoff.next(isLater ? result.retryAfterMs : 0)
    if (deps.clock.monotonicMs() + pauseMs > untilMs) {
      if (isError) throw result.error
      return result
    }
    patience.onPause?.(pauseMs)
    await pause(deps.clock, pauseMs)
  }
}

function isWorthWaiting(error: unknown, { whileAway }: JoinPatience): boolean {
  if (!nodeErrors.has(error) || error.code !== 'KOS_NODE_AUTHORITY_UNREACHABLE') return false
  const { cause } = error
  const code = cause instanceof Error && 'code' in cause ? String(cause.code) : ''
  return whileAway || !AWAY.includes(code)
}

function pause(clock: Clock, ms: number): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>()
  clock.after(ms, resolve)
  return promise
}
