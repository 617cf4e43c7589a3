import { isRefusal, type Refusal } from '../../foundation/base/index.ts'
import {
  decodeOffer,
  type RecoveryOffer,
  type RecoveryStatus,
} from '../../lifecycle/recovery/index.ts'
import { json, refused, type Route } from './http-types.ts'

/** Who takes what members bring after a restore. */
export interface RecoveryPort {
  status(): RecoveryStatus
  /**
   * @param offer - decoded, not yet trusted
   * @param exporter - 32 bytes of the TLS connection it came over
   */
  take(offer: RecoveryOffer, exporter: Uint8Array): Refusal | undefined
}

/**
 * Routes of a restored authority. What comes in is signed by the authority itself, or by the identity key
 * that a certificate names: nobody else needs to be known.
 *
 * @param maxBytes - largest offer that is read
 */
export function recoveryRoutes(port: RecoveryPort, maxBytes: number): readonly Route[] {
  return [
    {
      method: 'GET',
      path: '/v1/recovery',
      guard: 'public',
      maxBytes: 0,
      handle: () => json(port.status()),
    },
    {
      method: 'POST',
      path: '/v1/recovery',
      guard: 'proof',
      maxBytes,
      handle: (call) => {
        const offer = decodeOffer(call.body)
        const refusal = isRefusal(offer) ? offer : port.take(offer, call.exporter())
        return refusal ? refused(refusal) : json({ taken: true })
      },
    },
  ]
}
