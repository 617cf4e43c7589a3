/** An authority with very many devices in its registry, none of which runs. */
import { silentLog, systemClock, systemRandom, toHex } from '../../src/foundation/base/index.ts'
import {
  closeAuthorityState,
  openAuthorityState,
} from '../../src/apps/authority/authority-state.ts'
import { profileOf } from '../../src/foundation/profiles/index.ts'
import { issue } from '../../src/lifecycle/enrolment/index.ts'
import { deriveDeviceId } from '../../src/trust/pki/index.ts'
import { benchPrincipal, benchRecord, benchTrustDomain } from './fleet.ts'

const BATCH = 2000
/** A directory holds 65,536: the others were removed, as devices are over the years. */
const MAX_LISTED = 65_000

/**
 * Makes the state folder: every device has its row, its keys' rows and a certificate. All certificates are
 * the bytes of one, and keys are no points of a curve: nobody reads them here, and they have their sizes.
 */
export async function createLargeAuthority(folder: string, count: number): Promise<void> {
  const deps = { clock: systemClock, random: systemRandom, log: silentLog }
  const state = await openAuthorityState(deps, { folder, trustDomain: benchTrustDomain() })
  const { registry, ca, identity } = state
  const { der, notBefore, notAfter } = issue(ca, {
    principal: benchPrincipal(ca, 'device', deviceId(identity.spki)),
    identitySpki: identity.spki,
    tlsSpki: ca.signers.lock.spki,
    profile: profileOf('SEC-2'),
    generation: 1,
    lifeMs: undefined,
  })
  for (let first = 0; first < count; first += BATCH) {
    registry.atOnce((transaction) => {
      for (let at = first; at < Math.min(count, first + BATCH); at += 1) {
        const principal = benchPrincipal(ca, 'device', deviceId(identity.spki))
        transaction.insertPrincipal(
          benchRecord(principal, {
            name: `device-${at}`,
            state: at < MAX_LISTED ? 'active' : 'removed',
            mac: '000000000000',
            uuid: systemRandom.uuidv7(),
            identitySpki: systemRandom.bytes(91),
            kemSpki: systemRandom.bytes(91),
            logSpkis: [systemRandom.bytes(44), systemRandom.bytes(64)],
            addresses: [`192.0.2.${at % 256}:7402`],
            certificateNotBefore: notBefore,
            certificateNotAfter: notAfter,
          }),
        )
        transaction.insertCertificate({
          serial: toHex(systemRandom.bytes(16)),
          principalId: principal.id,
          generation: 1,
          tlsKeyHash: toHex(systemRandom.bytes(32)),
          der,
          notBefore,
          notAfter,
        })
      }
    })
  }
  await closeAuthorityState(state)
}

function deviceId(identitySpki: Uint8Array): string {
  return deriveDeviceId({
    mac: systemRandom.bytes(6),
    uuid: systemRandom.uuidv7(),
    identitySpki,
  })
}
