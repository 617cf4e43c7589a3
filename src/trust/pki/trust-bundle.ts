import type { KeyObject } from 'node:crypto'
import {
  concatBytes,
  equalBytes,
  isRefusal,
  parseTrustDomain,
  refuse,
  type Refusal,
  type Sha256,
  sha256,
  toBase64Url,
  type TrustDomain,
  type UnixMs,
  unixMs,
  utf8,
  validate,
  type Schema,
  zm,
} from '../../foundation/base/index.ts'
import {
  type CborInput,
  CborReader,
  cborToPlain,
  codecErrors,
  type CoseSigner,
  type CoseVerifier,
  coseVerifierFromSpki,
  decodeCbor,
  encodeCbor,
  importSpki,
  parseCertificate,
  signCose,
  verifyCertificateSignature,
  verifyCose,
  type X509Certificate,
} from '../../foundation/codec/index.ts'
import type { EraNumber } from './numbered.ts'
import { readStandbys, type StandbyFields, standbySchema, type TrustedStandby } from './standby.ts'

/** What the authority's delegated keys sign, each key for one purpose. */
export const SIGNING_ROLES = [
  'lock',
  'directory',
  'policy',
  'checkpoint',
  'checkpointMlDsa44',
] as const
/** One of {@link SIGNING_ROLES}. */
export type SigningRole = (typeof SIGNING_ROLES)[number]

/** The one algorithm of each role; checkpoints follow the log formats. */
const ROLE_ALGORITHMS: Readonly<Record<SigningRole, CoseVerifier['algorithm']>> = Object.freeze({
  lock: 'ES256',
  directory: 'ES256',
  policy: 'ES256',
  checkpoint: 'EdDSA',
  checkpointMlDsa44: 'ML-DSA-44',
})

/** An intermediate that both roots permit, with its key ready for verification. */
export interface TrustedIntermediate {
  readonly certificate: X509Certificate
  readonly key: KeyObject
  /** Whether its leaves are to be renewed under another one soon; they count until it is gone. */
  readonly isTainted: boolean
}

/** A verified trust bundle: everything a node believes of its authority. */
export interface TrustBundle extends EraNumber {
  readonly trustDomain: TrustDomain
  readonly issuedAt: UnixMs
  /** SHA-256 of the signed payload. */
  readonly hash: Sha256
  /** base64url of SHA-256 over both root keys; see {@link trustPin}. */
  readonly pin: string
  readonly rootP256Spki: Uint8Array
  readonly rootMlDsaSpki: Uint8Array
  readonly rootP256Certificate: X509Certificate
  readonly rootMlDsaCertificate: X509Certificate
  readonly intermediates: readonly TrustedIntermediate[]
  /** One key per role, or several while one replaces another. */
  readonly signingKeys: Readonly<Record<SigningRole, readonly CoseVerifier[]>>
  /** Empty without standby signers. Their keys sign nothing that a role signs. */
  readonly standbys: readonly TrustedStandby[]
}

/** What stands in a bundle to be signed. */
export interface TrustBundleFields extends EraNumber {
  readonly trustDomain: TrustDomain
  readonly issuedAt: UnixMs
  /** Self-signed certificates of the P-256 and the ML-DSA-65 root. */
  readonly roots: readonly [p256: Uint8Array, mlDsa65: Uint8Array]
  /** Certificates, 1 to 4. */
  readonly intermediates: readonly Uint8Array[]
  /** SubjectPublicKeyInfos, 1 to 4 per role. */
  readonly signingKeys: Readonly<Record<SigningRole, readonly Uint8Array[]>>
  /** At most 3; absent: none. */
  readonly standbys?: readonly StandbyFields[]
  /** Key identifiers of the intermediates that are on their way out; never all of them. */
  readonly tainted?: readonly Uint8Array[]
}

/** How a bundle is recognised: by the pin of a join line, or by root keys already held. */
export type TrustAnchor =
  | { readonly pin: string; readonly rootSpkis?: never }
  | { readonly rootSpkis: readonly [p256: Uint8Array, mlDsa65: Uint8Array]; readonly pin?: never }

/** Largest trust bundle that is read: two roots, four intermediates and all keys take 40 KB. */
export const MAX_TRUST_BUNDLE_BYTES: number = 65_536
const CONTEXT = utf8('kos-trust-bundle-v1')
const COSE_SIGN_TAG = 98
const VERSION = 1
const MAX_PER_LIST = 4

/** The pin of a trust domain: base64url of SHA-256 over P-256 root key, then ML-DSA-65 root key. */
export function trustPin(rootP256Spki: Uint8Array, rootMlDsaSpki: Uint8Array): string {
  return toBase64Url(sha256(concatBytes(rootP256Spki, rootMlDsaSpki)))
}

