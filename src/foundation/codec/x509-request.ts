import { concatBytes } from '../base/index.ts'
import { DerReader } from './der-reader.ts'
import { contextConstructed, DER_TAG } from './der-tags.ts'
import type { ObjectIdentifier } from './der-oid.ts'
import { derBitString, derInteger, derOid, derSequence, derSetOf, derTlv } from './der-writer.ts'
import {
  type CertificateSigner,
  parseSignature,
  signatureIdentifier,
  spkiAlgorithm,
  verifyX509Signature,
  type X509KeyAlgorithm,
  type X509SignatureAlgorithm,
} from './x509-algorithms.ts'
import { asX509, x509Error } from './x509-errors.ts'
import { readExtensions } from './x509-extension-reading.ts'
import { encodeExtension, type X509Extension } from './x509-extensions.ts'
import { parseName, type X509Name } from './x509-names.ts'
import { readSigned } from './x509-walk.ts'

/** An attribute of a certificate request; see {@link requestedExtensions} and {@link challengePassword}. */
export interface CsrAttribute {
  readonly oid: ObjectIdentifier
  /** The encoded values, at least one. */
  readonly values: readonly Uint8Array[]
}

/** A parsed PKCS#10 certificate request, over its own copy of the bytes. */
export interface CertificateRequest {
  readonly der: Uint8Array
  /** The signed part. */
  readonly tbs: Uint8Array
  readonly subject: X509Name
  readonly spki: Uint8Array
  readonly keyAlgorithm: X509KeyAlgorithm
  readonly attributes: readonly CsrAttribute[]
  readonly signatureAlgorithm: X509SignatureAlgorithm
  readonly signature: Uint8Array
}

/** Largest request that is read. */
export const MAX_CSR_BYTES: number = 16_384
const MAX_ATTRIBUTES = 16
const ATTRIBUTES = contextConstructed(0)
const ENCODED_V1 = derInteger(0)

/**
 * Parses a certificate request strictly.
 *
 * **Security:** form only; call {@link verifyCsr} for the proof of possession. Names and
 * attributes are what the requester wishes, never facts.
 *
 * @param der - at most 16 KiB
 * @throws KosError KOS_CODEC_X509 with the violated rule
 * @see RFC 2986 section 4
 */
export function parseCsr(der: Uint8Array): CertificateRequest {
  if (der.length > MAX_CSR_BYTES) throw x509Error('size')
  return asX509(() => readCsr(Buffer.from(der)))
}

function readCsr(der: Uint8Array): CertificateRequest {
  const { tbs, identifier, signature } = readSigned(new DerReader(der))
  const info = new DerReader(tbs).sequence()
  if (info.smallInteger() !== 0) throw x509Error('version')
  const subject = parseName(info.element())
  const spki = info.element()
  const attributes = info.setOf(ATTRIBUTES)
  info.end()
  if (attributes.length > MAX_ATTRIBUTES) throw x509Error('attributes-count')
  return Object.freeze({
    der,
    tbs,
    subject,
    spki,
    keyAlgorithm: spkiAlgorithm(spki),
    attributes: Object.freeze(attributes.map((attribute) => readAttribute(attribute))),
    signatureAlgorithm: parseSignature(identifier, signature),
    signature,
  })
}

function readAttribute(der: Uint8Array): CsrAttribute {
  const attribute = new DerReader(der).sequence()
  const oid = attribute.objectIdentifier()
  const values = attribute.setOf()
  attribute.end()
  if (values.length === 0) throw x509Error('attribute-empty')
  return Object.freeze({ oid, values })
}

/**
 * Writes and signs a certificate request.
 *
 * @param fields - subject (may be empty), the SubjectPublicKeyInfo of the signer, attributes
 * @param signer - the key whose possession is proven
 */
export function buildCsr(
  fields: {
    readonly subject: X509Name
    readonly spki: Uint8Array
    readonly attributes?: readonly CsrAttribute[]
  },
  signer: CertificateSigner,
): Uint8Array {
  spkiAlgorithm(fields.spki)
  const attributes = (fields.attributes ?? [])
    .map(({ oid, values }) => derSequence(derOid(oid), derSetOf(...values)))
    .toSorted((a, b) => Buffer.compare(a, b))
  const tbs = derSequence(
    ENCODED_V1,
    fields.subject.der,
    fields.spki,
    derTlv(ATTRIBUTES, concatBytes(...attributes)),
  )
  return derSequence(tbs, signatureIdentifier(signer.algorithm), derBitString(signer.sign(tbs)))
}

/**
 * An attribute that asks for extensions.
 *
 * @param extensions - at least one
 * @see RFC 2985 section 5.4.2
 */
export function extensionRequest(extensions: readonly X509Extension[]): CsrAttribute {
  const value = derSequence(...extensions.map((one) => encodeExtension(one)))
  return { oid: EXTENSION_REQUEST, values: [value] }
}

/**
 * Proof of possession: the request is signed by the key it carries.
 *
 * @returns `false` also when the key is not a valid one of its algorithm
 */
export function verifyCsr(csr: CertificateRequest): boolean {
  return verifyX509Signature(csr, csr.spki)
}

/** RFC 2985 sections 5.4.1 and 5.4.2. */
const CHALLENGE_PASSWORD = '1.2.840.113549.1.9.7'
const EXTENSION_REQUEST = '1.2.840.113549.1.9.14'
const MAX_CHALLENGE_CHARACTERS = 255

/**
 * The extensions that a request asks for.
 *
 * **Security:** wishes of the requester, never facts.
 *
 * @returns none when it asks for none
 * @throws KosError KOS_CODEC_X509 when the attribute stands twice, has not one value or is malformed
 * @see RFC 2985 section 5.4.2
 */
export function requestedExtensions(csr: CertificateRequest): readonly X509Extension[] {
  const value = onlyValue(csr, EXTENSION_REQUEST)
  if (!value) return []
  return asX509(() => {
    const reader = new DerReader(value)
    const extensions = readExtensions(reader.sequence())
    reader.end()
    return extensions
  })
}

/**
 * The challenge password of a request; EST puts the binding to its TLS connection there.
 *
 * @returns `undefined` when there is none
 * @throws KosError KOS_CODEC_X509 when the attribute stands twice, has not one value, or is no
 *   PrintableString or UTF8String of 1 to 255 characters
 * @see RFC 2985 section 5.4.1, RFC 7030 section 3.5
 */
export function challengePassword(csr: CertificateRequest): string | undefined {
  const value = onlyValue(csr, CHALLENGE_PASSWORD)
  if (!value) return undefined
  return asX509(() => {
    const reader = new DerReader(value)
    const isUtf8 = reader.nextTag === DER_TAG.utf8String
    const text = isUtf8 ? reader.utf8String() : reader.printableString()
    reader.end()
    if (text.length < 1 || text.length > MAX_CHALLENGE_CHARACTERS) throw x509Error('challenge')
    return text
  })
}

/** RFC 2985: both are single-valued. */
function onlyValue(csr: CertificateRequest, type: ObjectIdentifier): Uint8Array | undefined {
  const found = csr.attributes.filter(({ oid }) => oid === type)
  const [attribute] = found
  if (!attribute) return undefined
  if (found.length > 1 || attribute.values.length !== 1) throw x509Error('attribute-values')
  return attribute.values[0]
}
