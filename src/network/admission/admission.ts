import {
  type Clock,
  type Gcra,
  isRefusal,
  type KosErrorCode,
  type RateLimit,
  refuse,
  type Refusal,
  takeGcra,
} from '../../foundation/base/index.ts'
import {
  type Connected,
  type ConnectionFacts,
  type Enforcement,
  mintConnected,
  NO_ENFORCEMENT,
} from '../../foundation/pipeline/index.ts'
import type { Profile } from '../../foundation/profiles/index.ts'
import { parseSource, type Source } from './address.ts'
import { BoundedTable } from './bounded-table.ts'
import { HandshakeWindow } from './handshake-window.ts'
import { type AdmissionFailure, type AdmissionLimits, admissionLimits } from './limits.ts'
import { LiveCounts } from './live-counts.ts'
import { type AddressLists, type CompiledLists, compileLists, NO_LISTS } from './lists.ts'
import { addPenalty, noPenalty, type Penalty, penaltyRuns, penaltyWaitMs } from './penalty.ts'
import { type OnRefusals, RefusalRecords } from './refusal-records.ts'
import { type AdmissionTicket, Ticket, type TicketGate } from './ticket.ts'

/** The address of one end and the profile of the listener or dial. */
export interface Endpoint {
  /** As the socket reports it; `undefined` when the peer is gone already. */
  readonly address: string | undefined
  readonly port: number
  readonly listener: Profile
}

/** What the gate holds at a moment; for status and tests. */
export interface AdmissionStats {
  readonly halfOpen: number
  readonly connections: number
  readonly devices: number
  readonly handshakeWindow: number
  readonly trackedSources: number
}

/** What the gate needs from outside. */
export interface AdmissionDependencies {
  readonly clock: Clock
  /** Where aggregated refusals go. */
  readonly onRefusals: OnRefusals
  /** Further demands on who may connect; absent: none. */
  readonly enforcement?: Enforcement
}

/** How a gate is set up. */
export interface AdmissionOptions {
  readonly limits?: Partial<AdmissionLimits>
  readonly lists?: AddressLists
}

/**
 * The gate before TLS. One object serves all listeners of a process, so that a limit cannot be had once
 * per listener.
 *
 * **Security:** addresses are not identities. The gate bounds what strangers can cost; it proves nothing.
 */
export interface Admission {
  /**
   * Decides over an accepted socket before a byte of it is read.
   *
   * @returns the ticket of the connection, or a refusal KOS_ADMISSION_ADDRESS, _BLOCKED, _NOT_ALLOWED,
   * _PENALTY, _CONNECTIONS, _HALF_OPEN, _BUSY or _RATE: then close the socket at once
   */
  admit(endpoint: Endpoint): AdmissionTicket | Refusal
  /**
   * Makes the first stage of an outgoing connection once its socket is connected.
   *
   * @returns the stage, or a refusal KOS_ADMISSION_ADDRESS or _BLOCKED
   */
  dialled(endpoint: Endpoint): Connected | Refusal
  /** What the lists say of an address; ask it for open connections after {@link setLists}. */
  checkAddress(address: string): Refusal | undefined
  /**
   * Replaces the lists for new connections.
   *
   * @throws {@link KosError} KOS_ADMISSION_LIMITS when an entry is not valid; the old lists then stay
   */
  setLists(lists: AddressLists): void
  /** Delivers the refusals of the running minute; call it now and then and at the end. */
  flush(): void
  readonly stats: AdmissionStats
}

/**
 * Makes a gate: a machine over clock and limits, without timers and without I/O.
 *
 * @param deps - clock; receiver of refusal records
 * @param options - limits and lists that differ from the defaults
 * @throws {@link KosError} KOS_ADMISSION_LIMITS when a limit or list entry is not valid
 * @example
 * ```ts
 * const admission = createAdmission({ clock, onRefusals })
 * const ticket = admission.admit({ address: '192.0.2.1', port: 40000, listener: profile })
 * if (isRefusal(ticket)) socket.destroy()
 * ```
 */
export function createAdmission(
  deps: AdmissionDependencies,
  options: AdmissionOptions = {},
): Admission {
  return new Gate(deps, admissionLimits(options.limits), compileLists(options.lists ?? NO_LISTS))
}

/** What is remembered of a prefix while none of its connections need be open. */
interface History {
  readonly arrival: Gcra
  readonly penalty: Penalty
}

/** Stands for the prefix of a peer that was gone before its address could be read. */
const NO_PREFIX = '-'

const LATER = Object.freeze({ retryAfterMs: 1000 })