/** The payload of a bundle: one spelling for the same fields, so that two can be compared. */
export function encodeBundleBody(fields: TrustBundleFields): Uint8Array {
  const { trustDomain, era, number, issuedAt, intermediates, signingKeys } = fields
  const { standbys = [], tainted = [] } = fields
  const body: CborInput = {
    version: VERSION,
    trustDomain,
    era,
    number,
    issuedAt,
    roots: fields.roots,
    intermediates,
    signingKeys,
    // One spelling only: what is empty is left out.
    ...(tainted.length > 0 && { tainted }),
    ...(standbys.length > 0 && { standbys: standbys.map((standby) => ({ ...standby })) }),
  }
  return encodeCbor(body)
}

/**
 * Signs a trust bundle with both root keys: COSE_Sign with both key ids protected, so that neither
 * signature can be dropped.
 *
 * @see identity: The CA and its post-quantum pair
 */
export function signTrustBundle(
  fields: TrustBundleFields,
  roots: readonly [p256: CoseSigner, mlDsa65: CoseSigner],
): Uint8Array {
  return signCose({ payload: encodeBundleBody(fields), externalAad: CONTEXT }, roots)
}

/**
 * Verifies a trust bundle: anchored root keys, both signatures, and every certificate in it.
 *
 * **Security:** protects against forged intermediates, not against misissued leaves. Without
 * `current` it does not know whether a newer bundle exists: see {@link createTrustState}.
 *
 * @param bytes - at most 64 KiB
 * @param anchor - the pin, or both root keys
 * @returns the bundle, or a refusal KOS_PKI_BUNDLE whose rule names the check
 */
export function verifyTrustBundle(bytes: Uint8Array, anchor: TrustAnchor): TrustBundle | Refusal {
  try {
    const rootSpkis = anchor.rootSpkis ?? peekRootSpkis(bytes)
    if (!rootSpkis) return bundleRefusal('encoding')
    if (anchor.pin !== undefined && trustPin(...rootSpkis) !== anchor.pin) {
      return bundleRefusal('pin')
    }
    const message = verifyCose(bytes, {
      externalAad: CONTEXT,
      maxBytes: MAX_TRUST_BUNDLE_BYTES,
      verifiers: rootSpkis.map((spki) => coseVerifierFromSpki(spki)),
    })
    if (isRefusal(message)) return bundleRefusal(`signature: ${message.rule}`)
    // Only the verified payload is read from here on.
    return readBundle(message.payload, rootSpkis)
  } catch (error) {
    if (!codecErrors.has(error)) throw error
    return bundleRefusal(`encoding: ${String(error.details['rule'])}`)
  }
}

const certificateBytes: Schema<Uint8Array> = zm.instanceof(Uint8Array)
const certificateList = zm
  .array(certificateBytes)
  .check(zm.minLength(1), zm.maxLength(MAX_PER_LIST))
const count = zm.int().check(zm.minimum(1))

const bundleSchema = zm.strictObject({
  version: zm.literal(VERSION),
  trustDomain: zm.string().check(zm.maxLength(255)),
  era: count,
  number: count,
  issuedAt: zm.int().check(zm.minimum(0)),
  roots: zm.tuple([certificateBytes, certificateBytes]),
  intermediates: certificateList,
  signingKeys: zm.strictObject({
    lock: certificateList,
    directory: certificateList,
    policy: certificateList,
    checkpoint: certificateList,
    checkpointMlDsa44: certificateList,
  }),
  standbys: zm.optional(standbySchema),
  tainted: zm.optional(
    zm.array(zm.instanceof(Uint8Array)).check(zm.minLength(1), zm.maxLength(MAX_PER_LIST - 1)),
  ),
})
type BundleBody = zm.infer<typeof bundleSchema>

/**
 * The root keys that an unverified bundle claims. Nothing else of it is read before the signatures
 * verify, and the pin decides whether the claim holds.
 */
function peekRootSpkis(bytes: Uint8Array): readonly [Uint8Array, Uint8Array] | undefined {
  const reader = new CborReader(bytes, {
    maxBytes: MAX_TRUST_BUNDLE_BYTES,
    allowedTags: [COSE_SIGN_TAG],
  })
  reader.tag()
  reader.array()
  reader.raw()
  reader.raw()
  const body = decodeBody(reader.bytes())
  return body && [parseCertificate(body.roots[0]).spki, parseCertificate(body.roots[1]).spki]
}

function decodeBody(payload: Uint8Array): BundleBody | undefined {
  const limits = { maxBytes: MAX_TRUST_BUNDLE_BYTES }
  const body = validate(bundleSchema, cborToPlain(decodeCbor(payload, limits)))
  return body.allow ? body.value : undefined
}

