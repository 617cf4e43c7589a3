import {
  equalBytes,
  isRefusal,
  type Random,
  refuse,
  type Refusal,
  sha256,
} from '../../foundation/base/index.ts'
import type { X509Certificate } from '../../foundation/codec/index.ts'
import {
  buildIntermediate,
  intermediateName,
  intermediateValidity,
  keyIdentifier,
} from './ca-certificates.ts'
import type { RootKeys } from './ca-keys.ts'
import type { EraNumber } from './numbered.ts'
import { type OpenedRequest, readIntermediateRequest, requestRefusal } from './root-request.ts'
import {
  encodeBundleBody,
  type SigningRole,
  signTrustBundle,
  type TrustBundle,
  type TrustBundleFields,
  verifyTrustBundle,
} from './trust-bundle.ts'

/** Root keys in use, wherever they are. */
export interface RootSigner {
  /** The newest bundle that is known to be signed by them; numbers go on from there. */
  readonly last: EraNumber | undefined
  /**
   * Signs what a request asks for.
   *
   * @returns the signed trust bundle, or a refusal KOS_PKI_ROOT_REQUEST
   */
  sign(opened: OpenedRequest): Uint8Array | Refusal
}

/**
 * Signs what a request asks for: the certificate of its intermediate, and the bundle with both keys.
 *
 * @returns the bundle, verified as everybody verifies it, or a refusal KOS_PKI_ROOT_REQUEST
 */
export function signRootRequest(
  opened: OpenedRequest,
  roots: RootKeys,
  random: Random,
): Uint8Array | Refusal {
  const { current, request } = opened
  const csr = request.intermediate && readIntermediateRequest(opened)
  if (request.intermediate && !csr) return requestRefusal('intermediate')
  const root = { certificate: current.rootP256Certificate, key: roots.p256 }
  const made =
    request.intermediate &&
    csr &&
    buildIntermediate(csr.spki, root, {
      trustDomain: current.trustDomain,
      random,
      nowMs: request.issuedAt,
      ordinal: request.intermediate.ordinal,
    })
  const signers = [roots.p256.coseSigner(), roots.mlDsa65.coseSigner()] as const
  const signed = signTrustBundle(fieldsOf(opened, made), signers)
  const trust = checkRootAnswer(opened, signed)
  return isRefusal(trust) ? requestRefusal(trust.rule) : signed
}

/**
 * Whether a signed bundle is exactly what was asked for: signed by both roots, with the intermediate
 * that was asked for, and equal to the bundle in force in everything else.
 *
 * @returns the bundle, or a refusal KOS_PKI_ROOT_ANSWER
 */
export function checkRootAnswer(opened: OpenedRequest, signed: Uint8Array): TrustBundle | Refusal {
  const { current, request } = opened
  const rootSpkis = [current.rootP256Spki, current.rootMlDsaSpki] as const
  const trust = verifyTrustBundle(signed, { rootSpkis })
  if (isRefusal(trust)) return answerRefusal(`bundle: ${trust.rule}`)
  const made = request.intermediate && trust.intermediates.at(-1)?.certificate
  if (made && !isAsked(opened, made)) return answerRefusal('intermediate')
  // One spelling of the same fields: what differs anywhere has another hash.
  const expected = sha256(encodeBundleBody(fieldsOf(opened, made?.der)))
  return equalBytes(expected, trust.hash) ? trust : answerRefusal('other-request')
}

function isAsked(opened: OpenedRequest, made: X509Certificate): boolean {
  const { current, request } = opened
  const csr = readIntermediateRequest(opened)
  const { notBefore, notAfter } = intermediateValidity(
    request.issuedAt,
    current.rootP256Certificate,
  )
  const name = intermediateName(current.trustDomain, request.intermediate?.ordinal ?? 0)
  return (
    csr !== undefined &&
    equalBytes(made.spki, csr.spki) &&
    equalBytes(made.subjectKeyId ?? new Uint8Array(), keyIdentifier(csr.spki)) &&
    equalBytes(made.subject.der, name.der) &&
    made.notBefore === notBefore &&
    made.notAfter === notAfter
  )
}

/** Certificates of the roots and delegated keys stay as they are: only what they vouch for changes. */
function fieldsOf(
  { current, request }: OpenedRequest,
  made: Uint8Array | undefined,
): TrustBundleFields {
  const { era, number, issuedAt, retired, tainted, standbys } = request
  const kept = current.intermediates
    .map(({ certificate }) => certificate)
    .filter(({ subjectKeyId = new Uint8Array() }) => {
      return !retired.some((keyId) => equalBytes(keyId, subjectKeyId))
    })
  return {
    trustDomain: current.trustDomain,
    era,
    number,
    issuedAt,
    roots: [current.rootP256Certificate.der, current.rootMlDsaCertificate.der],
    intermediates: [...kept.map(({ der }) => der), ...request.readmitted, ...(made ? [made] : [])],
    signingKeys: signingKeysOf(current),
    standbys: standbys.map(({ principal, spki, maxMs }) => ({ principal, spki, maxMs })),
    tainted,
  }
}

function signingKeysOf({ signingKeys }: TrustBundle): TrustBundleFields['signingKeys'] {
  const spkis = (role: SigningRole): readonly Uint8Array[] =>
    signingKeys[role].map(({ key }) => key.export({ type: 'spki', format: 'der' }))
  return {
    lock: spkis('lock'),
    directory: spkis('directory'),
    policy: spkis('policy'),
    checkpoint: spkis('checkpoint'),
    checkpointMlDsa44: spkis('checkpointMlDsa44'),
  }
}

function answerRefusal(rule: string): Refusal {
  return refuse('KOS_PKI_ROOT_ANSWER', rule)
}
