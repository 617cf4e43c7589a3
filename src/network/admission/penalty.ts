import type { AdmissionLimits } from './limits.ts'

/** What a source still owes: it grows with failures, and bites from the threshold until it ends. */
export interface Penalty {
  untilMs: number
  bites: boolean
}

type PenaltyLimits = Pick<AdmissionLimits, 'penaltyMaxMs' | 'penaltyThresholdMs'>

/** A source without failures. */
export const noPenalty = (): Penalty => ({ untilMs: 0, bites: false })

/** Whether any penalty still runs, biting or not. */
export function penaltyRuns(penalty: Penalty, nowMs: number): boolean {
  return penalty.untilMs > nowMs
}

/** Milliseconds until the source may come again; 0 when it may come now. */
export function penaltyWaitMs(penalty: Penalty, nowMs: number): number {
  return penalty.bites && penaltyRuns(penalty, nowMs) ? penalty.untilMs - nowMs : 0
}

/** Adds a failure. A penalty that ended by itself is forgotten first. */
export function addPenalty(
  penalty: Penalty,
  failure: { readonly addMs: number; readonly nowMs: number },
  limits: PenaltyLimits,
): void {
  const { addMs, nowMs } = failure
  if (!penaltyRuns(penalty, nowMs)) penalty.bites = false
  const fromMs = Math.max(penalty.untilMs, nowMs)
  penalty.untilMs = Math.min(fromMs + addMs, nowMs + limits.penaltyMaxMs)
  if (addMs > 0 && penalty.untilMs - nowMs >= limits.penaltyThresholdMs) penalty.bites = true
}
