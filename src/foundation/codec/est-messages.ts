import { concatBytes } from '../base/index.ts'
import { contextConstructed, DER_TAG } from './der-tags.ts'
import { derInteger, derOid, derSequence, derSetOf, derTlv } from './der-writer.ts'
import { x509Error } from './x509-errors.ts'
import { MAX_CERTIFICATE_BYTES } from './x509-walk.ts'

/** The most certificates of one message: a root and its intermediates are far fewer. */
const MAX_CERTIFICATES = 32
/** RFC 5652 sections 4 and 5.1. */
const ID_DATA = '1.2.840.113549.1.7.1'
const ID_SIGNED_DATA = '1.2.840.113549.1.7.2'
const CONTENT = contextConstructed(0)
const CERTIFICATES = contextConstructed(0)
/** RFC 5652 section 5.1: version 1 where everything is a plain X.509 certificate. */
const SIGNED_DATA_VERSION = 1

/**
 * Writes certificates as a "certs-only" CMS message: SignedData without content and without signers,
 * which programs know as PKCS#7 and EST answers with.
 *
 * **Security:** nothing signs the message; what it carries is worth what each certificate proves.
 *
 * @param certificates - 1 to 32 DER encodings, each at most 16 KiB; the message has them in the order
 *   that DER gives a set, whatever theirs was
 * @returns the ContentInfo, DER
 * @throws KosError KOS_CODEC_X509 `certs-only-count` or `certs-only-size`
 * @see RFC 5652 section 5.2, RFC 7030 section 4.1.3
 */
export function buildCertsOnly(certificates: readonly Uint8Array[]): Uint8Array {
  const { length } = certificates
  if (length < 1 || length > MAX_CERTIFICATES) throw x509Error('certs-only-count')
  if (certificates.some((der) => der.length > MAX_CERTIFICATE_BYTES)) {
    throw x509Error('certs-only-size')
  }
  // X.690 section 11.6: the elements of a set ascend.
  const sorted = certificates.toSorted((a, b) => Buffer.compare(a, b))
  const signedData = derSequence(
    derInteger(SIGNED_DATA_VERSION),
    EMPTY_SET,
    derSequence(derOid(ID_DATA)),
    derTlv(CERTIFICATES, concatBytes(...sorted)),
    EMPTY_SET,
  )
  return derSequence(derOid(ID_SIGNED_DATA), derTlv(CONTENT, signedData))
}

const EMPTY_SET = derSetOf()

const EC_PUBLIC_KEY = '1.2.840.10045.2.1'
const P_256 = '1.2.840.10045.3.1.7'
const ECDSA_WITH_SHA256 = '1.2.840.10045.4.3.2'

/**
 * What a certificate request should look like, as EST says it: a P-256 key, signed by ECDSA with SHA-256.
 *
 * @returns the CsrAttrs, DER
 * @see RFC 8951 section 4, RFC 9908
 */
export function buildCsrAttributes(): Uint8Array {
  const key = derSequence(derOid(EC_PUBLIC_KEY), derTlv(DER_TAG.set, derOid(P_256)))
  return derSequence(key, derOid(ECDSA_WITH_SHA256))
}
