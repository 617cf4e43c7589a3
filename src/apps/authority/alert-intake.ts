import {
  type Clock,
  type Gcra,
  isRefusal,
  type RateLimit,
  refuse,
  type Refusal,
  type Secret,
  takeGcra,
} from '../../foundation/base/index.ts'
import { profileOf } from '../../foundation/profiles/index.ts'
import { parseSource } from '../../network/admission/index.ts'
import { isMacOf, MAX_ALERT_BYTES, parseAlert, type SentAlert } from '../node/index.ts'
import type { AlertList, AlertView } from './api-schema-alerts.ts'
import {
  ALERT_RING_LIMITS,
  type AlertRing,
  type AlertRingLimits,
  createAlertRing,
} from './alert-ring.ts'
import type { ApiTokens } from './api-tokens.ts'

/** A key that a member was given once, and whose it was. */
export interface FormerKey {
  /** URI of the principal. */
  readonly uri: string
  /** A copy: whoever asked wipes it. */
  readonly secret: Secret
}

/** Finds a key by the name that an alert gives it. */
export type FindFormerKey = (key: string) => FormerKey | undefined

/** Bounds of the intake beside the ring's. */
export interface AlertIntakeLimits extends AlertRingLimits {
  /** Alerts of one address prefix. */
  readonly perSource: RateLimit
  /** Alerts of everybody. */
  readonly total: RateLimit
  /** Prefixes whose rate is remembered; the longest unseen is forgotten first. */
  readonly trackedSources: number
}

const HOUR_S = 3600
/** The hourly budget of a SEC-0 device, in alerts of the largest size. */
const PER_HOUR = Math.floor((profileOf('SEC-0').daemonBytesPerHour ?? 0) / MAX_ALERT_BYTES)

/** The defaults. */
export const ALERT_INTAKE_LIMITS: AlertIntakeLimits = Object.freeze({
  ...ALERT_RING_LIMITS,
  perSource: Object.freeze({ perSecond: PER_HOUR / HOUR_S, burst: 8 }),
  total: Object.freeze({ perSecond: 20, burst: 64 }),
  trackedSources: 4096,
})

/** How far the time of an alert may be off for its MAC to count: an old one may be a recorded one. */
const MAX_SKEW_MS = 300_000

/** Takes alerts from anybody, and keeps the newest for operators. */
export interface AlertIntake {
  /** @returns nothing when the alert is kept, else KOS_AUTHORITY_REQUEST or KOS_BASE_INVALID */
  take(body: Uint8Array, source: string): Refusal | undefined
  list(after: number): AlertList
}

/**
 * Makes the intake. Nothing of an alert reaches the audit log or a disk: what strangers say must not
 * be able to fill what members depend on.
 *
 * @param deps - clock; where former keys are found
 * @param limits - see {@link AlertIntakeLimits}
 * @see protocol: Recording
 */
export function createAlertIntake(
  deps: { readonly clock: Clock; readonly findKey: FindFormerKey },
  limits: AlertIntakeLimits = ALERT_INTAKE_LIMITS,
): AlertIntake {
  const { clock } = deps
  const ring: AlertRing = createAlertRing(limits)
  const rate = createAlertRate(clock, limits)
  const since = clock.wallMs()
  let refused = 0
  const add = (body: Uint8Array, source: string): Refusal | undefined => {
    const { address, prefixes } = parseSource(source) ?? { address: source, prefixes: [source] }
    const [prefix = ''] = prefixes
    const limited = rate(prefix)
    if (limited) return limited
    const alert = parseAlert(body)
    if (isRefusal(alert)) return alert
    const { mac: _, ...said } = alert
    ring.add({
      ...said,
      ...trustOf(deps, alert),
      receivedAt: clock.wallMs(),
      source: address,
      prefix,
    })
    return undefined
  }
  return {
    take: (body, source): Refusal | undefined => {
      const refusal = add(body, source)
      if (refusal) refused++
      return refusal
    },
    list: (after) => ({ alerts: ring.after(after), dropped: ring.dropped, refused, since }),
  }
}

/** A MAC that does not hold is none: whoever guesses learns nothing from the answer. */
function trustOf(
  deps: { readonly clock: Clock; readonly findKey: FindFormerKey },
  alert: SentAlert,
): Pick<AlertView, 'trust' | 'attributedTo'> {
  const isTimely = Math.abs(deps.clock.wallMs() - alert.time) <= MAX_SKEW_MS
  const found = alert.mac && isTimely ? deps.findKey(alert.mac.key) : undefined
  if (!found) return { trust: 'unauthenticated' }
  const holds = isMacOf(alert, found.secret)
  found.secret[Symbol.dispose]()
  if (!holds) return { trust: 'unauthenticated' }
  return { trust: 'attributed, unverified', attributedTo: found.uri }
}

function createAlertRate(
  clock: Clock,
  limits: AlertIntakeLimits,
): (prefix: string) => Refusal | undefined {
  const sources = new Map<string, Gcra>()
  const total: Gcra = { tatMs: 0 }
  const limited = (rule: string, waitMs: number): Refusal =>
    refuse('KOS_AUTHORITY_REQUEST', rule, {
      retryAfterMs: Math.ceil(waitMs),
      remedy: 'Send fewer alerts; one is enough.',
    })
  return (prefix) => {
    const nowMs = clock.monotonicMs()
    const own = sources.get(prefix) ?? { tatMs: 0 }
    // Inserted again: the first key is the longest unseen.
    sources.delete(prefix)
    sources.set(prefix, own)
    const [oldest] = sources.keys()
    if (sources.size > limits.trackedSources && oldest !== undefined) sources.delete(oldest)
    const ownMs = takeGcra(own, limits.perSource, nowMs)
    if (ownMs > 0) return limited('alerts/rate-source', ownMs)
    const allMs = takeGcra(total, limits.total, nowMs)
    return allMs > 0 ? limited('alerts/rate-total', allMs) : undefined
  }
}

/** Session tokens of the API: also those of devices that are locked or removed, while remembered. */
export function apiTokenKeys(tokens: ApiTokens): FindFormerKey {
  return (key) => {
    const token = tokens.find(key)
    return token && { uri: token.uri, secret: tokens.secretOf(token) }
  }
}
