import {
  type CancelTimer,
  type Clock,
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
import type { ChannelClose, SecureChannel } from '../transport/index.ts'
import { ID_BYTES, MAX_COMMAND_BYTES } from './call-codec.ts'
import { type CallResult, localFailure } from './calls.ts'
import { sessionErrors } from './errors.ts'
import { createByteBudget } from './flow.ts'
import { type Established, HandshakeMachine, type HandshakeStep } from './handshake-machine.ts'
import type { Hello } from './hello.ts'
import type { IncomingCall } from './incoming-call.ts'
import { Lifetime } from './lifetime.ts'
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

/** Binds the machines to a channel and to time. */
class ChannelSession implements PeerSession {
  readonly ready: Promise<Authenticated | Refusal>
  readonly closed: Promise<Refusal>
  readonly #deps: PeerSessionDeps
  readonly #options: PeerSessionOptions
  readonly #channel: SecureChannel
  readonly #clock: Clock
  /** Gone when it is done: it holds frames, hashes and keys of its own. */
  #handshake: HandshakeMachine | undefined
  readonly #resolveReady: (result: Authenticated | Refusal) => void
  readonly #resolveClosed: (reason: Refusal) => void
  readonly #flushNow = (): void => this.#flush()
  readonly #tickNow = (): void => this.#tick()
  #machine: SessionMachine | undefined
  #lifetime: Lifetime | undefined
  #established: Omit<Established, 'rest'> | undefined
  #cancelHandshakeTimer: CancelTimer | undefined
  #cancelTick: CancelTimer | undefined
  #cancelLinger: CancelTimer | undefined
  #heldHello: Uint8Array | undefined
  #blocked = false
  #paused = false
  #over: Refusal | undefined

  constructor(deps: PeerSessionDeps, options: PeerSessionOptions) {
    this.#deps = deps
    this.#options = options
    this.#channel = options.channel
    this.#clock = deps.clock
    const ready = Promise.withResolvers<Authenticated | Refusal>()
    const closed = Promise.withResolvers<Refusal>()
    this.ready = ready.promise
    this.closed = closed.promise
    this.#resolveReady = ready.resolve
    this.#resolveClosed = closed.resolve
    const { channel, role, state, limits, admit } = options
    this.#handshake = new HandshakeMachine(deps, {
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
  }

  get peerHello(): Hello | undefined {
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
    const handshake = this.#handshake
    if (!handshake) return
    this.#channel.attach({
      onData: (bytes) => this.#onData(bytes),
      onDrain: () => this.#onDrain(),
      onClose: (close) => this.#onChannelClose(close),
    })
    const { handshakeTimeoutMs } = this.#options.limits
    this.#cancelHandshakeTimer = this.#clock.after(handshakeTimeoutMs, () =>
      this.#step(handshake.tick(this.#clock.monotonicMs())),
    )
    const hello = handshake.start()
    // A listener says who it is once it knows who asks: HELLO goes with AUTH, in one write.
    if (this.#options.role === 'dialler') this.#channel.write(hello)
    else this.#heldHello = hello
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

  #onData(bytes: Uint8Array): void {
    const machine = this.#machine
    if (!machine) {
      if (!this.#over && this.#handshake) this.#step(this.#handshake.receive(bytes))
      return
    }
    machine.receive(bytes)
    this.#lifetime?.moved(bytes.length)
    this.#armTick(machine)
    this.#holdBack(machine)
  }

  /** A peer that sends but does not read may not fill our memory with its results. */
  #holdBack(machine: SessionMachine): void {
    if (this.#paused || machine.waitingBytes <= this.#options.limits.maxOutputBytes) return
    this.#paused = true
    this.#channel.pause()
  }

  #onDrain(): void {
    this.#blocked = false
    this.#flush()
    if (!this.#paused || this.#blocked) return
    this.#paused = false
    this.#channel.resume()
  }

  #onChannelClose(close: ChannelClose): void {
    this.#cancelLinger?.()
    const reason = refuse('KOS_SESSION_CLOSED', `channel: ${close.by}, ${close.reason}`)
    this.#machine?.lost(reason)
    this.#finish(reason)
  }

  #step(step: HandshakeStep): void {
    if (this.#over) return
    if (step.send.length > 0) {
      const held = this.#heldHello
      this.#heldHello = undefined
      this.#channel.write(held ? concatBytes(held, step.send) : step.send)
    }
    const { end } = step
    if (!end) return
    if (isRefusal(end)) this.#finish(end)
    else this.#establish(end)
  }

  #establish(established: Established): void {
    const { rest, ...facts } = established
    const { peer, sessionId } = facts
    const { limits, channel, role, onRecycleDue, onReady } = this.#options
    this.#cancelHandshakeTimer?.()
    this.#cancelHandshakeTimer = undefined
    this.#handshake = undefined
    this.#established = facts
    const authenticated = mintAuthenticated(channel.connected, { peer, sessionId })
    const budget = this.#deps.budget ?? createByteBudget(limits.maxReceiveBytes)
    const machine = new SessionMachine(
      { ...this.#deps, budget },
      {
        role,
        limits,
        established: facts,
        perMessage: facts.profile.messages.seal === 'per-message',
        replaceable: role === 'dialler' && onRecycleDue !== undefined,
      },
      {
        onCall: (call) => this.#answer(call, authenticated),
        onPending: () => process.nextTick(this.#flushNow),
        onGoaway: (reason, retryAfterMs) => this.#options.onGoaway?.(reason, retryAfterMs),
        onBusy: (scope, retryAfterMs) => this.#options.onBusy?.(scope, retryAfterMs),
        onClosed: (reason) => this.#finish(reason),
      },
    )
    this.#machine = machine
    const { expiresAt, profile } = facts
    this.#lifetime = new Lifetime(this.#deps, machine, {
      limits,
      profile,
      expiresAt,
      ...(role === 'dialler' && onRecycleDue && { onRecycleDue }),
    })
    this.#lifetime.start()
    // The leaf may have ended during the handshake.
    if (machine.closed) return
    onReady?.(authenticated)
    machine.start()
    if (machine.closed) return
    this.#log('session.ready', { session: sessionId, profile: profile.name })
    this.#resolveReady(authenticated)
    if (rest.length > 0) this.#onData(rest)
    this.#armTick(machine)
  }

  #answer(call: IncomingCall, authenticated: Authenticated): void {
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
    this.#cancelTick = this.#clock.after(this.#options.limits.tickMs, this.#tickNow)
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
    this.#cancelHandshakeTimer?.()
    this.#cancelTick?.()
    this.#lifetime?.stop()
    const machine = this.#machine
    this.#handshake?.abandon()
    if (machine && !this.#channel.closed) this.#leave(machine)
    else this.#channel.destroy(reason.rule)
    machine?.dispose()
    this.#log(machine ? 'session.closed' : 'session.refused', {
      code: reason.code,
      rule: reason.rule,
    })
    this.#resolveReady(reason)
    this.#resolveClosed(reason)
  }

  /** Sends what waits (RESULTs, GOAWAY), then closes; cuts a channel that does not take it. */
  #leave(machine: SessionMachine): void {
    const bytes = machine.take()
    if (bytes) this.#channel.write(bytes)
    this.#channel.end()
    this.#cancelLinger = this.#clock.after(LINGER_MS, () => this.#channel.destroy('linger'))
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
