import type { AlertView } from './api-schema-alerts.ts'

/** An alert before it got its number. */
export type NewAlert = Omit<AlertView, 'number'>

/** Bounds of the ring. */
export interface AlertRingLimits {
  readonly maxAlerts: number
  readonly maxBytes: number
}

/** The defaults: what a stranger can make an authority keep. */
export const ALERT_RING_LIMITS: AlertRingLimits = Object.freeze({
  maxAlerts: 256,
  maxBytes: 256 * 1024,
})

/** The newest alerts, in memory alone. */
export interface AlertRing {
  add(alert: NewAlert): void
  /** Alerts with a higher number than this, the oldest first. */
  after(number: number): readonly AlertView[]
  /** How many had to make room. */
  readonly dropped: number
  /** Bytes held, as {@link AlertRingLimits.maxBytes} counts them. */
  readonly bytes: number
}

/** What an alert costs beside its texts. */
const OVERHEAD_BYTES = 128

/**
 * Makes a ring. When it is full, whoever holds most of it loses the oldest: a flood from one place
 * pushes out itself, and not what another device had to say.
 */
export function createAlertRing(limits: AlertRingLimits = ALERT_RING_LIMITS): AlertRing {
  const alerts: AlertView[] = []
  let bytes = 0
  let last = 0
  let dropped = 0
  const dropOne = (): void => {
    const counts = Map.groupBy(alerts, holderOf)
    const [most] = [...counts.values()].toSorted((a, b) => b.length - a.length)
    const victim = most?.[0]
    if (!victim) return
    alerts.splice(alerts.indexOf(victim), 1)
    bytes -= costOf(victim)
    dropped++
  }
  return {
    add: (alert): void => {
      const added = { ...alert, number: ++last }
      alerts.push(added)
      bytes += costOf(added)
      while (alerts.length > limits.maxAlerts || bytes > limits.maxBytes) dropOne()
    },
    after: (number) => alerts.filter((alert) => alert.number > number),
    get dropped(): number {
      return dropped
    },
    get bytes(): number {
      return bytes
    },
  }
}

function holderOf({ attributedTo, prefix }: AlertView): string {
  return attributedTo ?? prefix
}

function costOf({ kind, text, device, attributedTo, source, prefix }: NewAlert): number {
  const texts = [kind, text, device ?? '', attributedTo ?? '', source, prefix]
  return texts.reduce((sum, one) => sum + Buffer.byteLength(one), OVERHEAD_BYTES)
}
