import { pemEncode } from '../../foundation/codec/index.ts'
import type { TrustBundle } from '../../trust/pki/index.ts'

/** What OpenSSL verifies peers by: the P-256 root and the intermediates of a trust bundle, PEM each. */
export function trustAnchorsPem(bundle: TrustBundle): readonly string[] {
  const { rootP256Certificate, intermediates } = bundle
  return [rootP256Certificate, ...intermediates.map(({ certificate }) => certificate)].map(
    ({ der }) => pemEncode('CERTIFICATE', der),
  )
}
