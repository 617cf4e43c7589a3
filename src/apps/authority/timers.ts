import type { CancelTimer, Clock, Log, Random, UnixMs } from '../../foundation/base/index.ts'
import { renewAtMs } from '../../trust/pki/index.ts'

/** The lock list is signed anew this often even when unchanged. @see identity: Lock list */
const HEARTBEAT_MS = 10_000
/** Refusals before authentication are recorded once per minute. */
const REFUSALS_MS = 60_000
/** How often the age of the intermediate CA is looked at. */
const ROTATION_MS = 60 * 60 * 1000
/** How often revocation lists are looked at: some change without an operator. */
const CRL_MS = 60_000
/** Shortest wait for a renewal of the own certificate. */
const MIN_RENEWAL_MS = 1000

/** What an authority does again and again. */
export interface TimedWork {
  resignLocks(): void
  flushRefusals(): void
  /** Looks whether somebody made a backup. */
  noteBackup(): void
  renewCertificate(): void
  /** Takes the steps of the rotation of the intermediate CA that are due. */
  rotate(): void
  /** Signs revocation lists anew that changed or near their end. */
  refreshCrls(): void
  /** The own certificate in force. */
  leaf(): { readonly notBefore: UnixMs; readonly notAfter: UnixMs }
}

/**
 * Starts the timers of an authority. Work that fails is logged and tried again next time.
 *
 * @returns stops all of them
 */
export function startTimers(
  deps: { readonly clock: Clock; readonly random: Random; readonly log: Log },
  work: TimedWork,
): () => void {
  const cancels = new Map<string, CancelTimer>()
  const every = (name: string, delayMs: () => number, run: () => void): void => {
    const again = (): void => {
      try {
        run()
      } catch (error) {
        deps.log.event('timer.failed', { name, error: String(error) }, 'error')
      }
      every(name, delayMs, run)
    }
    cancels.set(name, deps.clock.after(delayMs(), again))
  }
  const untilRenewal = (): number => {
    const { notBefore, notAfter } = work.leaf()
    const dueMs = renewAtMs(notBefore, notAfter, deps.random)
    return Math.max(MIN_RENEWAL_MS, dueMs - deps.clock.wallMs())
  }
  every(
    'heartbeat',
    () => HEARTBEAT_MS,
    () => work.resignLocks(),
  )
  every(
    'refusals',
    () => REFUSALS_MS,
    () => {
      work.noteBackup()
      work.flushRefusals()
    },
  )
  every(
    'rotation',
    () => ROTATION_MS,
    () => work.rotate(),
  )
  every(
    'crl',
    () => CRL_MS,
    () => work.refreshCrls(),
  )
  every('certificate', untilRenewal, () => work.renewCertificate())
  return () => {
    for (const cancel of cancels.values()) cancel()
    work.flushRefusals()
  }
}
