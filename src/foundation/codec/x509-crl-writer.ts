import { fromHex, type UnixMs } from '../base/index.ts'
import { contextConstructed } from './der-tags.ts'
import {
  derBitString,
  derInteger,
  derOctetString,
  derOid,
  derSequence,
  derTime,
  derTlv,
  derUnsigned,
} from './der-writer.ts'
import { type CertificateSigner, signatureIdentifier } from './x509-algorithms.ts'
import { REVOCATION_REASONS, type RevokedCertificate } from './x509-crl.ts'
import { x509Error } from './x509-errors.ts'
import { authorityKeyIdExtension, encodeExtension } from './x509-extensions.ts'
import type { X509Name } from './x509-names.ts'
import { PKIX_EXTENSION_OID } from './x509-pkix-extensions.ts'

/** What stands in a CRL to be signed. */
export interface CrlFields {
  readonly issuer: X509Name
  /** The issuer's subject key identifier. */
  readonly authorityKeyId: Uint8Array
  /** Greater than that of every earlier list. */
  readonly crlNumber: number
  readonly thisUpdate: UnixMs
  readonly nextUpdate: UnixMs
  /** Each serial number once. */
  readonly revoked: readonly RevokedCertificate[]
}

const ENCODED_V2 = derInteger(1)
const EXTENSIONS = contextConstructed(0)
const ENUMERATED = 0x0a
const MAX_SERIAL_BYTES = 20

/**
 * Writes and signs a complete version 2 CRL.
 *
 * **Security:** writes what it is told; that the CRL number rises is the caller's to keep.
 *
 * @param fields - see {@link CrlFields}
 * @param signer - the issuer's key; its certificate must permit cRLSign
 * @returns the encoded list
 * @throws KosError KOS_CODEC_X509 `validity`, `serial`, `serial-twice`, or KOS_CODEC_DER
 * @see RFC 5280 section 5
 */
export function buildCrl(fields: CrlFields, signer: CertificateSigner): Uint8Array {
  if (!(fields.thisUpdate <= fields.nextUpdate)) throw x509Error('validity')
  const identifier = signatureIdentifier(signer.algorithm)
  const crlNumber = {
    oid: PKIX_EXTENSION_OID.crlNumber,
    critical: false,
    value: derInteger(fields.crlNumber),
  }
  const extensions = derSequence(
    encodeExtension(authorityKeyIdExtension(fields.authorityKeyId)),
    encodeExtension(crlNumber),
  )
  const tbs = derSequence(
    ENCODED_V2,
    identifier,
    fields.issuer.der,
    derTime(fields.thisUpdate),
    derTime(fields.nextUpdate),
    encodeRevoked(fields.revoked),
    derTlv(EXTENSIONS, extensions),
  )
  return derSequence(tbs, identifier, derBitString(signer.sign(tbs)))
}

// RFC 5280 section 5.1.2.6: absent when nothing is revoked. Joined once, never spread: long lists
// would not fit the stack.
function encodeRevoked(revoked: readonly RevokedCertificate[]): Uint8Array {
  if (revoked.length === 0) return new Uint8Array()
  const serials = new Set(revoked.map(({ serialHex }) => serialHex))
  if (serials.size !== revoked.length) throw x509Error('serial-twice')
  return derSequence(Buffer.concat(revoked.map((entry) => encodeEntry(entry))))
}

function encodeEntry({ serialHex, revokedAt, reason }: RevokedCertificate): Uint8Array {
  const magnitude = fromHex(serialHex)
  const serial = magnitude && derUnsigned(magnitude)
  if (!serial || serial.length > 2 + MAX_SERIAL_BYTES || /^(?:00)*$/.test(serialHex)) {
    throw x509Error('serial')
  }
  // RFC 5280 section 5.3.1: `unspecified` is not written.
  if (reason === 'unspecified') return derSequence(serial, derTime(revokedAt))
  const value = derOctetString(Uint8Array.of(ENUMERATED, 1, REVOCATION_REASONS[reason]))
  const extension = derSequence(derOid(PKIX_EXTENSION_OID.reasonCode), value)
  return derSequence(serial, derTime(revokedAt), derSequence(extension))
}