function readBundle(
  payload: Uint8Array,
  rootSpkis: readonly [Uint8Array, Uint8Array],
): TrustBundle | Refusal {
  const body = decodeBody(payload)
  const trustDomain = body && parseTrustDomain(body.trustDomain)
  if (!trustDomain) return bundleRefusal('payload')
  const [rootP256Spki, rootMlDsaSpki] = rootSpkis
  const rootP256Certificate = readRoot(body.roots[0], rootP256Spki)
  const rootMlDsaCertificate = readRoot(body.roots[1], rootMlDsaSpki)
  if (!rootP256Certificate || !rootMlDsaCertificate) return bundleRefusal('root')
  const intermediates = body.intermediates.map((der) =>
    readIntermediate(der, rootP256Certificate, { trustDomain, tainted: body.tainted ?? [] }),
  )
  if (!intermediates.every((one) => one !== undefined)) return bundleRefusal('intermediate')
  const taintedCount = intermediates.filter(({ isTainted }) => isTainted).length
  // Each names one of them, and one is left to renew under.
  const isTaintFit = taintedCount === (body.tainted ?? []).length
  if (!isTaintFit || taintedCount === intermediates.length) return bundleRefusal('tainted')
  const signingKeys = readSigningKeys(body.signingKeys)
  if (!signingKeys) return bundleRefusal('signing-keys')
  const standbys = readStandbys(body.standbys ?? [], trustDomain)
  if (!standbys) return bundleRefusal('standbys')
  if (!allDistinct([...rootSpkis, ...intermediates.map((one) => one.certificate.spki)], body)) {
    return bundleRefusal('shared-key')
  }
  return Object.freeze({
    trustDomain,
    era: body.era,
    number: body.number,
    issuedAt: unixMs(body.issuedAt),
    hash: sha256(payload),
    pin: trustPin(rootP256Spki, rootMlDsaSpki),
    rootP256Spki: Uint8Array.from(rootP256Spki),
    rootMlDsaSpki: Uint8Array.from(rootMlDsaSpki),
    rootP256Certificate,
    rootMlDsaCertificate,
    intermediates: Object.freeze(intermediates),
    signingKeys,
    standbys,
  })
}

// The signature over itself shows that the certificate was made by the holder of the pinned key.
function readRoot(der: Uint8Array, spki: Uint8Array): X509Certificate | undefined {
  const root = parseCertificate(der)
  const fits = equalBytes(root.spki, spki) && equalBytes(root.subject.der, root.issuer.der)
  return fits && isCa(root) && verifyCertificateSignature(root, spki) ? root : undefined
}

/**
 * An intermediate counts only if the P-256 path and the bundle agree: the root signed it, and both
 * roots named it. Every limit that it must carry is demanded, not merely honoured.
 */
function readIntermediate(
  der: Uint8Array,
  root: X509Certificate,
  said: { readonly trustDomain: TrustDomain; readonly tainted: readonly Uint8Array[] },
): TrustedIntermediate | undefined {
  const certificate = parseCertificate(der)
  const { basicConstraints, nameConstraints, subjectKeyId } = certificate
  const hosts = nameConstraints?.permitted?.uriHosts
  const fits =
    certificate.keyAlgorithm === 'P-256' &&
    equalBytes(certificate.issuer.der, root.subject.der) &&
    isCa(certificate) &&
    // Nothing below an intermediate issues; and it names principals of this domain only.
    basicConstraints?.pathLength === 0 &&
    hosts?.length === 1 &&
    hosts[0] === said.trustDomain &&
    subjectKeyId !== undefined &&
    verifyCertificateSignature(certificate, root.spki)
  if (!fits) return undefined
  const isTainted = said.tainted.some((keyId) => equalBytes(keyId, subjectKeyId))
  return Object.freeze({ certificate, key: importSpki(certificate.spki), isTainted })
}

function isCa(certificate: X509Certificate): boolean {
  return (
    certificate.basicConstraints?.ca === true &&
    certificate.keyUsage?.includes('keyCertSign') === true &&
    certificate.unhandledCritical.length === 0
  )
}

// An algorithm per role leaves nothing to negotiate, for a signer or for an attacker.
function readSigningKeys(keys: BundleBody['signingKeys']): TrustBundle['signingKeys'] | undefined {
  const read = (role: SigningRole): readonly CoseVerifier[] =>
    Object.freeze(keys[role].map((spki) => coseVerifierFromSpki(spki)))
  const verifiers = Object.freeze({
    lock: read('lock'),
    directory: read('directory'),
    policy: read('policy'),
    checkpoint: read('checkpoint'),
    checkpointMlDsa44: read('checkpointMlDsa44'),
  })
  const fits = SIGNING_ROLES.every((role) =>
    verifiers[role].every((verifier) => verifier.algorithm === ROLE_ALGORITHMS[role]),
  )
  return fits ? verifiers : undefined
}

/** identity: "never one for two purposes". */
function allDistinct(caSpkis: readonly Uint8Array[], body: BundleBody): boolean {
  const delegated = SIGNING_ROLES.flatMap((role) => body.signingKeys[role])
  const standbys = (body.standbys ?? []).map(({ spki }) => spki)
  const all = [...caSpkis, ...delegated, ...standbys]
  return new Set(all.map((spki) => toBase64Url(spki))).size === all.length
}

/** The refusal of a bundle, by the check that failed. */
export function bundleRefusal(rule: string): Refusal {
  return refuse('KOS_PKI_BUNDLE', rule)
}
