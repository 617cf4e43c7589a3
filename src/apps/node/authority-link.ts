import {
  type CancelTimer,
  type Clock,
  isRefusal,
  type Log,
  type Random,
  refuse,
  type Refusal,
} from '../../foundation/base/index.ts'
import type { CborInput } from '../../foundation/codec/index.ts'
import type { ProfileName } from '../../foundation/profiles/index.ts'
import { createBackoff } from '../../network/transport/index.ts'
import type { AuditLog, ForwardBatch } from '../../trust/audit/index.ts'
import type { ListenerAddresses } from '../../trust/pki/index.ts'
import { formatHostPort, parseHostPort } from './addresses.ts'
import { FABRIC, FORWARD_BOUNDS } from './fabric-commands.ts'
import type { FabricState } from './fabric-state.ts'
import { OBJECT_KINDS, type ObjectKind } from './object-files.ts'
import type { OpenSession, PeerAddress, PeerRuntime } from './peer-runtime.ts'
import { routesTo } from './routes.ts'
import type { StandbyOffer } from './standby-signer.ts'

/** How often audit entries are forwarded and the lock list's age is measured. */
const FORWARD_INTERVAL_MS = 2000
const FRESH_INTERVAL_MS = 10_000
/** A log that does not grow says so this often: silence must not look like it. */
const STATE_INTERVAL_MS = 60_000
const CALL_DEADLINE_MS = 10_000
/** How long the last entries may take when this end stops. */
const LAST_FORWARD_MS = 2000
const NONCE_BYTES = 32

/** What the link needs. */
export interface AuthorityLinkDeps {
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
  readonly runtime: PeerRuntime
  readonly fabric: FabricState
  readonly audit: AuditLog
  /** host:port under which peers reach this member. */
  addresses(): readonly string[]
  /** Those of the other listeners, by profile. */
  listeners(): ListenerAddresses
  /** The own floor. */
  floor(): ProfileName
  /** The key of a member that could be a standby signer; absent: it is none. */
  readonly standby?: StandbyOffer | undefined
  /** host:port of the authority's session listener, as it was told at joining. */
  authorityAddress(): string
  /** Told when objects took effect. */
  onApplied(kinds: readonly ObjectKind[]): void
  /** Told of an object that was handed in and did not take effect. */
  onRefused(kind: ObjectKind, refusal: Refusal): void
  /**
   * Told when no session could be had: the own clock may be the reason, or a restore. Must not reject.
   *
   * @returns after how many milliseconds to try again, when that is known; 0: the reason is gone
   */
  onUnreachable(refusal: Refusal): Promise<number | undefined>
}

/** Keeps a session with the authority: objects in, audit entries out, again after every loss. */
export interface AuthorityLink {
  /** Whether a session with the authority is open. */
  readonly isConnected: boolean
  start(): void
  /** The authority has newer objects. */
  fetch(kinds: readonly ObjectKind[]): Promise<void>
  /** A signed lock list that was brought here: it takes effect before this returns. */
  takeLocks(signed: Uint8Array): 'newer' | 'same' | Refusal
  /** Sends what is recorded and not yet forwarded; resolves when all is sent or the session ends. */
  forward(): Promise<void>
  stop(): Promise<void>
}

/**
 * Makes the link of a member to its authority.
 *
 * @param deps - see {@link AuthorityLinkDeps}
 */
export function createAuthorityLink(deps: AuthorityLinkDeps): AuthorityLink {
  return new Link(deps)
}

class Link implements AuthorityLink {
  readonly #deps: AuthorityLinkDeps
  readonly #timers = new Set<CancelTimer>()
  #open: OpenSession | undefined
  #isStopped = false
  #forwarding: Promise<void> | undefined
  /** When the authority last heard of this log, in monotonic milliseconds. */
  #statedAtMs = -Infinity

  constructor(deps: AuthorityLinkDeps) {
    this.#deps = deps
  }

  get isConnected(): boolean {
    return this.#open !== undefined
  }

  start(): void {
    void this.#keepConnected()
    this.#every(FORWARD_INTERVAL_MS, () => this.forward())
    this.#every(FRESH_INTERVAL_MS, () => this.#measureAge())
  }

