import {
  type CancelTimer,
  concatBytes,
  fromHex,
  isRefusal,
  KosError,
  type LogFields,
  refuse,
  type Refusal,
} from '../../foundation/base/index.ts'
import type { CborInput } from '../../foundation/codec/index.ts'
import { type Authenticated, mintAuthenticated } from '../../foundation/pipeline/index.ts'
import type { ChannelClose, ChannelHandlers, SecureChannel } from '../transport/index.ts'
import { ID_BYTES, MAX_COMMAND_BYTES } from './call-codec.ts'
import { type CallResult, localFailure } from './calls.ts'
import { sessionErrors } from './errors.ts'
import { createByteBudget } from './flow.ts'
import { type Established, HandshakeMachine, type HandshakeStep } from './handshake-machine.ts'
import type { PeerHello } from './hello.ts'
import type { IncomingCall } from './incoming-call.ts'
import { Lifetime } from './lifetime.ts'
import type { SessionEvents } from './machine-api.ts'
import type { OpenRequest } from './outgoing-call.ts'
import type { SessionToken } from './ready.ts'
import type {
  CallOptions,
  PeerSession,
  PeerSessionDeps,
  PeerSessionOptions,
  SessionStats,
} from './session-api.ts'
import { SessionMachine } from './session-machine.ts'
import { SlowTimer } from './slow-timer.ts'
import type { BusyScope, GoawayReason } from './wire-codes.ts'

/** How long the last bytes may take to leave before the channel is cut. */
const LINGER_MS = 1000

/**
 * Starts a session on a secured channel: handshake at once, then calls both ways.
 *
 * **Security:** `ready` resolves with facts only after the peer's AUTH and READY verified. Whether
 * the peer may call a command is decided by whoever answers `onCall`.
 *
 * @param deps - clock, randomness, log, authenticator, budget
 * @param options - channel, limits and handlers
 * @returns the session, whose `ready` and `closed` tell how it goes
 * @see docs/protocol.md
 */
export function createPeerSession(deps: PeerSessionDeps, options: PeerSessionOptions): PeerSession {
  const session = new ChannelSession(deps, options)
  session.start()
  return session
}

/** What is gone once the session is ready: frames, hashes and keys of the handshake among it. */
interface Starting {
  readonly options: PeerSessionOptions
  readonly handshake: HandshakeMachine
  cancelTimer: CancelTimer | undefined
  heldHello: Uint8Array | undefined
}

/** Binds the machines to a channel and to time. */
class ChannelSession implements PeerSession, ChannelHandlers, SessionEvents {
  static readonly #flushOf = (session: ChannelSession): void => session.#flush()
  readonly ready: Promise<Authenticated | Refusal>
  readonly closed: Promise<Refusal>
  readonly #deps: PeerSessionDeps
  readonly #channel: SecureChannel
  readonly #options: Pick<PeerSessionOptions, 'limits' | 'onCall' | 'onGoaway' | 'onBusy'>
  #starting: Starting | undefined
  #resolveReady: ((result: Authenticated | Refusal) => void) | undefined
  readonly #resolveClosed: (reason: Refusal) => void
  #authenticated: Authenticated | undefined
  #machine: SessionMachine | undefined
  #lifetime: Lifetime | undefined
  #established: Omit<Established, 'rest'> | undefined
  #cancelTick: CancelTimer | undefined
  #cancelLinger: CancelTimer | undefined
  #blocked = false
  #paused = false
  #receiving = false
  /** Whether bytes wait since something was received. */
  #pending = false
  #over: Refusal | undefined

