import {
  parsePrincipal,
  type Principal,
  refuse,
  type Refusal,
  sha256,
  toHex,
} from '../../foundation/base/index.ts'
import { type Profile, profileOf } from '../../foundation/profiles/index.ts'
import type { CertificateAuthority } from '../../trust/pki/index.ts'
import type { EnrolmentGrant } from './messages.ts'
import type { CertificateRecord, EnrolmentTransaction, PrincipalRecord } from './records.ts'

/** Life of operator credentials. @see identity: Renewal and absence */
export const OPERATOR_LIFE_MS: number = 30 * 24 * 60 * 60 * 1000

/** Everything a leaf certifies. */
export interface IssueFacts {
  readonly principal: Principal
  readonly identitySpki: Uint8Array
  readonly tlsSpki: Uint8Array
  readonly profile: Profile
  /** 1 for the first certificate of a principal. */
  readonly generation: number
  /** Overrides the profile's certificate life; used for operators. */
  readonly lifeMs: number | undefined
}

/**
 * Issues one leaf; pure but for the CA's signature and serial number.
 *
 * **Security:** decides nothing: the caller has checked who asks, and that they hold both keys.
 *
 * @returns the certificate as it is stored
 * @throws KosError KOS_PKI_ISSUE when the CA does not issue such a leaf, for example because the
 *   profile knows no certificates
 */
export function issue(ca: CertificateAuthority, facts: IssueFacts): CertificateRecord {
  const lifeMs = facts.lifeMs ?? facts.profile.certificateLifeMs ?? 0
  const leaf = ca.issueLeaf({
    principal: facts.principal,
    tlsSpki: facts.tlsSpki,
    identity: {
      floor: facts.profile.name,
      generation: facts.generation,
      identityKeyHash: sha256(facts.identitySpki),
    },
    usage: 'peer',
    lifeMs,
  })
  return {
    serial: leaf.serialHex,
    principalId: facts.principal.id,
    generation: facts.generation,
    tlsKeyHash: keyHashOf(facts.tlsSpki),
    der: leaf.der,
    notBefore: leaf.notBefore,
    notAfter: leaf.notAfter,
  }
}

/** A further certificate of a principal that is registered. */
export interface NextCertificate {
  readonly principal: PrincipalRecord
  readonly tlsSpki: Uint8Array
  readonly generation: number
  /** Where peers reach it from now on; none keeps what is known. */
  readonly addresses: readonly string[]
}

/** Issues and stores a further certificate of a principal. */
export function reissue(
  ca: CertificateAuthority,
  transaction: EnrolmentTransaction,
  next: NextCertificate,
): EnrolmentGrant | Refusal {
  const { principal, tlsSpki, generation, addresses } = next
  const named = parsePrincipal(principal.uri)
  // The authority's own certificate is made by another path, never by a request.
  if (!named || named.kind === 'authority') return refuse('KOS_ENROLMENT_UNKNOWN', 'principal/kind')
  const profile = profileOf(principal.profile)
  const problem = profileProblem(profile)
  if (problem) return problem
  const certificate = issue(ca, {
    principal: named,
    identitySpki: principal.identitySpki,
    tlsSpki,
    profile,
    generation,
    lifeMs: named.kind === 'user' ? OPERATOR_LIFE_MS : undefined,
  })
  transaction.insertCertificate(certificate)
  transaction.changePrincipal(principal.id, {
    generation,
    // The same generation again, after its certificate has ended, has been used if it was before.
    generationUsed: principal.generation === generation && principal.generationUsed,
    certificateNotBefore: certificate.notBefore,
    certificateNotAfter: certificate.notAfter,
    ...(isMoved(principal, addresses) && { addresses }),
  })
  return toGrant(principal, certificate)
}

function isMoved(principal: PrincipalRecord, addresses: readonly string[]): boolean {
  return addresses.length > 0 && addresses.join(' ') !== principal.addresses.join(' ')
}

/** The answer to a principal that got a certificate. */
export function toGrant(
  principal: PrincipalRecord,
  certificate: CertificateRecord,
): EnrolmentGrant {
  return {
    principalId: principal.id,
    uri: principal.uri,
    name: principal.name,
    profile: principal.profile,
    generation: certificate.generation,
    leaf: certificate.der,
  }
}

/** The name of a key in the registry: hexadecimal SHA-256 of its SPKI. */
export function keyHashOf(spki: Uint8Array): string {
  return toHex(sha256(spki))
}

/**
 * Profiles whose evidence is more than a token and a key are refused until hardware evidence can be
 * appraised, and those without certificates always.
 *
 * @see identity: Joining
 */
export function profileProblem(profile: Profile): Refusal | undefined {
  const problem = evidenceProblem(profile)
  if (problem || profile.certificateLifeMs !== undefined) return problem
  return refuse('KOS_ENROLMENT_PROFILE', 'profile/no-certificate', {
    remedy: 'Join with --psk: this profile has a pre-shared key and no certificate.',
    details: { profile: profile.name },
  })
}

/** What a token cannot grant, whatever kind of key the profile has. */
export function evidenceProblem(profile: Profile): Refusal | undefined {
  if (profile.joinEvidence === 'token') return undefined
  return refuse('KOS_ENROLMENT_PROFILE', `profile/${profile.joinEvidence}-evidence`, {
    remedy: 'Use SEC-2: a token proves no more than that.',
    details: { profile: profile.name },
  })
}

/** Whether a certificate has ended for longer than its profile forgives. */
export function isAbsentTooLong(principal: PrincipalRecord, nowMs: number): boolean {
  return principal.certificateNotAfter + profileOf(principal.profile).renewalGraceMs < nowMs
}
