/** Attack: a CSR asks for the name of somebody else, for CA rights and for another lifetime. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  basicConstraintsExtension,
  buildCsr,
  buildName,
  derBoolean,
  derOctetString,
  derOid,
  derSequence,
  NAME_OID,
  parseCertificate,
  subjectAltNamesExtension,
  type X509Extension,
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

/** PKCS#9 extensionRequest. @see RFC 2985 section 5.4.2 */
const EXTENSION_REQUEST = '1.2.840.113549.1.9.14'

const encodeExtension = ({ oid, critical, value }: X509Extension): Uint8Array =>
  derSequence(derOid(oid), ...(critical ? [derBoolean(true)] : []), derOctetString(value))

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
      attributes: [
        { oid: EXTENSION_REQUEST, values: [derSequence(...wishes.map(encodeExtension))] },
      ],
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
