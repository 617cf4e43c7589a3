import { toHex, type UnixMs } from '../../foundation/base/index.ts'
import { buildCrl, type RevokedCertificate } from '../../foundation/codec/index.ts'
import { keyIdentifier } from './ca-certificates.ts'
import type { LeafIssuer } from './issue-leaf.ts'

/** What a list says, beside who signs it. */
export interface CrlContent {
  /** Greater than that of every earlier list of this issuer. */
  readonly crlNumber: number
  readonly thisUpdate: UnixMs
  readonly nextUpdate: UnixMs
  /** The revoked certificates of an issuer, each once. */
  revoked(keyIdHex: string): readonly RevokedCertificate[]
}

/** A signed list and whose it is. */
export interface IssuedCrl {
  /** The issuer's key identifier, as its leaves name it: lower-case hexadecimal. */
  readonly keyIdHex: string
  readonly der: Uint8Array
}

/** Signs the complete list of one intermediate. @see RFC 5280 section 5 */
export function issueCrl({ certificate, signer }: LeafIssuer, content: CrlContent): IssuedCrl {
  const authorityKeyId = keyIdentifier(certificate.spki)
  const keyIdHex = toHex(authorityKeyId)
  const { crlNumber, thisUpdate, nextUpdate } = content
  const revoked = content.revoked(keyIdHex)
  const fields = { issuer: certificate.subject, authorityKeyId, crlNumber, thisUpdate, nextUpdate }
  return Object.freeze({ keyIdHex, der: buildCrl({ ...fields, revoked }, signer) })
}
