import {
  isRefusal,
  type Principal,
  refuse,
  type Refusal,
  type UnixMs,
} from '../../foundation/base/index.ts'
import type { PeerFacts } from '../../foundation/pipeline/index.ts'
import type { Profile } from '../../foundation/profiles/index.ts'
import { encodeAuth, type MetKeys, verifyAuth } from './auth.ts'
import type { AuthEvidence, OwnIdentity, PeerAuthenticator, PskPeer } from './authenticator.ts'
import type { Role } from './key-schedule.ts'
import { encodePskAuth, verifyPskAuth } from './psk-auth.ts'

const NOTHING: Uint8Array = new Uint8Array(0)

/** What the transport knows of both ends of a connection. */
export interface ChannelCredentials {
  readonly role: Role
  /** Profile of the listener that accepted, or of the dial. */
  readonly transport: Profile
  /** The peer's TLS leaf, DER; `undefined` on a pre-shared-key channel. */
  readonly peerLeafDer: Uint8Array | undefined
  /** SHA-256 of the SPKI of the own TLS leaf; `undefined` on a pre-shared-key channel. */
  readonly localLeafHash: Uint8Array | undefined
  /** The handle that TLS was made with; absent on a certificate channel. */
  readonly pskHandle?: string | undefined
}

/** A peer as the transport proved it, and how both ends prove the rest in AUTH. */
export interface MetPeer {
  readonly facts: PeerFacts
  /** What the binding says of the own TLS credential. */
  readonly ownLeafHash: Uint8Array
  /** Names this end in its SEALs. */
  readonly ownKeyId: Uint8Array
  /** Makes the AUTH payload over the own binding. */
  prove(binding: Uint8Array): Uint8Array
  /** Verifies the AUTH payload of the peer over its binding, as this end computed it. */
  verify(payload: Uint8Array, binding: Uint8Array): AuthEvidence | Refusal
}

/** How the ends of one connection prove who they are: certificates, or a pre-shared key. */
export interface Credentials {
  readonly principal: Principal
  readonly floor: Profile
  /** Asks who the peer is, once its HELLO came. */
  meet(nowMs: UnixMs): MetPeer | Refusal
}

/**
 * Chooses by what the transport has, and by nothing that the peer says.
 *
 * **Security:** on a pre-shared-key channel the floor of both ends is that of the listener: no key
 * lifts anybody above it.
 */
export function credentialsOf(
  deps: { readonly authenticator: PeerAuthenticator; readonly metKeys?: MetKeys },
  channel: ChannelCredentials,
): Credentials {
  return channel.pskHandle === undefined
    ? certificates(deps, channel)
    : preSharedKey(deps.authenticator, channel, channel.pskHandle)
}

/** TLS does not let it happen; a listener that mixes the kinds up must not go unnoticed. */
function mixedUp(channel: ChannelCredentials): Refusal | undefined {
  const kind = channel.pskHandle === undefined ? 'certificate' : 'psk'
  const hasLeaves = channel.peerLeafDer !== undefined && channel.localLeafHash !== undefined
  const hasNone = channel.peerLeafDer === undefined && channel.localLeafHash === undefined
  const isOne = kind === 'psk' ? hasNone : hasLeaves
  if (isOne && channel.transport.transport?.authentication === kind) return undefined
  return refuse('KOS_SESSION_IDENTITY', 'channel: credentials')
}

function certificates(
  deps: { readonly authenticator: PeerAuthenticator; readonly metKeys?: MetKeys },
  channel: ChannelCredentials,
): Credentials {
  const { authenticator, metKeys: met } = deps
  const own = authenticator.own()
  const { peerLeafDer = NOTHING, localLeafHash = NOTHING, role } = channel
  return {
    principal: own.principal,
    floor: own.floor,
    meet: (nowMs) => {
      const mixed = mixedUp(channel)
      if (mixed) return mixed
      const purpose = role === 'listener' ? 'client' : 'server'
      const facts = authenticator.verifyPeer(peerLeafDer, purpose, nowMs)
      if (isRefusal(facts)) return facts
      const keyHash = facts.identityKeyHash
      return {
        facts,
        ownLeafHash: localLeafHash,
        ownKeyId: own.identitySigner.keyId,
        prove: (binding) => signed(authenticator, own, binding),
        verify: (payload, binding) => verifyAuth(payload, binding, { keyHash, met }),
      }
    },
  }
}

function signed(
  authenticator: PeerAuthenticator,
  { identitySpki, identitySigner }: OwnIdentity,
  binding: Uint8Array,
): Uint8Array {
  const evidence = authenticator.evidence?.(binding) ?? {}
  return encodeAuth(binding, { identitySpki, identitySigner, evidence })
}

function preSharedKey(
  authenticator: PeerAuthenticator,
  channel: ChannelCredentials,
  handle: string,
): Credentials {
  const { psk } = authenticator
  const end = psk?.own()
  return {
    principal: end?.principal ?? authenticator.own().principal,
    floor: channel.transport,
    meet: (nowMs) => {
      const mixed = mixedUp(channel)
      if (mixed) return mixed
      if (!psk || !end) return refuse('KOS_SESSION_UNSUPPORTED', 'pre-shared key')
      const peer = psk.verify(handle, nowMs)
      return isRefusal(peer) ? peer : metByKey(peer, { handle, machine: end.machine })
    },
  }
}

/** Both ends name the same credential; only the role in the binding tells them apart. */
function metByKey(
  { facts, authKey, admit }: PskPeer,
  own: { readonly handle: string; readonly machine: Uint8Array },
): MetPeer {
  return {
    facts,
    ownLeafHash: facts.tlsKeyHash,
    ownKeyId: facts.identityKeyHash,
    prove: (binding) => encodePskAuth(binding, own, authKey),
    verify: (payload, binding) => {
      const machine = verifyPskAuth(payload, binding, { handle: own.handle, authKey })
      if (isRefusal(machine)) return machine
      return admit?.(machine) ?? {}
    },
  }
}