  async #keepConnected(): Promise<void> {
    const backoff = createBackoff(this.#deps)
    while (!this.#isStopped) {
      const opened = await this.#dial()
      if (isRefusal(opened)) {
        const pauseMs = backoff.next(opened.retryAfterMs)
        this.#deps.log.event('authority.unreachable', { rule: opened.rule, retryAfterMs: pauseMs })
        const waitMs = (await this.#deps.onUnreachable(opened)) ?? pauseMs
        if (waitMs > 0) await this.#pause(waitMs)
        continue
      }
      backoff.reset()
      this.#open = opened
      this.#deps.log.event('authority.connected', {})
      // A call whose connection is lost waits for the next one: that must not wait for the call.
      await Promise.race([this.#catchUp(), opened.session.closed])
      const close = await opened.session.closed
      this.#open = undefined
      this.#deps.log.event('authority.lost', { rule: close.rule })
    }
  }

  /** Tries where the directory says that the authority is, then where it was at joining. */
  async #dial(): Promise<OpenSession | Refusal> {
    const { fabric, runtime } = this.#deps
    const entries = fabric.directory.current?.value.entries
    const authority = entries?.find(({ kind }) => kind === 'authority')
    let last: Refusal = refuse('KOS_NODE_STATE', 'authority-address')
    if (!authority) return last
    const routes = routesTo(this.#deps.floor(), authority)
    if (isRefusal(routes)) return routes
    for (const at of this.#withTold(routes)) {
      const opened = await runtime.dial(at, authority.uri)
      if (!isRefusal(opened)) return opened
      last = opened
    }
    return last
  }

  /** The address of joining is that of the listener for the own floor. */
  #withTold(routes: readonly PeerAddress[]): readonly PeerAddress[] {
    const told = this.#deps.authorityAddress()
    const at = parseHostPort(told)
    if (!at || routes.some((route) => formatHostPort(route) === told)) return routes
    return [...routes, { ...at, profile: this.#deps.floor() }]
  }

  /** After every connect: what changed meanwhile, where we are, what was recorded. */
  async #catchUp(): Promise<void> {
    await this.fetch(OBJECT_KINDS)
    await this.#call(FABRIC.report, reportOf(this.#deps))
    const { standby } = this.#deps
    if (standby) await this.#call(FABRIC.standby, { ...standby })
    await this.#measureAge()
    await this.forward()
  }

  async fetch(kinds: readonly ObjectKind[]): Promise<void> {
    const changed: ObjectKind[] = []
    for (const kind of kinds) {
      const value = await this.#call(FABRIC.object, { kind })
      const signed = value?.['signed']
      if (!(signed instanceof Uint8Array) || this.#isStopped) continue
      if (this.#apply(kind, signed) === 'newer') changed.push(kind)
    }
    if (changed.length > 0) this.#deps.onApplied(changed)
  }

  takeLocks(signed: Uint8Array): 'newer' | 'same' | Refusal {
    const applied = this.#apply('locks', signed)
    if (applied === 'newer') this.#deps.onApplied(['locks'])
    return applied
  }

  #apply(kind: ObjectKind, signed: Uint8Array): 'newer' | 'same' | Refusal {
    const applied = this.#deps.fabric.apply(kind, signed)
    if (isRefusal(applied)) {
      const { code, rule } = applied
      this.#deps.log.event('object.refused', { kind, code, rule }, 'warn')
      this.#deps.onRefused(kind, applied)
    }
    return applied
  }

  /** The age of the lock list counts from the own question, on the own monotonic clock. */
  async #measureAge(): Promise<void> {
    if (!this.#open) return
    const question = {
      nonce: this.#deps.random.bytes(NONCE_BYTES),
      askedAt: this.#deps.clock.monotonicMs(),
    }
    const value = await this.#call(FABRIC.fresh, { nonce: question.nonce })
    const answer = value?.['answer']
    if (!(answer instanceof Uint8Array)) return
    const refusal = this.#deps.fabric.locks.confirm(answer, question)
    if (refusal) await this.fetch(['locks'])
  }

  forward(): Promise<void> {
    this.#forwarding ??= this.#forwardAll().finally(() => {
      this.#forwarding = undefined
    })
    return this.#forwarding
  }

  async #forwardAll(): Promise<void> {
    const { audit, log } = this.#deps
    try {
      while (this.#open && !this.#isStopped) {
        const batch = await audit.unforwarded(FORWARD_BOUNDS)
        const nowMs = this.#deps.clock.monotonicMs()
        const isDue = nowMs - this.#statedAtMs >= STATE_INTERVAL_MS
        if (batch.entries.length === 0 && !isDue) return
        const value = await this.#call(FABRIC.audit, batchArguments(batch))
        const nextIndex = value?.['nextIndex']
        if (typeof nextIndex !== 'number') return
        this.#statedAtMs = nowMs
        await audit.markForwarded(nextIndex)
      }
    } catch (error) {
      log.event('audit.forward-failed', { error: String(error) }, 'warn')
    }
  }

  async #call(command: string, args: CborInput): Promise<Record<string, unknown> | undefined> {
    const open = this.#open
    if (!open) return undefined
    const result = await open.session.call(command, args, { deadlineMs: CALL_DEADLINE_MS })
    if (result.status === 'ok') return result.value as Record<string, unknown>
    const { code, rule, origin } = result
    const level = origin === 'peer' ? 'warn' : 'debug'
    this.#deps.log.event('fabric.refused', { command, code, rule }, level)
    return undefined
  }

  #every(intervalMs: number, run: () => Promise<void>): void {
    const cancel = this.#deps.clock.after(intervalMs, () => {
      this.#timers.delete(cancel)
      if (this.#isStopped) return
      void run().finally(() => this.#every(intervalMs, run))
    })
    this.#timers.add(cancel)
  }

  #pause(ms: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>()
    const cancel = this.#deps.clock.after(ms, () => {
      this.#timers.delete(cancel)
      resolve()
    })
    this.#timers.add(cancel)
    return promise
  }

  async stop(): Promise<void> {
    await this.#deps.audit.flush().catch(() => undefined)
    // An authority that does not answer must not hold this end up: the rest is sent after the start.
    await Promise.race([this.forward(), this.#pause(LAST_FORWARD_MS)])
    this.#isStopped = true
    for (const cancel of this.#timers) cancel()
  }
}

function reportOf(deps: Pick<AuthorityLinkDeps, 'addresses' | 'listeners'>): CborInput {
  const listeners = Object.entries(deps.listeners()).flatMap(([name, at]) =>
    at?.length ? [[name, [...at]] as const] : [],
  )
  return {
    addresses: [...deps.addresses()],
    ...(listeners.length > 0 && { listeners: Object.fromEntries(listeners) }),
  }
}

function batchArguments(batch: ForwardBatch): CborInput {
  return { first: batch.first, entries: [...batch.entries], checkpoint: batch.checkpoint }
}
