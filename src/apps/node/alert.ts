import { createHmac, hkdfSync } from 'node:crypto'
import {
  equalConstantTime,
  fromBase64Url,
  isRefusal,
  parseJson,
  type Refusal,
  type Secret,
  toBase64Url,
  utf8,
  validate,
  z,
} from '../../foundation/base/index.ts'
import { encodeCbor } from '../../foundation/codec/index.ts'

/** Largest body of `POST /v1/alerts`, in bytes. */
export const MAX_ALERT_BYTES = 4096
/** Longest text of an alert, in UTF-8 bytes. */
export const MAX_ALERT_TEXT_BYTES = 1024

/** What a device without a session tells the operator. */
export interface Alert {
  /** What it is about, a word such as `join-request`. */
  readonly kind: string
  /** One line for people, ≤ 1 KiB. */
  readonly text: string
  /** What the sender calls itself: a claim, never an identity. */
  readonly device?: string | undefined
  /** The sender's own clock. */
  readonly time: number
}

/** A MAC by a key that the sender got when it was a member. */
export interface AlertMac {
  /** Name of the key: the handle of a session token. */
  readonly key: string
  /** HMAC-SHA-256, base64url. */
  readonly tag: string
}

/** An alert as it is sent. */
export interface SentAlert extends Alert {
  readonly mac?: AlertMac | undefined
}

/** Control characters of every plane, and what turns the direction of a line. */
const UNPRINTABLE = /[\p{Cc}\p{Cs}\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/u

const alertSchema: z.ZodType<SentAlert> = z.strictObject({
  kind: z.string().regex(/^[a-z][a-z0-9-]{0,31}$/),
  text: z
    .string()
    .min(1)
    .refine((text) => Buffer.byteLength(text) <= MAX_ALERT_TEXT_BYTES && !UNPRINTABLE.test(text)),
  device: z
    .string()
    .regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,252}$/)
    .optional(),
  time: z.int().min(0).max(8_640_000_000_000_000),
  mac: z
    .strictObject({
      key: z.string().regex(/^[\w-]{1,64}$/),
      tag: z.string().regex(/^[\w-]{43}$/),
    })
    .optional(),
})

/**
 * Reads the body of `POST /v1/alerts`.
 *
 * @param body - JSON, ≤ {@link MAX_ALERT_BYTES}
 * @returns the alert, or a refusal KOS_BASE_INVALID that names what does not fit
 */
export function parseAlert(body: Uint8Array): SentAlert | Refusal {
  const parsed = parseJson(decodeUtf8(body), MAX_ALERT_BYTES)
  if (isRefusal(parsed)) return parsed
  const checked = validate(alertSchema, parsed.value, { maxDepth: 3, maxItems: 16 })
  return isRefusal(checked) ? checked : checked.value
}

/** Writes the body of `POST /v1/alerts`. */
export function encodeAlert(alert: SentAlert): Uint8Array {
  return utf8(JSON.stringify(alert))
}

/**
 * Adds a MAC, so that the operator sees whose key it was.
 *
 * @param alert - what is sent
 * @param by - handle of a session token and its secret
 * @returns the alert with its MAC
 */
export function macAlert(
  alert: Alert,
  by: { readonly handle: Uint8Array; readonly secret: Secret },
): SentAlert {
  const tag = toBase64Url(alertTag(alert, by.secret))
  return { ...alert, mac: { key: toBase64Url(by.handle), tag } }
}

/**
 * Whether the MAC of an alert holds under a key, in constant time.
 *
 * **Security:** says that somebody has the key now, who may have stolen it, and not when the alert was
 * made: compare its time.
 */
export function isMacOf(alert: SentAlert, secret: Secret): boolean {
  const tag = fromBase64Url(alert.mac?.tag ?? '')
  return tag !== undefined && equalConstantTime(tag, alertTag(alert, secret))
}

/** A key of its own: one tag never answers for a signed request. @see RFC 5869 */
function alertTag(alert: Alert, secret: Secret): Uint8Array {
  const { kind, text, device, time } = alert
  const key = secret.use((bytes) =>
    Buffer.from(hkdfSync('sha256', bytes, new Uint8Array(0), 'kos1 alert', 32)),
  )
  const covered = encodeCbor(['kos1 alert', kind, text, device ?? null, time])
  const tag = createHmac('sha256', key).update(covered).digest()
  key.fill(0)
  return tag
}

/** Text that is no UTF-8 is no JSON either. */
function decodeUtf8(bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch {
    return ''
  }
}