  constructor(deps: PeerSessionDeps, options: PeerSessionOptions) {
    const { channel, role, state, limits, admit, onCall, onGoaway, onBusy } = options
    this.#deps = deps
    this.#channel = channel
    this.#options = {
      limits,
      onCall,
      ...(onGoaway && { onGoaway }),
      ...(onBusy && { onBusy }),
    }
    const ready = Promise.withResolvers<Authenticated | Refusal>()
    const closed = Promise.withResolvers<Refusal>()
    this.ready = ready.promise
    this.closed = closed.promise
    this.#resolveReady = ready.resolve
    this.#resolveClosed = closed.resolve
    const handshake = new HandshakeMachine(deps, {
      role,
      transport: channel.connected.connection.listener,
      peerLeafDer: channel.peerLeafDer,
      localLeafHash: channel.localLeafSpkiSha256,
      pskHandle: channel.pskHandle,
      exporter: (label, context, length) => channel.exporter(label, context, length),
      state,
      limits,
      resumeMs: deps.resumption ? limits.resumeMs : 0,
      admit,
    })
    this.#starting = { options, handshake, cancelTimer: undefined, heldHello: undefined }
  }

  get peerHello(): PeerHello | undefined {
    return this.#established?.peerHello
  }

  get receivedToken(): SessionToken | undefined {
    return this.#established?.received
  }

  get issuedToken(): SessionToken | undefined {
    return this.#established?.issued
  }

  get stats(): SessionStats | undefined {
    const { bytesWritten, bufferedBytes } = this.#channel
    const machine = this.#machine
    return machine && { ...machine.stats, bytesSent: bytesWritten, bytesWaiting: bufferedBytes }
  }

  /** Attaches to the channel; a dialler sends HELLO. */
  start(): void {
    const starting = this.#starting
    if (!starting) return
    this.#channel.attach(this)
    const { handshake, options } = starting
    const { clock } = this.#deps
    starting.cancelTimer = clock.after(options.limits.handshakeTimeoutMs, () =>
      this.#step(handshake.tick(clock.monotonicMs())),
    )
    const hello = handshake.start()
    // A listener says who it is once it knows who asks: HELLO goes with AUTH, in one write.
    if (options.role === 'dialler') this.#channel.write(hello)
    else starting.heldHello = hello
  }

  call(command: string, args: CborInput, options?: CallOptions): Promise<CallResult> {
    // What the executor throws becomes the rejection: misuse only.
    return new Promise((resolve) => {
      this.#call(this.#request(command, args, options), options, resolve)
    })
  }

  goaway(reason: GoawayReason, retryAfterMs: number = 0): void {
    if (this.#machine) this.#machine.goaway(reason, retryAfterMs)
    else this.close(reason)
  }

  busy(scope: BusyScope, retryAfterMs: number): void {
    this.#machine?.sendBusy(scope, retryAfterMs)
  }

  rekey(): void {
    this.#machine?.rekey()
  }

  close(reason: string, goaway: GoawayReason = 'shutdown'): void {
    const refusal = refuse('KOS_SESSION_CLOSED', reason)
    if (this.#machine) this.#machine.close(refusal, goaway)
    else this.#finish(refusal)
  }

  #request(command: string, args: CborInput, options: CallOptions | undefined): OpenRequest {
    const isLong = command.length * 3 > MAX_COMMAND_BYTES
    if (command === '' || (isLong && Buffer.byteLength(command) > MAX_COMMAND_BYTES)) {
      throw sessionErrors.error('KOS_SESSION_MISUSE', { rule: 'call: command' })
    }
    return {
      command,
      arguments: args,
      deadlineMs: options?.deadlineMs ?? this.#options.limits.defaultDeadlineMs,
      callId: idBytes(options?.callId),
      traceId: idBytes(options?.traceId),
      sink: options?.onData,
    }
  }

  #call(
    request: OpenRequest,
    options: CallOptions | undefined,
    resolve: (result: CallResult) => void,
  ): void {
    const machine = this.#machine
    if (!machine || machine.closed) {
      const code = this.#over ? 'KOS_SESSION_CLOSED' : 'KOS_SESSION_NOT_READY'
      resolve(localFailure(code, this.#over?.rule ?? 'handshake'))
      return
    }
    if (this.#blocked) machine.newTurn()
    const signal = options?.signal
    if (signal) this.#callWithSignal(machine, { request, signal }, resolve)
    else machine.open(request, resolve)
    this.#armTick(machine)
  }

  #callWithSignal(
    machine: SessionMachine,
    what: { readonly request: OpenRequest; readonly signal: AbortSignal },
    resolve: (result: CallResult) => void,
  ): void {
    const { request, signal } = what
    if (signal.aborted) {
      resolve(localFailure('KOS_SESSION_CANCELLED', 'signal'))
      return
    }
    const cancel = (): void => {
      if (call) machine.cancel(call)
    }
    const call = machine.open(request, (result) => {
      signal.removeEventListener('abort', cancel)
      resolve(result)
    })
    if (call) signal.addEventListener('abort', cancel, { once: true })
  }

  onData(bytes: Uint8Array): void {
    const machine = this.#machine
    if (!machine) {
      if (!this.#over && this.#starting) this.#step(this.#starting.handshake.receive(bytes))
      return
    }
    this.#receiving = true
    machine.receive(bytes)
    this.#receiving = false
    this.#lifetime?.moved(bytes.length)
    this.#answerNow(machine)
    this.#armTick(machine)
    this.#holdBack(machine)
  }

  /** Results of calls may follow within the turn, and then share a write; nothing follows a PONG. */
  #answerNow(machine: SessionMachine): void {
    if (!this.#pending) return
    this.#pending = false
    if (machine.busy) this.onPending()
    else this.#flush()
  }

  /** A peer that sends but does not read may not fill our memory with its results. */
  #holdBack(machine: SessionMachine): void {
    if (this.#paused || machine.waitingBytes <= this.#options.limits.maxOutputBytes) return
    this.#paused = true
    this.#channel.pause()
  }

  onDrain(): void {
    this.#blocked = false
    this.#flush()
    if (!this.#paused || this.#blocked) return
    this.#paused = false
    this.#channel.resume()
  }

  onClose(close: ChannelClose): void {
    this.#cancelLinger?.()
    const reason = refuse('KOS_SESSION_CLOSED', `channel: ${close.by}, ${close.reason}`)
    this.#machine?.lost(reason)
    this.#finish(reason)
  }

  #step(step: HandshakeStep): void {
    if (this.#over) return
    if (step.send.length > 0) {
      const held = this.#starting?.heldHello
      if (this.#starting) this.#starting.heldHello = undefined
      this.#channel.write(held ? concatBytes(held, step.send) : step.send)
    }
    const { end } = step
    if (!end) return
    if (isRefusal(end)) this.#finish(end)
    else if (this.#starting) this.#establish(end, this.#starting)
  }

  #establish(established: Established, { options, cancelTimer }: Starting): void {
    const { rest, ...facts } = established
    const { peer, sessionId, profile } = facts
    const { channel, onReady } = options
    cancelTimer?.()
    this.#starting = undefined
    channel.forgetLeaf()
    this.#established = facts
    const authenticated = mintAuthenticated(channel.connected, { peer, sessionId })
    this.#authenticated = authenticated
    const machine = this.#createMachine(facts, options)
    // The leaf may have ended during the handshake.
    if (machine.closed) return
    onReady?.(authenticated)
    machine.start()
    if (machine.closed) return
    this.#log('session.ready', { session: sessionId, profile: profile.name })
    this.#resolveReady?.(authenticated)
    this.#resolveReady = undefined
    if (rest.length > 0) this.onData(rest)
    this.#armTick(machine)
  }

  #createMachine(
    established: Omit<Established, 'rest'>,
    { role, limits, onRecycleDue }: PeerSessionOptions,
  ): SessionMachine {
    const { profile, expiresAt } = established
    const { clock, budget = createByteBudget(limits.maxReceiveBytes) } = this.#deps
    const machine = new SessionMachine(
      { ...this.#deps, budget },
      {
        role,
        limits,
        established,
        perMessage: profile.messages.seal === 'per-message',
        replaceable: role === 'dialler' && onRecycleDue !== undefined,
      },
      this,
    )
    this.#machine = machine
    const { timer = new SlowTimer(clock, 0) } = this.#deps
    this.#lifetime = new Lifetime({ ...this.#deps, timer }, machine, {
      role,
      limits,
      profile,
      expiresAt,
      ...(role === 'dialler' && onRecycleDue && { onRecycleDue }),
    })
    this.#lifetime.start()
    return machine
  }

  onPending(): void {
    if (this.#receiving) this.#pending = true
    else process.nextTick(ChannelSession.#flushOf, this)
  }

  onGoaway(reason: GoawayReason, retryAfterMs: number): void {
    this.#options.onGoaway?.(reason, retryAfterMs)
  }

  onBusy(scope: BusyScope, retryAfterMs: number): void {
    this.#options.onBusy?.(scope, retryAfterMs)
  }

  onClosed(reason: Refusal): void {
    this.#finish(reason)
  }

  onCall(call: IncomingCall): void {
    const authenticated = this.#authenticated
    if (!authenticated) return
    try {
      const outcome = this.#options.onCall(call, authenticated)
      if (outcome instanceof Promise) {
        outcome.then(
          (late) => call.home.respond(call, late),
          (error: unknown) => this.#failed(call, error),
        )
      } else {
        this.#machine?.respond(call, outcome)
      }
    } catch (error) {
      this.#failed(call, error)
    }
  }

  /** A handler threw: the peer learns that it failed, the log why. */
  #failed(call: IncomingCall, error: unknown): void {
    const code = error instanceof KosError ? String(error.code) : 'KOS_SESSION_INTERNAL'
    const name = error instanceof Error ? error.name : typeof error
    this.#log('session.call', { callId: call.callId, code, error: name })
    call.home.respond(call, { status: 'failed', code: 'KOS_SESSION_INTERNAL', rule: 'handler' })
  }

  #flush(): void {
    const machine = this.#machine
    // Until the channel drains everything waits in the machine, joined.
    if (!machine || this.#blocked || this.#over) return
    const bytes = machine.take()
    if (!bytes) return
    this.#blocked = !this.#channel.write(bytes)
    this.#lifetime?.moved(bytes.length)
  }

  #armTick(machine: SessionMachine): void {
    if (this.#cancelTick || !machine.busy || machine.closed) return
    this.#cancelTick = this.#deps.clock.after(this.#options.limits.tickMs, () => this.#tick())
  }

  #tick(): void {
    this.#cancelTick = undefined
    const machine = this.#machine
    if (!machine) return
    machine.tick()
    this.#armTick(machine)
  }

  /** The one end of everything: last bytes, timers, keys, promises. */
  #finish(reason: Refusal): void {
    if (this.#over) return
    this.#over = reason
    this.#starting?.cancelTimer?.()
    this.#cancelTick?.()
    this.#lifetime?.stop()
    const machine = this.#machine
    this.#starting?.handshake.abandon()
    if (machine && !this.#channel.closed) this.#leave(machine)
    else this.#channel.destroy(reason.rule)
    machine?.dispose()
    this.#log(machine ? 'session.closed' : 'session.refused', {
      code: reason.code,
      rule: reason.rule,
    })
    this.#resolveReady?.(reason)
    this.#starting = undefined
    this.#resolveClosed(reason)
  }

  /** Sends what waits (RESULTs, GOAWAY), then closes; cuts a channel that does not take it. */
  #leave(machine: SessionMachine): void {
    const bytes = machine.take()
    if (bytes) this.#channel.write(bytes)
    this.#channel.end()
    this.#cancelLinger = this.#deps.clock.after(LINGER_MS, () => this.#channel.destroy('linger'))
  }

  #log(name: string, fields: LogFields): void {
    const { sourceAddress } = this.#channel.connected.connection
    const peer = this.#established?.peer.principal.uri
    this.#deps.log.event(name, { source: sourceAddress, peer, ...fields })
  }
}

function idBytes(id: string | undefined): Uint8Array | undefined {
  if (id === undefined) return undefined
  const bytes = fromHex(id)
  if (bytes?.length !== ID_BYTES) {
    throw sessionErrors.error('KOS_SESSION_MISUSE', { rule: 'call: id' })
  }
  return bytes
}
