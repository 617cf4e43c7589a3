import { mkdirSync } from 'node:fs'
import {
  type Clock,
  isRefusal,
  refuse,
  type Refusal,
  type UnixMs,
  unixMs,
} from '../../foundation/base/index.ts'
import { parseCertificate, pemEncode } from '../../foundation/codec/index.ts'
import type { PeerFacts } from '../../foundation/pipeline/index.ts'
import { type Profile, profileOf } from '../../foundation/profiles/index.ts'
import type { OwnIdentity, PeerAuthenticator } from '../../network/session/index.ts'
import type {
  CertificateIdentity,
  DiallerIdentity,
  VerifyPeer,
} from '../../network/transport/index.ts'
import type { KeyStore } from '../../trust/keys/index.ts'
import {
  findIssuer,
  createPeerVerifier,
  createTrustState,
  type NumberedObject,
  type PeerVerifier,
} from '../../trust/pki/index.ts'
import type { AuthorityClient, ClientIdentity } from './authority-client.ts'
import { nodeErrors } from './errors.ts'
import { createFabricState, type FabricState } from './fabric-state.ts'
import { createFloorClock, type FloorClock } from './floor-clock.ts'
import { openFloorFile } from './floor-file.ts'
import { createFloorGate, type FloorGate, type OnFloorRefused } from './floor-gate.ts'
import { createLockGate, type LockGate } from './lock-gate.ts'
import {
  checkOwnFloor,
  keepOwnFloor,
  loadMembership,
  type Membership,
  storeMembership,
} from './membership.ts'
import { OBJECT_KINDS, type ObjectKind, readObject, writeObject } from './object-files.ts'
import { machineHash } from './machine.ts'
import { pskAuthenticatorOf, pskDialIdentity } from './psk-credential.ts'
import { trustAnchorsPem } from './trust-anchors.ts'
import { openFolderKeys, type UnlockDeps } from './unlock.ts'

/** A principal that has joined: its keys, its certificate and what it believes of its fabric. */
export interface Member {
  readonly folder: string
  readonly keys: KeyStore
  readonly membership: Membership
  readonly fabric: FabricState
  /** What the lock list says about peers. */
  readonly locks: LockGate
  /** What is known of the floors of peers. */
  readonly floors: FloorGate
  /** The machine's clock, never earlier than what the authority signed. */
  readonly clock: FloorClock
  /** Start and end of the leaf in use. */
  readonly validity: { readonly notBefore: UnixMs; readonly notAfter: UnixMs }
  /** Whether the trust bundle asks for another leaf, because the issuer of this one is on its way out. */
  readonly isIssuerTainted: boolean
  /** Replaces the membership after a renewal; durable on return. */
  update(membership: Membership): void
  /** What TLS authenticates with. */
  certificateIdentity(): CertificateIdentity
  /** What a dialler authenticates with: the certificate, or the pre-shared key. */
  diallerIdentity(): DiallerIdentity
  /** What the session asks about identities. */
  authenticator(): PeerAuthenticator
  /** The own check of a peer's leaf, for the transport. */
  verifyPeer: VerifyPeer
  /** A verified connection to the authority with the own certificate; its requests are signed. */
  connectAuthority(timeoutMs: number): Promise<AuthorityClient>
  close(): void
}

interface MemberDeps extends UnlockDeps {
  readonly clock: Clock
}

interface MemberOptions {
  readonly folder: string
  /** Loads a genuine, newer manifest; accepted as it is when absent. */
  readonly acceptManifest?: (manifest: NumberedObject) => Refusal | undefined
  /** Told when an object in force could not be written; without it the error is thrown. */
  readonly onKeepFailed?: (kind: ObjectKind, error: unknown) => void
  /** 32 bytes that tell two machines with one pre-shared key apart; those of this one when absent. */
  readonly machine?: Uint8Array | undefined
  /** Told of peers that came with a lower floor than they have. */
  readonly onFloorRefused?: OnFloorRefused
}

/** A lock list that says nothing new is written again this often: it carries the floor of time. */
const KEEP_INTERVAL_MS = 60_000

/** Opens or makes the key store of a state folder. */
export function openMemberKeys(deps: UnlockDeps, folder: string): KeyStore {
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  return openFolderKeys(deps, folder)
}

/**
 * Opens a joined principal.
 *
 * @param deps - clock and randomness
 * @param options - its state folder, and who takes manifests
 * @returns the member, or `undefined` when the folder holds none
 * @throws {@link KosError} KOS_NODE_STATE when kept objects are missing or do not verify,
 * KOS_NODE_FLOOR when the folder had a stricter profile before, KOS_NODE_PASSPHRASE
 */
