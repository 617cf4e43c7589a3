/** Codes of RESET. */
export const RESET_CODES = {
  /** The caller no longer wants the result. */
  cancelled: 1,
  /** The opener stops sending because RESULT came before its last DATA. */
  answered: 2,
  /** The result's DATA is more than the caller takes. */
  refused: 3,
} as const

/** Why an end takes no more calls. */
export type GoawayReason =
  | 'shutdown'
  | 'recycle'
  | 'quarantine'
  | 'expired'
  | 'protocol'
  | 'flood'
  | 'dead-peer'
  | 'locked'
  | 'stale'

/** Codes of GOAWAY. */
export const GOAWAY_CODES: Readonly<Record<GoawayReason, number>> = {
  shutdown: 1,
  recycle: 2,
  quarantine: 3,
  expired: 4,
  protocol: 5,
  flood: 6,
  'dead-peer': 7,
  locked: 8,
  stale: 9,
}

const GOAWAY_REASONS = Object.keys(GOAWAY_CODES) as readonly GoawayReason[]

/** The reason of a GOAWAY code; `undefined` when unknown. */
export function goawayReason(code: number): GoawayReason | undefined {
  return GOAWAY_REASONS.find((reason) => GOAWAY_CODES[reason] === code)
}

/** What is busy: only this session, or the whole node. */
export type BusyScope = 'session' | 'node'

/** Scopes of BUSY. */
export const BUSY_SCOPES: Readonly<Record<BusyScope, number>> = { session: 0, node: 1 }

/** The scope of a BUSY; `undefined` when unknown. */
export function busyScope(number: number): BusyScope | undefined {
  if (number === BUSY_SCOPES.session) return 'session'
  return number === BUSY_SCOPES.node ? 'node' : undefined
}
