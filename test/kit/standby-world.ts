/**
 * A fabric in memory, on a clock that the test moves: an authority, members of any floor with the parts
 * that ask and answer while it is away, and connections that a test cuts.
 */
import type { TestContext } from 'node:test'
import {
  isRefusal,
  type PrincipalUri,
  type Refusal,
  refuse,
  sha256,
  silentLog,
  systemRandom,
  utf8,
} from '../../src/foundation/base/index.ts'
import { profileOf, type ProfileName } from '../../src/foundation/profiles/index.ts'
import { createFabricState, type FabricState } from '../../src/apps/node/fabric-state.ts'
import { createLockGate } from '../../src/apps/node/lock-gate.ts'
import { createStandbyLink, type StandbyLink } from '../../src/apps/node/standby-link.ts'
import { vouchWith } from '../../src/apps/node/standby-parts.ts'
import {
  createStandbySigner,
  type StandbySigner,
  type VouchQuestion,
  type Vouched,
} from '../../src/apps/node/standby-signer.ts'
import { type KeyStore } from '../../src/trust/keys/index.ts'
import {
  createTrustState,
  EMPTY_LOCK_LIST,
  encodeDirectory,
  encodeLockList,
  type LockList,
  signLockFreshness,
  type SignedNumbered,
  signSuccessor,
} from '../../src/trust/pki/index.ts'
import { createKeyFolder } from './key-store.ts'
import { createTestAuthority, principal, type TestAuthority } from './pki.ts'

/** What a member of the world is asked. */
type Vouch = (question: VouchQuestion, locks: Uint8Array | undefined) => Vouched | Refusal

/** A member of the world. */
export interface WorldMember {
  readonly name: string
  readonly uri: PrincipalUri
  readonly fabric: FabricState
  readonly link: StandbyLink
  /** Its keys; a thief of the machine has them. */
  readonly keys: KeyStore
  readonly signer: StandbySigner | undefined
  /** Whose word was told, in order. */
  readonly freshBy: string[]
  /** Whether it has a session with the authority, which answers it then. */
  hasAuthority: boolean
  /** Whether nobody reaches it. */
  isCut: boolean
  /** Whether its answers never come. */
  isSilent: boolean
  /** Connections to it that were made so far. */
  dialled: number
  /** Connections to it that are open. */
  open: number
  /** What it answers instead of its signer; as its signer does when absent. */
  answer: Vouch | undefined
  /** The code of the refusal of a peer of a floor, at accept, dial and on open sessions. */
  refusesPeerOf(floor: ProfileName): string | undefined
  /** Takes a signed list. */
  take(signed: Uint8Array): 'newer' | 'same' | Refusal
  ageMs(): number
}

interface MemberHow {
  readonly floor: ProfileName
  readonly stands?: boolean
  readonly isUnlisting?: boolean
}

/** The world. */
export interface StandbyWorld {
  readonly authority: TestAuthority
  /** The lock list in force; new members are given it. */
  list: SignedNumbered
  /** @param how - its floor, whether it offers to stand by, whether its directory is empty */
  member(name: string, how: MemberHow): WorldMember
  /** Permits these standby signers and nobody else; members with a session learn of it. */
  permit(standbys: readonly WorldMember[], maxMs?: number): void
  /** Signs a list; members with a session take it. */
  lock(change: Partial<LockList>): void
  /** Time passes in seconds; with the authority, lists are signed anew and nonces answered. */
  pass(ms: number): Promise<void>
  /** The authority is away for everybody. */
  lose(): void
}

const HOUR_MS = 3_600_000

/** Makes a world; it ends with the test. */
export function createStandbyWorld(context: TestContext): StandbyWorld {
  return new World(context)
}

class World implements StandbyWorld {
  readonly authority = createTestAuthority()
  readonly #members: WorldMember[] = []
  readonly #context: TestContext
  #directory: SignedNumbered | undefined
  list: SignedNumbered

  constructor(context: TestContext) {
    this.#context = context
    this.list = this.#signLocks({})
    context.after(() => {
      for (const { link } of this.#members) link.stop()
      this.authority[Symbol.dispose]()
    })
  }

  #signLocks(change: Partial<LockList>, held?: SignedNumbered): SignedNumbered {
    const { ca, clock } = this.authority
    const body = encodeLockList({ ...EMPTY_LOCK_LIST, ...change })
    const next = { held: held?.object, era: ca.era, body, issuedAt: clock.wallMs() }
    return signSuccessor('lock-list', next, ca.signers.lock.coseSigner())
  }

