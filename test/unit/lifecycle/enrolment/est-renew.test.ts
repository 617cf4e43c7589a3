/** Renewals by EST: the certificate of the connection is the proof. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { toHex } from '../../../../src/foundation/base/index.ts'
import { parseCertificate } from '../../../../src/foundation/codec/index.ts'
import { profileOf } from '../../../../src/foundation/profiles/index.ts'
import {
  createRaiseService,
  noHardwareEvidence,
} from '../../../../src/lifecycle/enrolment/index.ts'
import {
  accepted,
  assertRefused,
  assertSame,
  createFleet,
  joined,
  markUsed,
  MINUTE_MS,
} from '../../../kit/enrolment.ts'
import { BINDING, enrolledByEst, estCsr, estRenewCsr, estRenewRequest } from '../../../kit/est.ts'
import { TRUST_DOMAIN } from '../../../kit/pki.ts'
import { createTestRandom } from '../../../kit/random.ts'
import { testKey } from '../../../kit/x509.ts'

test('a new key gets the next generation, with the same names', async (context) => {
  const fleet = await createFleet(context)
  const { grant } = await enrolledByEst(fleet)
  const key = testKey()
  const result = accepted(await fleet.estRenewals.renew(estRenewRequest(grant, key), BINDING))
  assert.equal(result.repeated, false)
  assert.equal(result.grant.generation, 2)
  const [before, after] = [grant, result.grant].map(({ leaf }) => parseCertificate(leaf))
  assert.equal(toHex(after?.subject.der ?? key.spki), toHex(before?.subject.der ?? key.spki))
  assert.deepEqual(after?.subjectAltNames, before?.subjectAltNames)
  assert.equal(toHex(after?.spki ?? grant.leaf), toHex(key.spki))
  const { generation, generationUsed } = fleet.registry.principal(grant.principalId) ?? {}
  assert.deepEqual([generation, generationUsed], [2, false])
})

test('the same key gets the next generation too', async (context) => {
  const fleet = await createFleet(context)
  const { grant, key } = await enrolledByEst(fleet)
  const request = estRenewRequest(grant, key)
  const second = accepted(await fleet.estRenewals.renew(request, BINDING)).grant
  const repeated = accepted(await fleet.estRenewals.renew(request, BINDING))
  assert.equal(repeated.repeated, true)
  assertSame(repeated.grant, second)
  const third = accepted(await fleet.estRenewals.renew(estRenewRequest(second, key), BINDING))
  assert.equal(third.grant.generation, 3)
})

describe('after a lost answer', () => {
  test('the same request gets the same certificate, whatever was seen since', async (context) => {
    const fleet = await createFleet(context)
    const { grant } = await enrolledByEst(fleet)
    const request = estRenewRequest(grant, testKey())
    const first = accepted(await fleet.estRenewals.renew(request, BINDING)).grant
    await markUsed(fleet, grant.principalId)
    const { estRenewals } = fleet.restart()
    const again = accepted(await estRenewals.renew(request, BINDING))
    assert.equal(again.repeated, true)
    assertSame(again.grant, first)
  })

  test('another new key gets a certificate in its place, as long as the first was never seen', async (context) => {
    const fleet = await createFleet(context)
    const { grant } = await enrolledByEst(fleet)
    const lost = testKey()
    accepted(await fleet.estRenewals.renew(estRenewRequest(grant, lost), BINDING))
    const second = await fleet.estRenewals.renew(estRenewRequest(grant, testKey()), BINDING)
    assert.equal(accepted(second).grant.generation, 2)
    // The key whose certificate was replaced does not come back.
    const back = await fleet.estRenewals.renew(estRenewRequest(grant, lost), BINDING)
    assertRefused(back, 'KOS_ENROLMENT_PROOF', 'proof/tls-key-used')
  })
})

test('names other than those of the certificate are refused', async (context) => {
  const fleet = await createFleet(context)
  const { grant, key } = await enrolledByEst(fleet)
  const csr = estCsr(key)
  const result = await fleet.estRenewals.renew(estRenewRequest(grant, key, { csr }), BINDING)
  assertRefused(result, 'KOS_ENROLMENT_CSR', 'csr/names')
})

test('who is no EST device, unknown, locked or ended is refused', async (context) => {
  const fleet = await createFleet(context)
  const { estRenewals, registry } = fleet
  const key = testKey()
  const kosd = await joined(fleet)
  assertRefused(
    await estRenewals.renew(estRenewRequest(kosd.grant, key), BINDING),
    'KOS_ENROLMENT_PROFILE',
    'est/identity-key',
  )
  const { grant } = await enrolledByEst(fleet)
  const other = await enrolledByEst(fleet, 'printer-2')
  const request = estRenewRequest(grant, key)
  const refused = [
    [{ principalId: 'nobody' }, 'principal/unknown'],
    [{ leaf: other.grant.leaf, csr: estRenewCsr(other.grant.leaf, key) }, 'certificate/unknown'],
    [{ csr: estCsr(testKey('ed25519')) }, 'csr/key-algorithm'],
  ] as const
  for (const [changes, rule] of refused) {
    const result = await estRenewals.renew({ ...request, ...changes }, BINDING)
    const code = rule.startsWith('csr') ? 'KOS_ENROLMENT_CSR' : 'KOS_ENROLMENT_UNKNOWN'
    assertRefused(result, code, rule)
  }
  await registry.change(grant.principalId, { state: 'locked' })
  const locked = await estRenewals.renew(request, BINDING)
  assertRefused(locked, 'KOS_ENROLMENT_LOCKED', 'principal/state')
  await registry.change(grant.principalId, { state: 'active' })
  fleet.clock.advance(24 * 60 * MINUTE_MS)
  const late = await estRenewals.renew(request, BINDING)
  assertRefused(late, 'KOS_ENROLMENT_EXPIRED', 'certificate/ended')
})

test('what the registry takes for no device gets nothing', async (context) => {
  const fleet = await createFleet(context)
  const { grant } = await enrolledByEst(fleet)
  fleet.store.raw.exec(`UPDATE principal SET uri = 'spiffe://${TRUST_DOMAIN}/authority/x'
    WHERE id = '${grant.principalId}'`)
  const result = await fleet.estRenewals.renew(estRenewRequest(grant, testKey()), BINDING)
  assertRefused(result, 'KOS_ENROLMENT_UNKNOWN', 'principal/kind')
})

test('an EST device cannot be raised: it has no identity key to prove', async (context) => {
  const fleet = await createFleet(context)
  const { grant } = await enrolledByEst(fleet)
  const { clock, registry, ca, tokens } = fleet
  const raises = createRaiseService({
    clock,
    random: createTestRandom('raises'),
    store: {
      transaction: (work) => registry.transaction(work),
      raise: (work) => registry.atOnce(work).result,
    },
    ca,
    tokens,
    evidence: noHardwareEvidence,
  })
  const order = { profile: profileOf('SEC-3'), owner: fleet.owner.uri, lifeMs: MINUTE_MS }
  const result = await raises.createToken(grant.principalId, order)
  assertRefused(result, 'KOS_ENROLMENT_PROFILE', 'raise/no-identity-key')
})