export function openMember(deps: MemberDeps, options: MemberOptions): Member | undefined {
  const keys = openMemberKeys(deps, options.folder)
  const membership = loadMembership(keys)
  if (!membership) {
    keys.close()
    return undefined
  }
  try {
    return assemble(deps, { ...options, keys, membership })
  } catch (error) {
    keys.close()
    throw error
  }
}

function assemble(
  deps: MemberDeps,
  opened: MemberOptions & { readonly keys: KeyStore; readonly membership: Membership },
): Member {
  const { folder, keys } = opened
  let membership = opened.membership
  let leaf = leafOf(membership)
  const clock = createFloorClock(deps.clock)
  const memory = openFloorFile(deps, opened)
  keepOwnFloor(keys, memory, membership)
  const { fabric, floors } = loadFabricAndFloors(clock, opened, {
    memory,
    own: () => membership.principal.uri,
  })
  const locks = lockGateOf(clock, fabric, () => profileOf(membership.profile))
  const trusting = { fabric, locks, floors, verifier: createPeerVerifier() }
  const identity = (): ClientIdentity => {
    if (membership.psk) throw nodeErrors.error('KOS_NODE_NO_CERTIFICATE')
    return {
      certificateChainPem: chainPem(membership.leaf, fabric),
      privateKeyPem: keys.require(membership.tlsKey).tlsPrivateKeyPem(),
    }
  }
  const certificateIdentity = (): CertificateIdentity => withAnchors(identity(), fabric)
  return {
    folder,
    keys,
    fabric,
    locks,
    floors,
    clock,
    get membership(): Membership {
      return membership
    },
    get validity(): { notBefore: UnixMs; notAfter: UnixMs } {
      return leaf ? { notBefore: leaf.notBefore, notAfter: leaf.notAfter } : NO_LEAF
    },
    get isIssuerTainted(): boolean {
      return leaf !== undefined && findIssuer(leaf, fabric.bundle)?.isTainted === true
    },
    update: (next): void => {
      checkOwnFloor(keys, memory, next)
      // A crash in between leaves the higher membership, which is remembered at the next start.
      storeMembership(keys, next)
      keepOwnFloor(keys, memory, next)
      membership = next
      leaf = leafOf(next)
    },
    certificateIdentity,
    diallerIdentity: () =>
      membership.psk ? pskDialIdentity(keys, membership.psk) : certificateIdentity(),
    authenticator: () =>
      anyAuthenticator({ ...trusting, keys, membership: () => membership }, opened),
    verifyPeer: (leafDer, purpose) => {
      const question = { leafDer, purpose, nowMs: clock.wallMs() }
      const verified = verifyPeerFacts(trusting, question)
      return isRefusal(verified) ? verified : undefined
    },
    connectAuthority: async (timeoutMs) => {
      // A call between peers does without it.
      const { connectMember } = await import('./member-client.ts')
      const leafSpki = requireLeaf(leaf).spki
      const parts = { folder, keys, fabric, membership, clock, identity: identity(), leafSpki }
      return connectMember(deps, parts, timeoutMs)
    },
    close: () => keys.close(),
  }
}

function lockGateOf(clock: FloorClock, fabric: FabricState, own: () => Profile): LockGate {
  const isStandby = (uri: string): boolean =>
    fabric.bundle.standbys.some(({ principal }) => principal === uri)
  return createLockGate({ clock, locks: fabric.locks, isStandby }, own)
}

function withAnchors(identity: ClientIdentity, { bundle }: FabricState): CertificateIdentity {
  return { kind: 'certificate', ...identity, trustedCaPem: trustAnchorsPem(bundle) }
}

/** A device without certificate has nothing to renew. */
const NO_LEAF = Object.freeze({ notBefore: unixMs(0), notAfter: unixMs(8_640_000_000_000_000) })

type Leaf = ReturnType<typeof parseCertificate>

function leafOf({ psk, leaf }: Membership): Leaf | undefined {
  return psk ? undefined : parseCertificate(leaf)
}

function requireLeaf(leaf: Leaf | undefined): Leaf {
  if (!leaf) throw nodeErrors.error('KOS_NODE_NO_CERTIFICATE')
  return leaf
}

function anyAuthenticator(
  parts: Parameters<typeof authenticatorOf>[0],
  { machine }: Pick<MemberOptions, 'machine'>,
): PeerAuthenticator {
  return parts.membership().psk
    ? pskMemberAuthenticator({ ...parts, machine: machine ?? machineHash() })
    : authenticatorOf(parts)
}

