import { z } from '../../foundation/base/index.ts'

/** What is known of who sent an alert. */
export const ALERT_TRUST = ['unauthenticated', 'attributed, unverified'] as const

/** An alert as operators read it. */
export interface AlertView {
  /** Counts up from 1 with every alert since the authority started. */
  readonly number: number
  readonly receivedAt: number
  /** IP address that it came from. */
  readonly source: string
  /** Address prefix that shares its rate. */
  readonly prefix: string
  readonly trust: (typeof ALERT_TRUST)[number]
  /** URI of the principal whose former key made its MAC. */
  readonly attributedTo?: string | undefined
  readonly kind: string
  readonly text: string
  /** What the sender calls itself. */
  readonly device?: string | undefined
  /** The sender's clock. */
  readonly time: number
}

/** The answer to `GET /v1/alerts`. */
export interface AlertList {
  readonly alerts: readonly AlertView[]
  /** Alerts that made room for others since the authority started. */
  readonly dropped: number
  /** Alerts that were refused since then, by rate or form. */
  readonly refused: number
  /** When the authority began to count. */
  readonly since: number
}

/** {@link AlertList} as a schema. */
export const alertList: z.ZodType<AlertList> = z.object({
  alerts: z.array(
    z.object({
      number: z.number(),
      receivedAt: z.number(),
      source: z.string(),
      prefix: z.string(),
      trust: z.enum(ALERT_TRUST),
      attributedTo: z.string().optional(),
      kind: z.string(),
      text: z.string(),
      device: z.string().optional(),
      time: z.number(),
    }),
  ),
  dropped: z.number(),
  refused: z.number(),
  since: z.number(),
})
