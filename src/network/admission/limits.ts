import type { RateLimit, SafeDetails } from '../../foundation/base/index.ts'
import { admissionErrors } from './errors.ts'

/** How a connection can end before its peer is known; each costs its source a penalty. */
export type AdmissionFailure = 'abandoned' | 'authentication' | 'handshake' | 'protocol' | 'timeout'

/** Every bound of the gate. All are configuration; `docs/admission.md` lists them. */
export interface AdmissionLimits {
  /** Connections of one IPv4 address or IPv6 /64 that are not authenticated yet. */
  readonly halfOpenPerSource: number
  /** The same for all sources together. */
  readonly halfOpenTotal: number
  /** Further half-open connections that only known-good and allow-listed sources may use. */
  readonly reservedLane: number
  /** The adaptive handshake window never closes further than this. */
  readonly minHandshakeWindow: number
  /** New connections of one IPv4 address or IPv6 /64. */
  readonly connectionRate: RateLimit
  /** Open connections of one IPv4 address or IPv6 /64. */
  readonly connectionsPerSource: number
  /** Open connections of one authenticated device. */
  readonly connectionsPerDevice: number
  /** Open connections of all sources. */
  readonly connectionsTotal: number
  /** An IPv6 /56 and a /48 may have this many times the limits of a /64. */
  readonly widePrefixFactor: number
  /** What each kind of failure adds to a source's penalty, in milliseconds. */
  readonly penaltyMs: Readonly<Record<AdmissionFailure, number>>
  /** A penalty bites once it has grown this long; until then it only accrues. */
  readonly penaltyThresholdMs: number
  /** A penalty never grows longer. */
  readonly penaltyMaxMs: number
  /** Sources whose rate and penalty are remembered; the longest unseen is forgotten first. */
  readonly trackedSources: number
  /** Sources remembered as known-good. */
  readonly knownGoodSources: number
  /** How long a source stays known-good after a peer authenticated from it. */
  readonly knownGoodMs: number
  /** Distinct (prefix, reason) pairs per minute; what is beyond is counted under prefix `*`. */
  readonly refusalRecords: number
}

/** The defaults of the protocol. */
export const DEFAULT_ADMISSION_LIMITS: AdmissionLimits = Object.freeze({
  halfOpenPerSource: 4,
  halfOpenTotal: 64,
  reservedLane: 16,
  minHandshakeWindow: 16,
  connectionRate: Object.freeze({ perSecond: 5, burst: 10 }),
  connectionsPerSource: 16,
  connectionsPerDevice: 3,
  connectionsTotal: 4096,
  widePrefixFactor: 8,
  penaltyMs: Object.freeze({
    abandoned: 1000,
    authentication: 5000,
    handshake: 5000,
    protocol: 10_000,
    timeout: 10_000,
  }),
  penaltyThresholdMs: 15_000,
  penaltyMaxMs: 600_000,
  trackedSources: 65_536,
  knownGoodSources: 4096,
  knownGoodMs: 86_400_000,
  refusalRecords: 1024,
})

/** No configuration may make a penalty longer than ten minutes. */
const PENALTY_CEILING_MS = 600_000

/**
 * Limits for a site whose devices come from one address, behind a router for example: what is counted per
 * address grows with their number, and never falls below {@link DEFAULT_ADMISSION_LIMITS}.
 *
 * @param devices - how many may be connected from one address, 1 to 4096
 */
export function limitsForAddress(
  devices: number,
): Pick<AdmissionLimits, 'connectionsPerSource' | 'halfOpenPerSource' | 'connectionRate'> {
  const { connectionsPerSource, halfOpenPerSource, halfOpenTotal, connectionRate } =
    DEFAULT_ADMISSION_LIMITS
  const factor = Math.max(1, devices / connectionsPerSource)
  // A session, and beside it a request or a second session while one replaces the other.
  const connections = Math.max(connectionsPerSource, devices * 2)
  return {
    connectionsPerSource: connections,
    halfOpenPerSource: Math.min(halfOpenTotal / 2, Math.round(halfOpenPerSource * factor)),
    connectionRate: {
      perSecond: Math.min(MAX_RATE_PER_ADDRESS, connectionRate.perSecond * factor),
      burst: Math.min(MAX_RATE_PER_ADDRESS, connectionRate.burst * factor),
    },
  }
}

/** The requests that fit a rate of connections: some ten on each. */
export function requestsForConnections({ perSecond, burst }: RateLimit): RateLimit {
  return { perSecond: perSecond * 10, burst: burst * 20 }
}

/** About what one core can do of handshakes: no address gets more. */
const MAX_RATE_PER_ADDRESS = 250

const COUNTS = [
  'halfOpenPerSource',
  'halfOpenTotal',
  'minHandshakeWindow',
  'connectionsPerSource',
  'connectionsPerDevice',
  'connectionsTotal',
  'widePrefixFactor',
  'trackedSources',
  'knownGoodSources',
  'refusalRecords',
] as const

const AMOUNTS = ['reservedLane', 'penaltyThresholdMs', 'penaltyMaxMs', 'knownGoodMs'] as const

/**
 * Completes and checks limits.
 *
 * @param given - what differs from {@link DEFAULT_ADMISSION_LIMITS}
 * @returns frozen limits
 * @throws {@link KosError} KOS_ADMISSION_LIMITS when a value is out of range
 */
export function admissionLimits(given: Partial<AdmissionLimits> = {}): AdmissionLimits {
  const limits = Object.freeze({ ...DEFAULT_ADMISSION_LIMITS, ...given })
  for (const name of COUNTS)
    check(Number.isSafeInteger(limits[name]) && limits[name] >= 1, { name })
  for (const name of AMOUNTS) check(limits[name] >= 0 && Number.isFinite(limits[name]), { name })
  const { connectionRate: rate, penaltyMs, penaltyMaxMs, penaltyThresholdMs } = limits
  const rateHolds = rate.perSecond > 0 && Number.isFinite(rate.perSecond) && rate.burst >= 1
  check(rateHolds, { name: 'connectionRate' })
  check(
    Object.values(penaltyMs).every((addMs) => addMs >= 0 && Number.isFinite(addMs)),
    {
      name: 'penaltyMs',
    },
  )
  check(penaltyMaxMs <= PENALTY_CEILING_MS, { name: 'penaltyMaxMs' })
  check(penaltyThresholdMs <= penaltyMaxMs, { name: 'penaltyThresholdMs' })
  check(limits.minHandshakeWindow <= limits.halfOpenTotal, { name: 'minHandshakeWindow' })
  return limits
}

function check(holds: boolean, details: SafeDetails): void {
  if (!holds) throw admissionErrors.error('KOS_ADMISSION_LIMITS', details)
}
