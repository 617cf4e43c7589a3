import type { Clock, Log, Random, Refusal } from '../../foundation/base/index.ts'
import type { ByteBudget } from './flow.ts'
import type { Established } from './handshake-machine.ts'
import type { IncomingCall } from './incoming-call.ts'
import type { Role } from './key-schedule.ts'
import type { SessionLimits } from './limits.ts'
import type { Resumption } from './resumption.ts'
import type { BusyScope, GoawayReason } from './wire-codes.ts'

/** What the machine is given of the world. */
export interface SessionMachineDeps {
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
  readonly budget: ByteBudget
  /** Where calls wait when the connection is lost; absent: they end with it. */
  readonly resumption?: Resumption | undefined
}

/** What the machine is told of its session. */
export interface SessionMachineOptions {
  readonly role: Role
  readonly limits: SessionLimits
  readonly established: Omit<Established, 'rest'>
  /** Whether every message needs a SEAL of its own, both ways. */
  readonly perMessage: boolean
  /** Whether this end replaces the connection when the peer asks for it. */
  readonly replaceable?: boolean
}

/** What the machine tells; none of it before the SEAL of its cause was verified. */
export interface SessionEvents {
  /** A call of the peer; answer it by {@link SessionMachine.respond}, at once or later. */
  onCall(call: IncomingCall): void
  /** Bytes wait: take them this turn. Called once until they are taken. */
  onPending(): void
  /** The peer takes no more calls. */
  onGoaway(reason: GoawayReason, retryAfterMs: number): void
  /** The peer asks to wait. */
  onBusy(scope: BusyScope, retryAfterMs: number): void
  /** The session is over; the last event. What waits may still be written. */
  onClosed(reason: Refusal): void
}

/** Counters of a session. */
export interface MachineStats {
  readonly callsOpened: number
  readonly callsReceived: number
  readonly callsOpen: number
  readonly bytesReceived: number
  readonly framesReceived: number
  readonly sealsReceived: number
  readonly sealsSent: number
  readonly sendEpoch: number
  readonly receiveEpoch: number
  /** Bytes of streamed results that wait for the credit of the peer. */
  readonly streamBytesWaiting: number
  /** Sent bytes of streamed results that are kept until they must have arrived. */
  readonly streamBytesKept: number
  /** Of the last PING; absent before the first. */
  readonly roundTripMs: number | undefined
}
