import type { KosErrorCode, Log } from '../../foundation/base/index.ts'
import type { CborWriter } from '../../foundation/codec/index.ts'
import type { ByteBudget, ReceiveWindow } from './flow.ts'
import type { Role } from './key-schedule.ts'
import type { SessionLimits } from './limits.ts'
import type { SessionOutput } from './output.ts'
import type { Grants } from './ready.ts'
import type { IdPool, TurnTime } from './turn.ts'

/** What both halves of a session share. */
export interface SessionCore {
  readonly role: Role
  /** Lower-case hexadecimal. */
  readonly sessionId: string
  /** Whether streams go on on another connection when this one is lost. */
  readonly resumable: boolean
  /** Whether this end makes that connection when the peer wants to recycle this one. */
  readonly replaceable: boolean
  readonly limits: SessionLimits
  /** What the peer lets this end do. */
  readonly granted: Grants
  readonly time: TurnTime
  readonly ids: IdPool
  readonly output: SessionOutput
  /** For one payload at a time. */
  readonly scratch: CborWriter
  /** DATA of the peer on all streams. */
  readonly window: ReceiveWindow
  /** Longest OPEN and RESULT the peer takes. */
  readonly maxControlBytes: number
  readonly budget: ByteBudget
  readonly log: Log
  /** Whether the session is over; the machine says so. */
  closed: boolean
  /** Closes the session because the peer broke a rule. */
  fault(code: KosErrorCode, rule: string): void
}

/** Bit 0 of the numbers of streams that this role opens. */
export function parityOf(role: Role): 0 | 1 {
  return role === 'dialler' ? 1 : 0
}