/** Nobody but the authority is on the other end, and no certificate is ever asked for. */
function pskMemberAuthenticator(
  parts: Parameters<typeof pskAuthenticatorOf>[0],
): PeerAuthenticator {
  return {
    own: () => {
      throw nodeErrors.error('KOS_NODE_NO_CERTIFICATE')
    },
    verifyPeer: () => refuse('KOS_NODE_REFUSED', 'psk/certificate'),
    psk: pskAuthenticatorOf(parts),
  }
}

/** The signed objects in force, and the floors that they and the memory know: each teaches the other. */
function loadFabricAndFloors(
  clock: FloorClock,
  opened: MemberOptions & { readonly membership: Membership },
  floorsOf: Pick<Parameters<typeof createFloorGate>[0], 'memory' | 'own'>,
): { readonly fabric: FabricState; readonly floors: FloorGate } {
  let learn: () => void = () => undefined
  const fabric = loadFabric(clock, { ...opened, onFloors: () => learn() })
  const floors = createFloorGate({
    ...floorsOf,
    fabric,
    onRefused: (peer, refusal) => opened.onFloorRefused?.(peer, refusal),
  })
  learn = (): void => floors.learn()
  learn()
  return { fabric, floors }
}

function loadFabric(
  clock: FloorClock,
  opened: MemberOptions & { readonly membership: Membership; readonly onFloors: () => void },
): FabricState {
  const { folder, membership } = opened
  const trust = createTrustState({ pin: membership.pin })
  const kept = readObject(folder, 'bundle')
  const taken = kept && trust.apply(kept)
  if (isRefusal(taken)) throw nodeErrors.error('KOS_NODE_STATE', { rule: taken.rule })
  let isLoading = true
  let keptMs = 0
  const fabric: FabricState = createFabricState(trust, {
    onGenuine: (kind, signed, applied) => {
      clock.raise(fabric.signedAt)
      const isDue = kind === 'locks' && fabric.signedAt - keptMs >= KEEP_INTERVAL_MS
      if (isLoading || (applied === 'same' && !isDue)) return
      if (applied === 'newer' && kind !== 'manifest') opened.onFloors()
      keepObject(opened, kind, signed)
      if (kind === 'locks') keptMs = fabric.signedAt
    },
    acceptManifest: (manifest) => opened.acceptManifest?.(manifest),
  })
  for (const kind of OBJECT_KINDS) {
    const signed = kind === 'bundle' ? undefined : readObject(folder, kind)
    const applied = signed && fabric.apply(kind, signed)
    if (isRefusal(applied)) throw nodeErrors.error('KOS_NODE_STATE', { kind, rule: applied.rule })
  }
  isLoading = false
  return fabric
}

/** An object that cannot be written is in force all the same; after a restart it is fetched again. */
function keepObject(options: MemberOptions, kind: ObjectKind, signed: Uint8Array): void {
  try {
    writeObject(options.folder, kind, signed)
  } catch (error) {
    if (!options.onKeepFailed) throw error
    options.onKeepFailed(kind, error)
  }
}

function chainPem(leaf: Uint8Array, fabric: FabricState): string {
  const intermediates = fabric.bundle.intermediates.map(({ certificate }) => certificate.der)
  return [leaf, ...intermediates].map((der) => pemEncode('CERTIFICATE', der)).join('')
}

interface LeafQuestion {
  readonly leafDer: Uint8Array
  readonly purpose: 'client' | 'server'
  readonly nowMs: UnixMs
}

interface Trusting {
  readonly fabric: FabricState
  readonly locks: LockGate
  readonly floors: FloorGate
  readonly verifier: PeerVerifier
}

/** Trust bundle first, lock list and floors second: all at every accept and dial. */
function verifyPeerFacts(by: Trusting, question: LeafQuestion): PeerFacts | Refusal {
  const { fabric, locks, floors, verifier } = by
  const { leafDer, purpose, nowMs } = question
  const verified = verifier.verify(leafDer, { bundle: fabric.bundle, purpose, nowMs })
  if (isRefusal(verified)) return verified
  const refusal = locks.check(verified) ?? floors.check(verified)
  if (refusal) return refusal
  floors.seen(verified)
  return verified
}

function authenticatorOf(
  parts: Trusting & { readonly keys: KeyStore; readonly membership: () => Membership },
): PeerAuthenticator {
  const identity = parts.keys.require('identity')
  const identitySigner = identity.coseSigner()
  return {
    own: (): OwnIdentity => {
      const { principal, profile } = parts.membership()
      return {
        principal,
        floor: profileOf(profile),
        identitySpki: identity.spki,
        identitySigner,
      }
    },
    verifyPeer: (leafDer, purpose, nowMs) => verifyPeerFacts(parts, { leafDer, purpose, nowMs }),
  }
}
