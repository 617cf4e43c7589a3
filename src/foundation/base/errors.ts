/** A stable, documented error code: `KOS_<ROOM>_<WHAT>`. Each room closes its own union. */
export type KosErrorCode = `KOS_${string}`

/** Whether the same request can succeed later without a change by the caller. */
export type Retry = 'never' | 'later'

/** One row of a room's error table: what a person reads, and what to do about it. */
export interface ErrorRow {
  /** One clear sentence, without secrets and without raw input. */
  readonly message: string
  /** What the reader does next; shown by the CLI below the message. */
  readonly hint: string
  readonly retry: Retry
}

/** Details that may reach a log or a person: never a secret, never raw input. */
export type SafeDetails = Readonly<Record<string, string | number | boolean>>

/**
 * The only error class of kOS: misuse and broken invariants. Expected refusals are returned as
 * {@link Refusal} values instead, so that they can be recorded.
 *
 * **Security:** `details` must be safe to print; the cause stays local and never crosses the wire.
 */
export class KosError<Code extends KosErrorCode = KosErrorCode> extends Error {
  readonly code: Code
  readonly details: SafeDetails
  readonly retry: Retry
  readonly hint: string

  constructor(code: Code, row: ErrorRow, extra: { details?: SafeDetails; cause?: unknown } = {}) {
    super(row.message, extra.cause === undefined ? undefined : { cause: extra.cause })
    this.name = 'KosError'
    this.code = code
    this.details = Object.freeze({ ...extra.details })
    this.retry = row.retry
    this.hint = row.hint
  }
}

/** A room's closed table of errors, as made by {@link defineErrors}. */
export interface ErrorTable<Code extends KosErrorCode> {
  readonly rows: Readonly<Record<Code, ErrorRow>>
  /**
   * Makes (does not throw) the error of a row.
   *
   * @param code - a code of this table
   * @param details - safe details
   * @param cause - the local cause, never shown to a peer
   */
  error(code: Code, details?: SafeDetails, cause?: unknown): KosError<Code>
  /** Whether a caught value is an error of this table. */
  has(value: unknown): value is KosError<Code>
}

/**
 * Declares the closed error table of one room. A test holds all tables equal to `docs/errors.md`.
 *
 * @param rows - code → row; codes are never reused for another meaning
 * @returns the table with its constructor function
 * @example
 * ```ts
 * import { defineErrors } from 'kos/base'
 * const errors = defineErrors({
 *   KOS_DEMO_EMPTY: { message: 'The list is empty.', hint: 'Add an entry.', retry: 'never' },
 * })
 * errors.error('KOS_DEMO_EMPTY').message // 'The list is empty.'
 * ```
 */
export function defineErrors<Code extends KosErrorCode>(
  rows: Readonly<Record<Code, ErrorRow>>,
): ErrorTable<Code> {
  const frozen = Object.freeze({ ...rows })
  return Object.freeze({
    rows: frozen,
    error: (code: Code, details?: SafeDetails, cause?: unknown): KosError<Code> =>
      new KosError(code, frozen[code], { ...(details && { details }), cause }),
    has: (value: unknown): value is KosError<Code> =>
      value instanceof KosError && Object.hasOwn(frozen, (value as KosError).code),
  })
}

/**
 * An expected "no": returned, recorded and explainable, never thrown.
 *
 * @see architecture: "Rules that hold everywhere"
 */
export interface Refusal {
  readonly allow: false
  readonly code: KosErrorCode
  /** The rule, limit or check that decided, for example `fleet/deny-etc`. */
  readonly rule: string
  /** What would allow it, in one sentence, where that can be said safely. */
  readonly remedy?: string
  readonly details?: SafeDetails
  /** After how many milliseconds a retry can succeed; absent: never. */
  readonly retryAfterMs?: number
}

/** Makes a frozen {@link Refusal}. */
export function refuse(
  code: KosErrorCode,
  rule: string,
  extra: Partial<Omit<Refusal, 'allow' | 'code' | 'rule'>> = {},
): Refusal {
  return Object.freeze({ ...extra, allow: false, code, rule })
}

/** Whether a value returned by a check is a {@link Refusal}. */
export function isRefusal(value: unknown): value is Refusal {
  // Reading is cheaper than `in` where values of many shapes come by.
  const given: { readonly allow?: unknown } | null = typeof value === 'object' ? value : null
  return given?.allow === false
}
