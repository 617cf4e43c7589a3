import { isRefusal, refuse } from '../../foundation/base/index.ts'
import type { CborInput, CoseSigner } from '../../foundation/codec/index.ts'
import {
  type NumberedFields,
  type NumberedLimits,
  signNumbered,
  type TrustBundle,
  verifyNumbered,
} from '../pki/index.ts'
import type { ManifestVerifier } from './engine.ts'
import { type Manifest, MANIFEST_LIMITS } from './manifest.ts'

/** Bounds of a signed manifest. */
export const SIGNED_MANIFEST_LIMITS: Required<NumberedLimits> = Object.freeze({
  maxBytes: 32 * 1024 * 1024,
  maxItems: 2 * MANIFEST_LIMITS.maxItems,
})

/** The body of a signed manifest, without fields that are absent. */
export function encodeManifest(manifest: Manifest): CborInput {
  return JSON.parse(JSON.stringify(manifest)) as CborInput
}

/**
 * Signs a manifest as a numbered object of kind `manifest`.
 *
 * @param manifest - as returned by `parseManifest` or `parseManifestJson`
 * @param place - era, number (above the one in force), time, and the hash of the object before it
 * @param signer - the policy key
 * @throws {@link KosError} KOS_PKI_ISSUE when era, number or previous hash are out of range
 */
export function signManifest(
  manifest: Manifest,
  place: Omit<NumberedFields, 'body'>,
  signer: CoseSigner,
): Uint8Array {
  return signNumbered('manifest', { ...place, body: encodeManifest(manifest) }, signer)
}

/**
 * Creates the verifier of signed manifests: a policy key of the trust bundle, in an era that the
 * root keys have opened.
 *
 * @param trust - the newest trust bundle, asked at every call
 */
export function createManifestVerifier(
  trust: () => Pick<TrustBundle, 'era' | 'signingKeys'>,
): ManifestVerifier {
  return (signed) => {
    const { era, signingKeys } = trust()
    const check = { ...SIGNED_MANIFEST_LIMITS, verifiers: signingKeys.policy }
    const object = verifyNumbered('manifest', signed, check)
    if (isRefusal(object) || object.era <= era) return object
    return refuse('KOS_PKI_OBJECT', 'era')
  }
}
