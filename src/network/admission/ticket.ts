import { type KosErrorCode, refuse, type Refusal } from '../../foundation/base/index.ts'
import type { Connected } from '../../foundation/pipeline/index.ts'
import type { Source } from './address.ts'
import { admissionErrors } from './errors.ts'
import type { AdmissionFailure } from './limits.ts'

/**
 * The place of one admitted connection in all counts, from accept to close. It is half-open until
 * `ready`; whoever holds it must call `closed` when the connection ends.
 */
export interface AdmissionTicket {
  /** The first stage of every request on this connection. */
  readonly connected: Connected
  /**
   * TLS is done; authentication begins. Without effect once the connection failed.
   *
   * @throws {@link KosError} KOS_ADMISSION_ORDER when called twice
   */
  secured(): void
  /**
   * The peer is authenticated: ends the half-open state, counts the device, and makes the source
   * known-good. Ask before READY is sent.
   *
   * @param device - who authenticated: principal URI
   * @returns `undefined`, or a refusal KOS_ADMISSION_DEVICE (too many connections of this device) or
   * KOS_ADMISSION_CLOSED (the connection ended or failed meanwhile)
   * @throws {@link KosError} KOS_ADMISSION_ORDER when called twice or before `secured`
   */
  ready(device: string): Refusal | undefined
  /**
   * Ends the half-open state though nobody authenticated: for servers whose requests carry their own
   * proof, such as HTTPS. No device is counted, and the source does not become known-good.
   *
   * @throws {@link KosError} KOS_ADMISSION_ORDER when called twice, before `secured` or after `ready`
   */
  anonymous(): void
  /**
   * The connection failed before it was ready: its source is penalised and the reason counted. Without
   * effect afterwards: once the device is known, it must not cost its neighbours behind the same
   * address.
   */
  failed(kind: AdmissionFailure, code: KosErrorCode): void
  /** Gives the place back. Harmless when repeated. */
  closed(): void
}

/** What a ticket tells the gate that issued it. */
export interface TicketGate {
  /** A connection is half-open no more, though nobody authenticated. */
  settle(source: Source): void
  /** A peer authenticated; refused when its device has too many connections. */
  enter(source: Source, device: string): Refusal | undefined
  /** A connection failed before its peer was known. */
  punish(source: Source, kind: AdmissionFailure, code: KosErrorCode): void
  /** A connection is gone that was half-open, or not; `device` is set when one had authenticated. */
  leave(source: Source, last: { readonly halfOpen: boolean; readonly device?: string }): void
}

/** The ticket as the gate issues it. */
export class Ticket implements AdmissionTicket {
  readonly connected: Connected
  readonly #gate: TicketGate
  readonly #source: Source
  #state: 'tls' | 'session' | 'ready' | 'failed' | 'closed' = 'tls'
  #halfOpen = true
  #device: string | undefined

  constructor(gate: TicketGate, source: Source, connected: Connected) {
    this.#gate = gate
    this.#source = source
    this.connected = connected
  }

  get #over(): boolean {
    return this.#state === 'failed' || this.#state === 'closed'
  }

  secured(): void {
    if (this.#over) return
    if (this.#state !== 'tls') throw admissionErrors.error('KOS_ADMISSION_ORDER')
    this.#state = 'session'
  }

  ready(device: string): Refusal | undefined {
    if (this.#over) return refuse('KOS_ADMISSION_CLOSED', 'ticket')
    if (this.#state !== 'session') throw admissionErrors.error('KOS_ADMISSION_ORDER')
    const refusal = this.#gate.enter(this.#source, device)
    this.#state = refusal ? 'failed' : 'ready'
    if (!refusal) {
      this.#halfOpen = false
      this.#device = device
    }
    return refusal
  }

  anonymous(): void {
    if (this.#over) return
    if (this.#state !== 'session') throw admissionErrors.error('KOS_ADMISSION_ORDER')
    this.#state = 'ready'
    this.#halfOpen = false
    this.#gate.settle(this.#source)
  }

  failed(kind: AdmissionFailure, code: KosErrorCode): void {
    if (this.#over || this.#state === 'ready') return
    this.#state = 'failed'
    this.#gate.punish(this.#source, kind, code)
  }

  closed(): void {
    if (this.#state === 'closed') return
    this.failed('abandoned', 'KOS_ADMISSION_ABANDONED')
    this.#state = 'closed'
    const device = this.#device
    this.#gate.leave(this.#source, {
      halfOpen: this.#halfOpen,
      ...(device !== undefined && { device }),
    })
  }
}