class Gate implements Admission, TicketGate {
  readonly #clock: Clock
  readonly #enforcement: Enforcement
  readonly #limits: AdmissionLimits
  readonly #wideRate: RateLimit
  readonly #records: RefusalRecords
  readonly #window: HandshakeWindow
  readonly #history: BoundedTable<History>
  readonly #knownGood: BoundedTable<number>
  readonly #live = new LiveCounts()
  readonly #devices = new Map<string, number>()
  #lists: CompiledLists

  constructor(deps: AdmissionDependencies, limits: AdmissionLimits, lists: CompiledLists) {
    this.#clock = deps.clock
    this.#enforcement = deps.enforcement ?? NO_ENFORCEMENT
    this.#limits = limits
    const { perSecond, burst } = limits.connectionRate
    const factor = limits.widePrefixFactor
    this.#wideRate = { perSecond: perSecond * factor, burst: burst * factor }
    this.#records = new RefusalRecords(deps.clock, deps.onRefusals, limits.refusalRecords)
    this.#window = new HandshakeWindow(limits.minHandshakeWindow, limits.halfOpenTotal)
    this.#history = new BoundedTable(limits.trackedSources)
    this.#knownGood = new BoundedTable(limits.knownGoodSources)
    this.#lists = lists
  }

  get stats(): AdmissionStats {
    return {
      halfOpen: this.#live.halfOpen,
      connections: this.#live.connections,
      devices: this.#devices.size,
      handshakeWindow: this.#window.size,
      trackedSources: this.#history.size,
    }
  }

  admit(endpoint: Endpoint): AdmissionTicket | Refusal {
    const source = sourceOf(endpoint)
    if (isRefusal(source)) return this.#noted(source, NO_PREFIX)
    const nowMs = this.#clock.monotonicMs()
    const refusal =
      this.#lists.refusalOf(source) ??
      this.#penaltyRefusal(source, nowMs) ??
      this.#sourceRefusal(source) ??
      this.#totalRefusal(source, nowMs) ??
      this.#takeRates(source, nowMs) ??
      this.#enforcement.refuse('admission', { connection: inboundFacts(source, endpoint) })
    if (refusal) return this.#noted(refusal, source.prefixes[0])
    this.#live.enter(source.prefixes)
    return new Ticket(this, source, mintConnected(inboundFacts(source, endpoint)))
  }

  dialled(endpoint: Endpoint): Connected | Refusal {
    const source = sourceOf(endpoint)
    if (isRefusal(source)) return source
    const refusal = this.#lists.refusalOf(source)
    if (refusal?.code === 'KOS_ADMISSION_BLOCKED') return refusal
    return mintConnected({
      sourceAddress: source.address,
      sourcePort: endpoint.port,
      listener: endpoint.listener,
      direction: 'outbound',
    })
  }

  checkAddress(address: string): Refusal | undefined {
    const source = parseSource(address)
    return source ? this.#lists.refusalOf(source) : noAddress()
  }

  setLists(lists: AddressLists): void {
    this.#lists = compileLists(lists)
  }

  flush(): void {
    this.#records.flush()
  }

  settle(source: Source): void {
    this.#live.endHalfOpen(source.prefixes)
    this.#window.succeeded()
  }

  enter(source: Source, device: string): Refusal | undefined {
    const open = this.#devices.get(device) ?? 0
    if (open >= this.#limits.connectionsPerDevice) {
      const refusal = refuse('KOS_ADMISSION_DEVICE', 'connections-per-device', LATER)
      return this.#noted(refusal, source.prefixes[0])
    }
    this.#devices.set(device, open + 1)
    this.settle(source)
    const untilMs = this.#clock.monotonicMs() + this.#limits.knownGoodMs
    this.#knownGood.set(source.prefixes[0], untilMs)
    return undefined
  }

  punish(source: Source, kind: AdmissionFailure, code: KosErrorCode): void {
    const nowMs = this.#clock.monotonicMs()
    const [narrow] = source.prefixes
    const { penalty } = this.#remember(narrow)
    // A source under penalty goes on failing whatever our load is: it must not close the window, or a
    // handful of addresses could shut out everybody else.
    if (!penaltyRuns(penalty, nowMs)) this.#window.failed()
    addPenalty(penalty, { addMs: this.#limits.penaltyMs[kind], nowMs }, this.#limits)
    this.#records.note(narrow, code)
  }

  leave(source: Source, last: { readonly halfOpen: boolean; readonly device?: string }): void {
    if (last.halfOpen) this.#live.endHalfOpen(source.prefixes)
    if (last.device !== undefined) this.#releaseDevice(last.device)
    this.#live.leave(source.prefixes)
  }

  /** Counts a refusal under the prefix whose limit decided, else under the narrow one. */
  #noted(refusal: Refusal, narrow: string): Refusal {
    const prefix = String(refusal.details?.['prefix'] ?? narrow)
    // Codes say which limit it was; which module it was says the rule alone.
    const rule = refusal.code === 'KOS_PIPELINE_ENFORCED' ? refusal.rule : undefined
    this.#records.note(prefix, refusal.code, rule)
    return refusal
  }

  /** The allow list and sources of authenticated peers: a lane of their own, not an exemption. */
  #mayUseLane(source: Source, nowMs: number): boolean {
    const untilMs = this.#knownGood.get(source.prefixes[0]) ?? 0
    return untilMs > nowMs || this.#lists.allows(source)
  }

