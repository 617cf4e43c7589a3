import { type Random, type UnixMs, unixMs } from '../../foundation/base/index.ts'

/** Renewal falls between these shares of a certificate's life: half ± 10 %. */
const EARLIEST_SHARE = 0.45
const SPREAD = 0.1

/**
 * When a certificate is to be renewed: at half life ± 10 %, spread so that a fleet that joined
 * together does not renew together.
 *
 * @param notBefore - start of validity
 * @param notAfter - end of validity
 * @param random - for the spread
 * @returns wall-clock milliseconds
 * @see identity: Renewal and absence
 */
export function renewAtMs(notBefore: UnixMs, notAfter: UnixMs, random: Random): UnixMs {
  const share = EARLIEST_SHARE + SPREAD * random.fraction()
  return unixMs(Math.round(notBefore + (notAfter - notBefore) * share))
}
