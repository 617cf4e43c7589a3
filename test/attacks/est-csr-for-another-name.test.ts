/** Attack: a CSR asks for the name of another device, of the authority, or of a server of others. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  basicConstraintsExtension,
  buildName,
  extendedKeyUsageExtension,
  extensionRequest,
  keyUsageExtension,
  NAME_OID,
  parseCertificate,
  subjectAltNamesExtension,
} from '../../src/foundation/codec/index.ts'
import { accepted, createFleet, createToken } from '../kit/enrolment.ts'
import { BINDING, enrolledByEst, estCsr, estEnrolRequest } from '../kit/est.ts'
import { TRUST_DOMAIN } from '../kit/pki.ts'
import { testKey } from '../kit/x509.ts'

test('the token decides: nothing of the wish stands in the certificate', async (context) => {
  const fleet = await createFleet(context)
  const victim = await enrolledByEst(fleet, 'victim')
  const wishes = [
    [{ oid: NAME_OID.serialNumber, value: victim.grant.principalId }, victim.grant.uri],
    [{ oid: NAME_OID.commonName, value: 'authority' }, `spiffe://${TRUST_DOMAIN}/authority/x`],
    [{ oid: NAME_OID.commonName, value: 'alice' }, `spiffe://${TRUST_DOMAIN}/user/alice`],
  ] as const
  for (const [index, [wished, uri]] of wishes.entries()) {
    const token = await createToken(fleet, { name: `thief-${index}`, origin: 'est' })
    const key = testKey()
    const csr = estCsr(key, {
      subject: buildName([wished]),
      attributes: [
        extensionRequest([
          basicConstraintsExtension({ ca: true }),
          keyUsageExtension(['keyCertSign', 'cRLSign']),
          extendedKeyUsageExtension(['1.3.6.1.5.5.7.3.3']),
          subjectAltNamesExtension({ uris: [uri], dnsNames: ['bank.example'] }),
        ]),
      ],
    })
    const request = estEnrolRequest(token, key, { csr })
    const { grant } = accepted(await fleet.estEnrolments.enrol(request, BINDING))
    const leaf = parseCertificate(grant.leaf)
    assert.equal(leaf.basicConstraints?.ca, false)
    assert.deepEqual(leaf.keyUsage, ['digitalSignature'])
    assert.deepEqual(leaf.subjectAltNames?.uris, [grant.uri])
    assert.deepEqual(leaf.subjectAltNames?.dnsNames, [])
    assert.deepEqual(
      leaf.subject.attributes.map(({ value }) => value),
      [grant.principalId],
    )
    assert.notEqual(grant.uri, uri)
    assert.equal(grant.name, `thief-${index}`)
  }
})