  #penaltyRefusal(source: Source, nowMs: number): Refusal | undefined {
    const history = this.#history.get(source.prefixes[0])
    const waitMs = history ? penaltyWaitMs(history.penalty, nowMs) : 0
    // Behind one address may be good devices and a bad one. A known-good source under penalty loses
    // its lane (below) but may still come under all ordinary limits.
    if (waitMs === 0 || this.#mayUseLane(source, nowMs)) return undefined
    return refuse('KOS_ADMISSION_PENALTY', 'penalty', { retryAfterMs: Math.ceil(waitMs) })
  }

  #sourceRefusal(source: Source): Refusal | undefined {
    const { connectionsPerSource, halfOpenPerSource, widePrefixFactor } = this.#limits
    let factor = 1
    for (const prefix of source.prefixes) {
      const live = this.#live.of(prefix)
      if (live.connections >= connectionsPerSource * factor) {
        const extra = { ...LATER, details: { prefix } }
        return refuse('KOS_ADMISSION_CONNECTIONS', 'connections-per-source', extra)
      }
      if (live.halfOpen >= halfOpenPerSource * factor) {
        const extra = { ...LATER, details: { prefix } }
        return refuse('KOS_ADMISSION_HALF_OPEN', 'half-open-per-source', extra)
      }
      factor = widePrefixFactor
    }
    return undefined
  }

  #totalRefusal(source: Source, nowMs: number): Refusal | undefined {
    const { connectionsTotal, halfOpenTotal, reservedLane } = this.#limits
    if (this.#live.connections >= connectionsTotal) {
      return refuse('KOS_ADMISSION_BUSY', 'connections-total', LATER)
    }
    if (this.#live.halfOpen < this.#window.size) return undefined
    const penalty = this.#history.get(source.prefixes[0])?.penalty
    const good = this.#mayUseLane(source, nowMs) && !(penalty && penaltyWaitMs(penalty, nowMs) > 0)
    if (good && this.#live.halfOpen < halfOpenTotal + reservedLane) return undefined
    return refuse('KOS_ADMISSION_BUSY', 'handshake-window', LATER)
  }

  /** Takes one event of every prefix or of none. */
  #takeRates(source: Source, nowMs: number): Refusal | undefined {
    const taken: { readonly arrival: Gcra; readonly tatMs: number }[] = []
    let rate = this.#limits.connectionRate
    for (const prefix of source.prefixes) {
      const { arrival } = this.#remember(prefix)
      const { tatMs } = arrival
      const waitMs = takeGcra(arrival, rate, nowMs)
      if (waitMs > 0) {
        for (const undo of taken) undo.arrival.tatMs = undo.tatMs
        const extra = { retryAfterMs: Math.ceil(waitMs), details: { prefix } }
        return refuse('KOS_ADMISSION_RATE', 'connection-rate', extra)
      }
      taken.push({ arrival, tatMs })
      rate = this.#wideRate
    }
    return undefined
  }

  #remember(prefix: string): History {
    const history = this.#history.get(prefix) ?? { arrival: { tatMs: 0 }, penalty: noPenalty() }
    this.#history.set(prefix, history)
    return history
  }

  #releaseDevice(device: string): void {
    const open = (this.#devices.get(device) ?? 1) - 1
    if (open > 0) this.#devices.set(device, open)
    else this.#devices.delete(device)
  }
}

function sourceOf(endpoint: Endpoint): Source | Refusal {
  return parseSource(endpoint.address ?? '') ?? noAddress()
}

function noAddress(): Refusal {
  return refuse('KOS_ADMISSION_ADDRESS', 'source-address')
}

function inboundFacts(source: Source, endpoint: Endpoint): ConnectionFacts {
  return {
    sourceAddress: source.address,
    sourcePort: endpoint.port,
    listener: endpoint.listener,
    direction: 'inbound',
  }
}
