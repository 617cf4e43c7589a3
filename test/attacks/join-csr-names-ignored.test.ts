/** Attack: a CSR asks for the name of somebody else, for CA rights and for another lifetime. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  basicConstraintsExtension,
  buildCsr,
  buildName,
  extensionRequest,
  NAME_OID,
  parseCertificate,
  subjectAltNamesExtension,
} from '../../src/foundation/codec/index.ts'
import { joinAuthenticator, signJoin } from '../../src/lifecycle/enrolment/proofs.ts'
import { verifyPeerLeaf } from '../../src/trust/pki/index.ts'
import {
  accepted,
  createDevice,
  createFleet,
  createToken,
  EXPORTER,
  joinRequest,
  requestKeys,
} from '../kit/enrolment.ts'
import { principal } from '../kit/pki.ts'

test('the leaf names whom the token names, and grants what the CA grants', async (context) => {
  const fleet = await createFleet(context)
  const device = createDevice()
  const token = await createToken(fleet)
  const wishes = [
    subjectAltNamesExtension({
      uris: [principal('authority', 'main').uri],
      dnsNames: ['authority.example'],
    }),
    basicConstraintsExtension({ ca: true }),
  ]
  const csr = buildCsr(
    {
      spki: device.tls.spki,
      subject: buildName([{ oid: NAME_OID.commonName, value: 'alice' }]),
      attributes: [extensionRequest(wishes)],
    },
    device.tls.signer,
  )
  const request = { ...joinRequest(device, token), csr }
  const proof = signJoin(request, EXPORTER, requestKeys(device).identity)
  const authenticator = joinAuthenticator(token.secret, EXPORTER, csr)
  const { grant } = accepted(await fleet.joins.join({ ...request, proof, authenticator }, EXPORTER))
  assert.equal(grant.name, 'camera-1')
  assert.equal(grant.uri, principal('device', grant.principalId).uri)
  const leaf = parseCertificate(grant.leaf)
  assert.deepEqual(
    leaf.subject.attributes.map(({ value }) => value),
    [grant.principalId],
  )
  assert.deepEqual(leaf.subjectAltNames?.uris, [grant.uri])
  assert.deepEqual(leaf.subjectAltNames.dnsNames, [])
  assert.equal(leaf.basicConstraints?.ca, false)
  const nowMs = fleet.clock.wallMs()
  accepted(verifyPeerLeaf(grant.leaf, { bundle: fleet.ca.trust, purpose: 'client', nowMs }))
})
