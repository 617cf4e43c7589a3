import { equalConstantTime, refuse, type Refusal, utf8 } from '../../foundation/base/index.ts'
import {
  type CertificateRequest,
  challengePassword,
  codecErrors,
  importSpki,
  parseCsr,
  requestedExtensions,
  verifyCsr,
  type X509Extension,
} from '../../foundation/codec/index.ts'
import { unknownCritical } from './csr-extensions.ts'

/** A certificate request of an EST client that proves possession of its key. */
export interface EstCsr {
  readonly tlsSpki: Uint8Array
  readonly csr: CertificateRequest
  readonly extensions: readonly X509Extension[]
}

/**
 * Checks a PKCS#10 request as an EST client sends it: its form, a P-256 key, the signature by that key,
 * no critical extension that this CA does not know, and the binding to the connection where there is one.
 *
 * **Security:** names and extensions in it are wishes. A client need not bind its request (`tls-unique`
 * does not exist in TLS 1.3), so what proves who it is has to come from elsewhere.
 *
 * @param der - PKCS#10, at most 16 KiB
 * @param binding - 32 bytes `tls-exporter` of the connection it came on; in base64, the only challenge
 *   password that is accepted
 * @returns the request, or a refusal `KOS_ENROLMENT_CSR` or `KOS_ENROLMENT_PROOF`
 * @see RFC 7030 sections 3.4, 3.5 and 4.2.1, RFC 9266
 */
export function verifyEstCsr(der: Uint8Array, binding: Uint8Array): EstCsr | Refusal {
  try {
    const csr = parseCsr(der)
    const extensions = requestedExtensions(csr)
    const challenge = challengePassword(csr)
    if (csr.keyAlgorithm !== 'P-256') {
      return csrRefused('key-algorithm', FORM)
    }
    // A point that is not on the curve is no key.
    importSpki(csr.spki)
    const unknown = unknownCritical(extensions)
    if (unknown !== undefined) {
      return csrRefused('critical-extension', `Extension ${unknown} is not known here.`)
    }
    if (!verifyCsr(csr)) return refuse('KOS_ENROLMENT_PROOF', 'proof/csr-signature')
    if (challenge !== undefined && !isBinding(challenge, binding)) {
      return refuse('KOS_ENROLMENT_PROOF', 'proof/challenge-password', {
        remedy:
          'Leave the challenge password out, or set it to the tls-exporter of the connection.',
      })
    }
    return { tlsSpki: csr.spki, csr, extensions }
  } catch (error) {
    if (!codecErrors.has(error)) throw error
    return csrRefused(String(error.details['rule']), FORM)
  }
}

const FORM = 'Send base64 of a DER request with a P-256 key and SHA-256, without PEM lines.'

function isBinding(challenge: string, binding: Uint8Array): boolean {
  return equalConstantTime(utf8(challenge), utf8(Buffer.from(binding).toString('base64')))
}

function csrRefused(check: string, remedy: string): Refusal {
  return refuse('KOS_ENROLMENT_CSR', `csr/${check}`, { remedy })
}
