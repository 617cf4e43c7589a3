import { equalBytes, isRefusal, refuse, type Refusal } from '../../foundation/base/index.ts'
import { compareNumbered } from './numbered.ts'
import {
  bundleRefusal,
  type TrustAnchor,
  type TrustBundle,
  verifyTrustBundle,
} from './trust-bundle.ts'

/** The newest trust bundle that a node holds. */
export interface TrustState {
  /** The newest bundle; `undefined` until the first one was applied. */
  readonly current: TrustBundle | undefined
  /** The signed bytes of {@link current}, to be kept and handed on. */
  readonly signed: Uint8Array | undefined
  /**
   * Takes a bundle if it is genuine and newer.
   *
   * @returns what happened, or a refusal KOS_PKI_BUNDLE or KOS_PKI_OLDER
   */
  apply(signed: Uint8Array): 'newer' | 'same' | Refusal
}

/**
 * Holds the newest trust bundle of one pinned authority; era and number never go down.
 *
 * @param anchor - the pin of the join line, or both root keys
 */
export function createTrustState(anchor: TrustAnchor): TrustState {
  let current: TrustBundle | undefined
  let signed: Uint8Array | undefined
  return {
    get current(): TrustBundle | undefined {
      return current
    },
    get signed(): Uint8Array | undefined {
      return signed
    },
    apply(bytes: Uint8Array): 'newer' | 'same' | Refusal {
      const bundle = verifyTrustBundle(bytes, anchor)
      if (isRefusal(bundle)) return bundle
      const order = current ? compareNumbered(bundle, current) : 1
      if (order < 0) return refuse('KOS_PKI_OLDER', 'trust-bundle')
      if (order === 0 && current) {
        // Two bundles of one number: the root keys are used in two places.
        return equalBytes(bundle.hash, current.hash) ? 'same' : bundleRefusal('fork')
      }
      if (current && bundle.trustDomain !== current.trustDomain)
        return bundleRefusal('trust-domain')
      current = bundle
      signed = Uint8Array.from(bytes)
      return 'newer'
    },
  }
}
