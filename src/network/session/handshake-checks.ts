import {
  equalBytes,
  type Principal,
  refuse,
  type Refusal,
  type UnixMs,
} from '../../foundation/base/index.ts'
import type { PeerFacts } from '../../foundation/pipeline/index.ts'
import {
  meeting,
  meetingWithAuthority,
  type Meeting,
  type Profile,
  type ProfileName,
} from '../../foundation/profiles/index.ts'
import type { AuthEvidence, PeerAuthenticator } from './authenticator.ts'
import { type Hello, PROTOCOL_VERSION } from './hello.ts'
import type { Role } from './key-schedule.ts'
import type { SessionLimits } from './limits.ts'

/**
 * Checks what a HELLO says about itself, before any certificate is looked at.
 *
 * @returns a refusal, or `undefined` when the handshake may go on
 */
export function refuseHello(
  hello: Hello,
  own: {
    readonly role: Role
    readonly ownNonce: Uint8Array
    readonly nowMs: UnixMs
    readonly limits: SessionLimits
  },
): Refusal | undefined {
  if (hello.role === own.role) return refuse('KOS_SESSION_ROLE', 'hello: role')
  // Our own HELLO with the role turned round: somebody echoes us.
  if (equalBytes(hello.nonce, own.ownNonce)) return refuse('KOS_SESSION_ROLE', 'hello: nonce')
  if (!hello.versions.includes(PROTOCOL_VERSION)) {
    return refuse('KOS_SESSION_VERSION', 'hello: versions')
  }
  const skewMs = Math.abs(hello.time - own.nowMs)
  if (skewMs > own.limits.clockSkewMs) {
    return refuse('KOS_SESSION_CLOCK', 'hello: time', {
      remedy: 'Set the clocks of both peers, for example by NTP.',
      details: { skewMs, limitMs: own.limits.clockSkewMs },
    })
  }
  return undefined
}

/** One end of a connection, for the question whether both may meet. */
export interface OwnEnd {
  readonly principal: Principal
  readonly floor: Profile
  readonly role: Role
  /** Profile of the listener that the connection runs on. */
  readonly transport: Profile
}

/**
 * Holds the HELLO against the verified leaf, and both floors against the listener: the level is the
 * registered profile or there is no session, and the listener is that of the stricter floor, neither
 * a weaker nor a stricter one.
 *
 * @returns a refusal, or `undefined` when the handshake may go on
 * @see docs/profiles.md, Who may meet whom
 */
export function refuseProfiles(hello: Hello, peer: PeerFacts, own: OwnEnd): Refusal | undefined {
  if (hello.principal.uri !== peer.principal.uri) {
    return refuse('KOS_SESSION_IDENTITY', 'hello: principal')
  }
  if (hello.profile.name !== peer.floor.name) {
    return refuse('KOS_SESSION_PROFILE', 'hello: profile', {
      details: { claimed: hello.profile.name, floor: peer.floor.name },
    })
  }
  const met = meetingOf(peer, own)
  if (!met.may) {
    return refuse('KOS_SESSION_PROFILE', `matrix: ${met.rule}`, {
      details: { floor: peer.floor.name },
    })
  }
  return own.transport.name === met.listener
    ? undefined
    : refuseListener(own.transport.name, met.listener)
}

function refuseListener(transport: ProfileName, needed: ProfileName): Refusal {
  return refuse('KOS_SESSION_LISTENER', `listener: ${transport} for ${needed}`, {
    remedy: `Connect to the listener of ${needed}.`,
    details: { transport, needed },
  })
}

/** The authority has a listener for every floor; who it is stands in the leaf. */
function meetingOf(peer: PeerFacts, own: OwnEnd): Meeting {
  if (peer.principal.kind === 'authority') return meetingWithAuthority(own.floor.name)
  if (own.principal.kind === 'authority') return meetingWithAuthority(peer.floor.name)
  return own.role === 'dialler'
    ? meeting(own.floor.name, peer.floor.name)
    : meeting(peer.floor.name, own.floor.name)
}

/** What the last check of a handshake looks at. */
export interface AdmissionQuestion {
  readonly evidence: AuthEvidence
  readonly binding: Uint8Array
  readonly peer: PeerFacts
  readonly authenticator: PeerAuthenticator
}

/**
 * Asks for what the profiles demand beyond the identity key. Each end's floor counts: a member-only
 * end wants a member on the other side.
 *
 * @returns a refusal, or `undefined` when the peer may come in
 */
export function refuseAdmission(
  floors: readonly Profile[],
  question: AdmissionQuestion,
): Refusal | undefined {
  const { authenticator, peer, evidence, binding } = question
  if (authenticator.admit) return authenticator.admit(peer, evidence, binding)
  if (floors.some(demandsMore)) {
    return refuse('KOS_SESSION_EVIDENCE', 'profile: no way to check what it demands')
  }
  // Evidence that nobody looks at is unknown input.
  if (evidence.attestation || evidence.secondFactor) {
    return refuse('KOS_SESSION_EVIDENCE', 'auth: evidence without a check')
  }
  return undefined
}

function demandsMore(profile: Profile): boolean {
  return (
    profile.attestation.beforeAdmission ||
    profile.authentication.clusterMembersOnly ||
    profile.authentication.factor === 'hardware-key-and-second-factor'
  )
}
