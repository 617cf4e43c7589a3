import {
  type CancelTimer,
  type Clock,
  isRefusal,
  type Log,
  type PrincipalUri,
  type Random,
  refuse,
  type Refusal,
} from '../../foundation/base/index.ts'
import type { ProfileName } from '../../foundation/profiles/index.ts'
import type { PeerSession } from '../../network/session/index.ts'
import { FABRIC, MAX_PUSHED_BYTES } from './fabric-commands.ts'
import type { FabricState } from './fabric-state.ts'
import type { PeerAddress } from './peer-runtime.ts'
import { routesTo } from './routes.ts'
import type { StandbySigner } from './standby-signer.ts'

/** How soon the loss of the authority is acted on. */
const LOOK_INTERVAL_MS = 2000
/** As often as the authority is asked: a third of what SEC-4 allows. */
const ASK_INTERVAL_MS = 10_000
const ASK_DEADLINE_MS = 5000
const NONCE_BYTES = 32

/** A session with a standby signer, as far as the link needs it. */
export interface StandbySession {
  readonly session: Pick<PeerSession, 'call' | 'close' | 'closed'>
}

/** What the link needs. */
export interface StandbyLinkDeps {
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
  readonly fabric: FabricState
  /** The member itself: a standby signer does not dial itself. */
  readonly own: PrincipalUri
  /** The own standby signer, when this member is one. */
  signer(): StandbySigner | undefined
  /** Connects to a standby signer. */
  readonly dial: (at: PeerAddress, uri: string) => Promise<StandbySession | Refusal>
  /** The own floor. */
  floor(): ProfileName
  /** Whether a session with the authority is open: then nobody else is asked. */
  hasAuthority(): boolean
  /** Takes a signed lock list. */
  takeLocks(signed: Uint8Array): 'newer' | 'same' | Refusal
  /** Told when the word of another one begins to make the lock list young; `authority` again later. */
  onFreshBy(by: 'authority' | PrincipalUri): void
}

/** Asks the standby signers of the trust bundle while the authority is away. */
export interface StandbyLink {
  start(): void
  stop(): void
}

/**
 * Makes the link of a member to the standby signers of its fabric. Bundle and directory say who they
 * are and where; both are kept on disk, so a restart without the authority finds them, too.
 *
 * All of them are asked each time, and the newest list that one of them has counts: one that was cut off
 * earlier than another learns from those who ask.
 *
 * @param deps - see {@link StandbyLinkDeps}
 */
export function createStandbyLink(deps: StandbyLinkDeps): StandbyLink {
  return new Link(deps)
}

class Link implements StandbyLink {
  readonly #deps: StandbyLinkDeps
  readonly #open = new Map<PrincipalUri, StandbySession>()
  /** One that does not answer must not hold the others up. */
  readonly #asking = new Set<PrincipalUri>()
  /** When one that answered is asked again. */
  readonly #dueMs = new Map<PrincipalUri, number>()
  #cancel: CancelTimer | undefined
  #isStopped = false
  #freshBy: 'authority' | PrincipalUri = 'authority'

  constructor(deps: StandbyLinkDeps) {
    this.#deps = deps
  }

  start(): void {
    if (this.#isStopped) return
    this.#look()
    this.#cancel = this.#deps.clock.after(LOOK_INTERVAL_MS, () => this.start())
  }

  #look(): void {
    const { clock, fabric } = this.#deps
    if (this.#deps.hasAuthority()) this.#leave()
    else {
      for (const { principal } of fabric.bundle.standbys) {
        const isDue = clock.monotonicMs() >= (this.#dueMs.get(principal) ?? -Infinity)
        if (isDue && !this.#asking.has(principal)) void this.#askInTurn(principal)
      }
    }
    this.#tell()
  }

  /** The authority is back: nobody else is needed. */
  #leave(): void {
    for (const { session } of this.#open.values()) session.close('authority-is-back')
    this.#open.clear()
    this.#dueMs.clear()
  }

  async #askInTurn(standby: PrincipalUri): Promise<void> {
    const { clock, log } = this.#deps
    const askedAt = clock.monotonicMs()
    this.#asking.add(standby)
    const refusal = await this.#ask(standby)
    this.#asking.delete(standby)
    // Who did not answer is asked again at the next look: there is no time to lose.
    if (!refusal) this.#dueMs.set(standby, askedAt + ASK_INTERVAL_MS)
    else {
      const { code, rule } = refusal
      log.event('standby.refused', { peer: standby, code, rule }, 'debug')
    }
    this.#tell()
  }

  #tell(): void {
    const { freshBy } = this.#deps.fabric.locks
    if (freshBy === undefined || freshBy === this.#freshBy) return
    this.#freshBy = freshBy
    this.#deps.onFreshBy(freshBy)
  }

  /** @returns why this one did not make the held list young */
  async #ask(standby: PrincipalUri): Promise<Refusal | undefined> {
    const { own, fabric } = this.#deps
    const signer = this.#deps.signer()
    if (standby === own) return signer ? signer.vouchForSelf() : notAnswered('own')
    const open = this.#open.get(standby) ?? (await this.#dial(standby))
    if (isRefusal(open)) return open
    const first = await this.#question(open, standby)
    if (first !== 'behind') return first
    const { signed } = fabric.locks.current ?? {}
    // A longer list is not pushed: the standby asks for it itself when a session opens.
    if (!signed || signed.length > MAX_PUSHED_BYTES) return notAnswered('behind')
    const second = await this.#question(open, standby, signed)
    return second === 'behind' ? notAnswered('behind') : second
  }

  /** @param locks - the own list, for a standby that holds an older one */
  async #question(
    { session }: StandbySession,
    by: PrincipalUri,
    locks?: Uint8Array,
  ): Promise<Refusal | 'behind' | undefined> {
    const { clock, random, fabric } = this.#deps
    const { era = 0, number = 0 } = fabric.locks.current?.object ?? {}
    const nonce = random.bytes(NONCE_BYTES)
    const question = { by, nonce, askedAt: clock.monotonicMs(), wallMs: clock.wallMs() }
    const args = { era, number, nonce, ...(locks && { locks }) }
    const result = await session.call(FABRIC.vouch, args, { deadlineMs: ASK_DEADLINE_MS })
    if (result.status !== 'ok') return refuse('KOS_NODE_STANDBY', result.rule ?? result.code)
    const { answer, signed } = result.value as Readonly<Record<string, unknown>>
    if (signed instanceof Uint8Array) {
      const taken = this.#deps.takeLocks(signed)
      if (isRefusal(taken)) return taken
    }
    if (!(answer instanceof Uint8Array)) return 'behind'
    return fabric.locks.confirmByStandby(answer, question)
  }

  async #dial(standby: PrincipalUri): Promise<StandbySession | Refusal> {
    const { fabric } = this.#deps
    const entry = fabric.directory.byUri(standby)
    if (!entry) return notAnswered('directory')
    const routes = routesTo(this.#deps.floor(), entry)
    if (isRefusal(routes)) return routes
    let last: Refusal = notAnswered('no-address')
    for (const at of routes) {
      const opened = await this.#deps.dial(at, standby)
      if (isRefusal(opened)) {
        last = opened
        continue
      }
      this.#open.set(standby, opened)
      void opened.session.closed.then(() => {
        if (this.#open.get(standby) === opened) this.#open.delete(standby)
      })
      return opened
    }
    return last
  }

  stop(): void {
    this.#isStopped = true
    this.#cancel?.()
  }
}

function notAnswered(why: string): Refusal {
  return refuse('KOS_NODE_STANDBY', `standby/${why}`)
}
