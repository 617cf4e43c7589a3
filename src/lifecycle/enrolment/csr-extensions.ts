import { EXTENSION_OID, type X509Extension } from '../../foundation/codec/index.ts'

const KNOWN: ReadonlySet<string> = new Set(Object.values(EXTENSION_OID))

/**
 * A critical extension that a request asks for and this CA does not know: whoever asks relies on it, so
 * a certificate without it is no answer.
 *
 * @returns its OID; `undefined`: there is none
 * @see RFC 5280 section 4.2
 */
export function unknownCritical(extensions: readonly X509Extension[]): string | undefined {
  return extensions.find(({ critical, oid }) => critical && !KNOWN.has(oid))?.oid
}
