import type { AdmissionLimits } from '../../src/network/admission/index.ts'

/** A thousand members at one address: limits stay on, above what so many need. */
export const LOCK_ADMISSION: Partial<AdmissionLimits> = Object.freeze({
  connectionRate: { perSecond: 100_000, burst: 100_000 },
  connectionsPerSource: 8192,
  connectionsTotal: 8192,
  halfOpenPerSource: 512,
  halfOpenTotal: 512,
})
