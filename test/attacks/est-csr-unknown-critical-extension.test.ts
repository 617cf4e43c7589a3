/** Attack: a CSR asks for a critical extension that this CA does not know, hoping that it is copied. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { extensionRequest, parseCertificate } from '../../src/foundation/codec/index.ts'
import { accepted, assertRefused, createFleet, createToken } from '../kit/enrolment.ts'
import { BINDING, estCsr, estEnrolRequest } from '../kit/est.ts'
import { testKey } from '../kit/x509.ts'

const UNKNOWN = '1.3.6.1.4.1.99999.1'

test('critical it is refused; not critical it is not in the certificate', async (context) => {
  const fleet = await createFleet(context)
  const token = await createToken(fleet, { origin: 'est' })
  const key = testKey()
  const request = (critical: boolean): ReturnType<typeof estEnrolRequest> => {
    const wish = { oid: UNKNOWN, critical, value: Uint8Array.of(5, 0) }
    const csr = estCsr(key, { attributes: [extensionRequest([wish])] })
    return estEnrolRequest(token, key, { csr })
  }
  const refused = await fleet.estEnrolments.enrol(request(true), BINDING)
  assertRefused(refused, 'KOS_ENROLMENT_CSR', 'csr/critical-extension')
  const { grant } = accepted(await fleet.estEnrolments.enrol(request(false), BINDING))
  const { extensions } = parseCertificate(grant.leaf)
  assert.ok(!extensions.some(({ oid }) => oid === UNKNOWN))
})
