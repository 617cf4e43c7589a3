import { readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import type { CallResult } from '../../network/session/index.ts'
import { type Member, OBJECT_KINDS, type OpenSession } from '../node/index.ts'
import type { CliWorld } from './context.ts'
import { isRenewalDue, openCredential } from './credential.ts'
import type { PeerCall, PeerCalls } from './peer-calls.ts'
import { findEntry, openPeers, type Peers } from './peers.ts'

/** Calls over sessions that stay open between them. */
export interface HeldCalls extends PeerCalls {
  /** The principal that calls, and the names of the peers it has sessions with. */
  describe(): { readonly principal: string; readonly peers: readonly string[] }
  /** Opens the session with a peer, if it is not open yet. */
  connect(peer: string): Promise<void>
  /** Names and addresses of the signed directory. */
  directory(): readonly KnownPeer[]
  close(): Promise<void>
}

/** A peer as the signed directory names it. */
export interface KnownPeer {
  readonly name: string
  readonly id: string
  readonly kind: string
  readonly addresses: readonly string[]
  readonly isOpen: boolean
}

/**
 * Holds the operator's credential open, and one session per peer. What other commands change on disk
 * counts from the next call on: objects are applied, a renewed credential replaces the open one.
 *
 * @param world - clock, randomness, and the folder of the credential
 * @throws {@link KosError} KOS_CLI_CREDENTIAL when a call finds none
 */
export function holdCalls(world: CliWorld): HeldCalls {
  return new Holder(world)
}

class Holder implements HeldCalls {
  readonly #world: CliWorld
  #hand: Hand | undefined
  #opening: Promise<Hand> | undefined

  constructor(world: CliWorld) {
    this.#world = world
  }

  async call(call: PeerCall, signal?: AbortSignal): Promise<CallResult> {
    const hand = await this.#current()
    try {
      return await hand.call(call, signal)
    } finally {
      if (isRenewalDue(this.#world, hand.member)) await this.#renew()
    }
  }

  async connect(peer: string): Promise<void> {
    const hand = await this.#current()
    await hand.session(peer)
  }

  describe(): { readonly principal: string; readonly peers: readonly string[] } {
    const hand = (this.#hand ??= new Hand(this.#world))
    return { principal: hand.member.membership.principal.uri, peers: hand.peers }
  }

  directory(): readonly KnownPeer[] {
    return (this.#hand ??= new Hand(this.#world)).directory()
  }

  async close(): Promise<void> {
    const hand = this.#hand
    this.#hand = undefined
    await hand?.retire()
  }

  /** One opening at a time, however many calls wait for it. */
  #current(): Promise<Hand> {
    this.#opening ??= this.#open().finally(() => {
      this.#opening = undefined
    })
    return this.#opening
  }

  async #open(): Promise<Hand> {
    if (this.#hand?.isReplaced) {
      // Calls that run end over the old sessions.
      void this.#hand.retire()
      this.#hand = undefined
    }
    const hand = (this.#hand ??= new Hand(this.#world))
    if (hand.hasEnded) {
      const { renewEnded } = await import('./credential-renewal.ts')
      await renewEnded(hand.member)
      await hand.retire()
      this.#hand = new Hand(this.#world)
      return this.#hand
    }
    await hand.freshen()
    return hand
  }

  async #renew(): Promise<void> {
    const { renewQuietly } = await import('./credential-renewal.ts')
    await renewQuietly(this.#world)
  }
}

/** One opened credential with its sessions. */
class Hand {
  readonly member: Member
  readonly #peers: Peers
  readonly #sessions = new Map<string, Promise<OpenSession>>()
  readonly #names = new Map<string, string>()
  readonly #keyStore: string
  #objects: string
  #running = 0
  #isRetired = false

  constructor(world: CliWorld) {
    this.member = openCredential(world)
    this.#peers = openPeers(world, this.member)
    this.#keyStore = this.#keyStoreStamp()
    this.#objects = this.#objectStamp()
  }

  get peers(): readonly string[] {
    return [...this.#names.values()]
  }

  /** Whether another command put a renewed credential in its place. */
  get isReplaced(): boolean {
    return this.#keyStoreStamp() !== this.#keyStore
  }

  get hasEnded(): boolean {
    return this.member.clock.wallMs() >= this.member.validity.notAfter
  }

  directory(): readonly KnownPeer[] {
    const { current } = this.member.fabric.directory
    return (current?.value.entries ?? []).map(({ name, id, kind, uri, addresses }) => ({
      name,
      id,
      kind,
      addresses,
      isOpen: this.#names.has(uri),
    }))
  }

  async freshen(): Promise<void> {
    const stamp = this.#objectStamp()
    if (stamp !== this.#objects) {
      this.#objects = stamp
      this.#applyObjects()
      this.#peers.recheck()
    }
    await this.#peers.freshen()
  }

  async call(call: PeerCall, signal?: AbortSignal): Promise<CallResult> {
    this.#running += 1
    try {
      const { session } = await this.session(call.peer)
      const { deadlineMs } = call
      return await session.call(call.command, call.arguments, {
        deadlineMs,
        ...(signal && { signal }),
      })
    } finally {
      this.#running -= 1
      if (this.#isRetired && this.#running === 0) await this.#close()
    }
  }

  /** The session with a peer: the open one, or a new one that all who wait for it share. */
  session(name: string): Promise<OpenSession> {
    const uri = findEntry(this.member, name)?.uri
    const held = uri === undefined ? undefined : this.#sessions.get(uri)
    if (held) return held
    const opening = this.#connect(name)
    if (uri !== undefined) {
      this.#sessions.set(uri, opening)
      opening.catch(() => this.#sessions.delete(uri))
    }
    return opening
  }

  async #connect(name: string): Promise<OpenSession> {
    const { open, entry } = await this.#peers.connect(name)
    this.#sessions.set(entry.uri, Promise.resolve(open))
    this.#names.set(entry.uri, entry.name)
    void open.session.closed.then(() => {
      this.#sessions.delete(entry.uri)
      this.#names.delete(entry.uri)
    })
    return open
  }

  /** Ends it as soon as nothing runs. */
  async retire(): Promise<void> {
    this.#isRetired = true
    if (this.#running === 0) await this.#close()
  }

  async #close(): Promise<void> {
    await this.#peers.close()
    this.member.close()
  }

  #applyObjects(): void {
    const { folder, fabric } = this.member
    for (const kind of OBJECT_KINDS) {
      try {
        // Refused when it is older than what is held: that stays in force then.
        fabric.apply(kind, readFileSync(join(folder, `${kind}.cbor`)))
      } catch {
        // A file that cannot be read now is read after its next change.
      }
    }
  }

  #objectStamp(): string {
    return OBJECT_KINDS.map((kind) => stampOf(join(this.member.folder, `${kind}.cbor`))).join()
  }

  #keyStoreStamp(): string {
    return stampOf(join(this.member.folder, 'keys', 'keystore.cbor'))
  }
}

/** Changes with every replacement of a file: they are all renamed into place. */
function stampOf(path: string): string {
  const stats = statSync(path, { bigint: true, throwIfNoEntry: false })
  return stats ? `${stats.ino}:${stats.mtimeNs}:${stats.size}` : '-'
}
