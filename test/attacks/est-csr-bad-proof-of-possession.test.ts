/** Attack: a certificate is asked for the key of somebody else, whose private key the client lacks. */
import { test } from 'node:test'
import { buildCsr, buildName } from '../../src/foundation/codec/index.ts'
import { accepted, assertRefused, createFleet, createToken } from '../kit/enrolment.ts'
import {
  BINDING,
  enrolledByEst,
  estCsr,
  estEnrolRequest,
  estRenewCsr,
  estRenewRequest,
} from '../kit/est.ts'
import { testKey } from '../kit/x509.ts'

test('a CSR that its key did not sign is refused, and the token stays open', async (context) => {
  const fleet = await createFleet(context)
  const [own, theirs] = [testKey(), testKey()]
  const device = await enrolledByEst(fleet)
  const token = await createToken(fleet, { origin: 'est' })
  const changed = Buffer.from(estCsr(own))
  changed[changed.length - 1] = (changed.at(-1) ?? 0) ^ 1
  const forged = [
    // Signed by the own key, for theirs.
    buildCsr({ spki: theirs.spki, subject: buildName([]) }, own.signer),
    changed,
  ]
  for (const csr of forged) {
    const request = estEnrolRequest(token, own, { csr })
    const enrolled = await fleet.estEnrolments.enrol(request, BINDING)
    assertRefused(enrolled, 'KOS_ENROLMENT_PROOF', 'proof/csr-signature')
    const renewal = estRenewRequest(device.grant, own, { csr })
    const renewed = await fleet.estRenewals.renew(renewal, BINDING)
    assertRefused(renewed, 'KOS_ENROLMENT_PROOF', 'proof/csr-signature')
  }
  accepted(await fleet.estEnrolments.enrol(estEnrolRequest(token, own), BINDING))
  // A CSR that somebody overheard is of the right key and names, but of a key that is taken.
  const overheard = { csr: estRenewCsr(device.grant.leaf, own) }
  const renewal = await fleet.estRenewals.renew(
    estRenewRequest(device.grant, own, overheard),
    BINDING,
  )
  assertRefused(renewal, 'KOS_ENROLMENT_PROOF', 'proof/tls-key-used')
})