  member(name: string, { floor, stands = false, isUnlisting = false }: MemberHow): WorldMember {
    const { clock, ca } = this.authority
    const keys = createKeyFolder(this.#context).open()
    const trust = createTrustState({ pin: ca.pin })
    trust.apply(ca.bundle)
    const hooks = { onGenuine: () => undefined, acceptManifest: () => undefined }
    const fabric = createFabricState(trust, hooks)
    fabric.apply('locks', this.list.bytes)
    const { uri } = principal('agent', name)
    const deps = { clock, random: systemRandom, log: silentLog, fabric, keys }
    const signer = stands ? createStandbySigner(deps, uri) : undefined
    const isStandby = (peer: string): boolean =>
      fabric.bundle.standbys.some((standby) => standby.principal === peer)
    const gate = createLockGate({ clock, locks: fabric.locks, isStandby }, () => profileOf(floor))
    const take = (signed: Uint8Array): ReturnType<WorldMember['take']> =>
      fabric.apply('locks', signed)
    const link = createStandbyLink({
      ...deps,
      own: uri,
      signer: () => signer,
      floor: () => floor,
      hasAuthority: () => member.hasAuthority,
      takeLocks: take,
      dial: (_at, to) => Promise.resolve(this.#dial(member, to)),
      onFreshBy: (by) => void member.freshBy.push(by),
    })
    const member: WorldMember = {
      name,
      uri,
      fabric,
      link,
      keys,
      signer,
      take,
      freshBy: [],
      answer: undefined,
      hasAuthority: true,
      isCut: false,
      isSilent: false,
      dialled: 0,
      open: 0,
      refusesPeerOf: (peer) => gate.check(peerOf(peer))?.code,
      ageMs: () => fabric.locks.ageMs(clock.monotonicMs()),
    }
    this.#members.push(member)
    if (!isUnlisting) this.#publishDirectory(floor)
    link.start()
    return member
  }

  /** Everybody has the floor of the newest member: routes are not what these tests are about. */
  #publishDirectory(profile: ProfileName): void {
    const { ca, clock } = this.authority
    const entries = this.#members.map(({ uri, name }) => ({
      uri,
      name,
      profile,
      roles: [],
      groups: [],
      labels: {},
      addresses: ['127.0.0.1:7402'],
      identityKeyHash: sha256(utf8(name)),
    }))
    const body = encodeDirectory(entries)
    this.#directory = signSuccessor(
      'directory',
      { held: this.#directory?.object, era: ca.era, body, issuedAt: clock.wallMs() },
      ca.signers.directory.coseSigner(),
    )
    for (const { fabric } of this.#members) fabric.apply('directory', this.#directory.bytes)
  }

  #dial(
    from: WorldMember,
    uri: string,
  ): ReturnType<Parameters<typeof createStandbyLink>[0]['dial']> {
    const to = this.#members.find((member) => member.uri === uri)
    const isReached = to && !to.isCut && !from.isCut
    if (!isReached) return Promise.resolve(refuse('KOS_TRANSPORT_UNREACHABLE', 'cut'))
    to.dialled += 1
    to.open += 1
    const { promise: closed, resolve } = Promise.withResolvers<Refusal>()
    const close = (rule: string): void => {
      resolve(refuse('KOS_SESSION_CLOSED', rule))
      to.open -= 1
    }
    return Promise.resolve({
      session: {
        closed,
        close,
        call: (_command, args) => {
          if (to.isCut || from.isCut) {
            close('cut')
            const lost = { code: 'KOS_SESSION_LOST', rule: 'cut', origin: 'local' } as const
            return Promise.resolve({ status: 'failed', ...lost })
          }
          if (to.isSilent) return new Promise(() => undefined)
          const said = answerOf(to, args as unknown as Asked)
          if (!isRefusal(said))
            return Promise.resolve({ status: 'ok', value: said, origin: 'peer' })
          const { code, rule } = said
          return Promise.resolve({ status: 'refused', code, rule, origin: 'peer' })
        },
      },
    })
  }

  permit(standbys: readonly WorldMember[], maxMs: number = HOUR_MS): void {
    const { ca } = this.authority
    ca.setStandbys(
      standbys.map(({ uri: by, signer }) => {
        if (!signer) throw new TypeError('it does not stand by')
        return { principal: by, spki: signer.offer.spki, maxMs }
      }),
    )
    for (const { fabric, hasAuthority } of this.#members) {
      if (hasAuthority) fabric.apply('bundle', ca.bundle)
    }
  }

  lock(change: Partial<LockList>): void {
    this.list = this.#signLocks(change, this.list)
    for (const member of this.#members) if (member.hasAuthority) member.take(this.list.bytes)
  }

  async pass(ms: number): Promise<void> {
    const { clock, ca } = this.authority
    for (let passedMs = 0; passedMs < ms; passedMs += 1000) {
      clock.advance(1000)
      for (const member of this.#members) {
        if (!member.hasAuthority) continue
        const nonce = systemRandom.bytes(32)
        const signer = ca.signers.lock.coseSigner()
        member.take(this.#resigned().bytes)
        const answer = signLockFreshness(this.list.object, nonce, signer)
        member.fabric.locks.confirm(answer, { nonce, askedAt: clock.monotonicMs() })
      }
      // Questions and answers are promises that nothing else holds up.
      await new Promise((resolve) => setImmediate(resolve))
    }
  }

  #resigned(): SignedNumbered {
    const { ca, clock } = this.authority
    const { object } = this.list
    const next = { held: object, era: object.era, body: object.body, issuedAt: clock.wallMs() }
    this.list = signSuccessor('lock-list', next, ca.signers.lock.coseSigner())
    return this.list
  }

  lose(): void {
    for (const member of this.#members) member.hasAuthority = false
  }
}

interface Asked {
  readonly era: number
  readonly number: number
  readonly nonce: Uint8Array
  readonly locks?: Uint8Array
}

function answerOf(to: WorldMember, { era, number, nonce, locks }: Asked): Vouched | Refusal {
  const question = { held: { era, number }, nonce }
  if (to.answer) return to.answer(question, locks)
  return vouchWith(
    { link: { takeLocks: (signed) => to.take(signed) }, signer: to.signer },
    question,
    locks,
  )
}

function peerOf(floor: ProfileName): Parameters<ReturnType<typeof createLockGate>['check']>[0] {
  return {
    principal: principal('agent', 'peer'),
    floor: profileOf(floor),
    generation: 1,
    identityKeyHash: sha256(utf8('identity')),
    tlsKeyHash: sha256(utf8('tls')),
    serial: '40aa',
    notAfter: 0 as never,
  }
}
