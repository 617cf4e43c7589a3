/**
 * Attack: the certificate request of a join or a renewal is signed by another key, is longer than a
 * request can be, asks for a critical extension that is copied unknown, or for somebody else's name.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  buildCsr,
  buildName,
  encodeCbor,
  extensionRequest,
  NAME_OID,
  parseCertificate,
  subjectAltNamesExtension,
  type X509Extension,
} from '../../src/foundation/codec/index.ts'
import {
  decodeJoinRequest,
  decodeRenewRequest,
  type JoinRequest,
  MAX_ENROLMENT_BYTES,
  type RenewRequest,
} from '../../src/lifecycle/enrolment/index.ts'
import { joinAuthenticator, signJoin, signRenewal } from '../../src/lifecycle/enrolment/proofs.ts'
import {
  accepted,
  assertRefused,
  createDevice,
  createFleet,
  createToken,
  EXPORTER,
  joined,
  joinRequest,
  renewRequest,
  requestKeys,
  type TestDevice,
} from '../kit/enrolment.ts'
import { principal } from '../kit/pki.ts'
import { testKey, type TestKey } from '../kit/x509.ts'

const UNKNOWN = '1.3.6.1.4.1.99999.1'

/** A request for a key that another one may sign. */
function csrOf(
  key: TestKey,
  wishes: readonly X509Extension[] = [],
  signer = key.signer,
): Uint8Array {
  const subject = buildName([{ oid: NAME_OID.commonName, value: 'alice' }])
  const attributes = wishes.length > 0 ? [extensionRequest(wishes)] : []
  return buildCsr({ spki: key.spki, subject, attributes }, signer)
}

test('of a join', async (context) => {
  const fleet = await createFleet(context)
  const device = createDevice()
  const token = await createToken(fleet)
  const request = (csr: Uint8Array): JoinRequest => {
    const made = { ...joinRequest(device, token), csr }
    const proof = signJoin(made, EXPORTER, requestKeys(device).identity)
    return { ...made, proof, authenticator: joinAuthenticator(token.secret, EXPORTER, csr) }
  }
  const join = (csr: Uint8Array): Promise<unknown> => fleet.joins.join(request(csr), EXPORTER)
  const forged = csrOf(device.tls, [], testKey().signer)
  assertRefused(await join(forged), 'KOS_ENROLMENT_PROOF', 'proof/csr-signature')
  const wish = { oid: UNKNOWN, critical: true, value: Uint8Array.of(5, 0) }
  const critical = csrOf(device.tls, [wish])
  assertRefused(await join(critical), 'KOS_ENROLMENT_PROOF', 'proof/csr-critical-extension')
  const long = encodeCbor({ ...request(csrOf(device.tls)), csr: new Uint8Array(4097) })
  assertRefused(decodeJoinRequest(long), 'KOS_ENROLMENT_REQUEST', 'csr: custom')
  const longer = decodeJoinRequest(new Uint8Array(MAX_ENROLMENT_BYTES + 1))
  assertRefused(longer, 'KOS_ENROLMENT_REQUEST', 'encoding')
  // The token is good yet, and a wish that is not critical is not granted.
  const wishes = [{ ...wish, critical: false }]
  const { grant } = accepted(await fleet.joins.join(request(csrOf(device.tls, wishes)), EXPORTER))
  assert.ok(!parseCertificate(grant.leaf).extensions.some(({ oid }) => oid === UNKNOWN))
})

test('of a renewal', async (context) => {
  const fleet = await createFleet(context)
  const { device, grant } = await joined(fleet)
  const next: TestDevice = createDevice({ ...device, tls: testKey() })
  const request = (csr: Uint8Array): RenewRequest => {
    const made = { ...renewRequest(next, grant), csr }
    return { ...made, proof: signRenewal(made, EXPORTER, requestKeys(next).identity) }
  }
  const renew = (csr: Uint8Array): Promise<unknown> => fleet.renewals.renew(request(csr), EXPORTER)
  const forged = csrOf(next.tls, [], device.tls.signer)
  assertRefused(await renew(forged), 'KOS_ENROLMENT_PROOF', 'proof/csr-signature')
  const wish = { oid: UNKNOWN, critical: true, value: Uint8Array.of(5, 0) }
  const critical = csrOf(next.tls, [wish])
  assertRefused(await renew(critical), 'KOS_ENROLMENT_PROOF', 'proof/csr-critical-extension')
  const long = encodeCbor({ ...request(csrOf(next.tls)), csr: new Uint8Array(4097) })
  assertRefused(decodeRenewRequest(long), 'KOS_ENROLMENT_REQUEST', 'csr: custom')
  // Whoever it names: the registry says who renews, and with which profile.
  const names = subjectAltNamesExtension({ uris: [principal('user', 'alice').uri] })
  const renewed = accepted(await fleet.renewals.renew(request(csrOf(next.tls, [names])), EXPORTER))
  assert.deepEqual(parseCertificate(renewed.grant.leaf).subjectAltNames?.uris, [grant.uri])
  assert.equal(renewed.grant.profile, 'SEC-2')
})
