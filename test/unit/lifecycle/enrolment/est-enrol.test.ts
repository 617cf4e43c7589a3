/** First enrolments by EST: the secret of a token, a CSR, one certificate. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { type Refusal, sha256, toHex } from '../../../../src/foundation/base/index.ts'
import {
  createEstEnrolService,
  type TokenRecord,
} from '../../../../src/lifecycle/enrolment/index.ts'
import { coseVerifierFromSpki, parseCertificate } from '../../../../src/foundation/codec/index.ts'
import { createPeerVerifier } from '../../../../src/trust/pki/index.ts'
import {
  accepted,
  assertRefused,
  assertSame,
  createDevice,
  createFleet,
  createToken,
  EXPORTER,
  joined,
  joinRequest,
  MINUTE_MS,
  pskJoinRequest,
  tokenOf,
} from '../../../kit/enrolment.ts'
import { BINDING, enrolledByEst, estEnrolRequest } from '../../../kit/est.ts'
import { TRUST_DOMAIN } from '../../../kit/pki.ts'
import { createTestRandom } from '../../../kit/random.ts'
import { testKey } from '../../../kit/x509.ts'

const EST = { origin: 'est' } as const

describe('tokens', () => {
  test('are for devices and profiles that a token alone brings in with a certificate', async (context) => {
    const fleet = await createFleet(context)
    const refused = [
      [{ kind: 'agent' }, 'KOS_ENROLMENT_REQUEST', 'token/est-kind'],
      [{ profile: 'SEC-1' }, 'KOS_ENROLMENT_PROFILE', 'profile/no-certificate'],
      [{ profile: 'SEC-3' }, 'KOS_ENROLMENT_PROFILE', 'profile/hardware-evidence'],
      [{ name: 'A' }, 'KOS_ENROLMENT_REQUEST', 'token/name'],
    ] as const
    for (const [changes, code, rule] of refused) {
      assertRefused(await fleet.tokens.create(tokenOf(fleet, { ...EST, ...changes })), code, rule)
    }
    const { record } = await createToken(fleet, EST)
    assert.equal(record.origin, 'est')
    assert.equal(fleet.registry.tokens()[0]?.origin, 'est')
  })

  test('of EST are none for kosd, and those of kosd none for EST', async (context) => {
    const fleet = await createFleet(context)
    const est = await createToken(fleet, { ...EST, name: 'est' })
    const rule = 'token/unknown'
    const join = await fleet.joins.join(joinRequest(createDevice(), est), EXPORTER)
    assertRefused(join, 'KOS_ENROLMENT_TOKEN', rule)
    const psk = await fleet.pskJoins.join(pskJoinRequest(est), EXPORTER)
    assertRefused(psk, 'KOS_ENROLMENT_TOKEN', rule)
    const kosd = await createToken(fleet, { name: 'kosd' })
    const enrolled = await fleet.estEnrolments.enrol(estEnrolRequest(kosd, testKey()), BINDING)
    assertRefused(enrolled, 'KOS_ENROLMENT_TOKEN', rule)
  })
})

describe('enrolment', () => {
  test('gives a leaf of the profile whose identity is no key', async (context) => {
    const fleet = await createFleet(context)
    const { key, grant } = await enrolledByEst(fleet)
    const record = fleet.registry.principal(grant.principalId)
    assert.ok(record)
    assert.deepEqual(
      [record.origin, record.name, record.profile, record.kind, record.generation, record.state],
      ['est', 'printer-1', 'SEC-2', 'device', 1, 'active'],
    )
    assert.deepEqual([record.kemSpki, record.logSpkis, record.addresses], [undefined, [], []])
    const leaf = parseCertificate(grant.leaf)
    assert.equal(toHex(leaf.spki), toHex(key.spki))
    assert.deepEqual(leaf.subjectAltNames?.uris, [record.uri])
    const facts = createPeerVerifier().verify(grant.leaf, {
      bundle: fleet.ca.trust,
      purpose: 'client',
      nowMs: fleet.clock.wallMs(),
    })
    const { identityKeyHash, generation, floor } = accepted(facts)
    assert.deepEqual([generation, floor.name], [1, 'SEC-2'])
    assert.equal(toHex(identityKeyHash), toHex(sha256(record.identitySpki)))
    assert.notEqual(toHex(identityKeyHash), toHex(sha256(key.spki)))
    // It is no key: nobody signs AUTH as this device.
    assert.throws(() => coseVerifierFromSpki(record.identitySpki))
  })

  test('the same token and key again get the same certificate, also after a restart', async (context) => {
    const fleet = await createFleet(context)
    const { key, grant, token } = await enrolledByEst(fleet)
    fleet.clock.advance(11 * MINUTE_MS)
    const request = estEnrolRequest(token, key)
    const again = accepted(await fleet.restart().estEnrolments.enrol(request, BINDING))
    assert.equal(again.repeated, true)
    assertSame(again.grant, grant)
  })

  test('tokens that are revoked, expired or ended are refused', async (context) => {
    const fleet = await createFleet(context)
    const enrol = async (token: Parameters<typeof estEnrolRequest>[0], rule: string) =>
      assertRefused(
        await fleet.estEnrolments.enrol(estEnrolRequest(token, testKey()), BINDING),
        'KOS_ENROLMENT_TOKEN',
        rule,
      )
    const revoked = await createToken(fleet, { ...EST, name: 'revoked' })
    await fleet.registry.revokeToken(revoked.record.id)
    await enrol(revoked, 'token/revoked')
    const expired = await createToken(fleet, { ...EST, name: 'expired', lifeMs: MINUTE_MS })
    fleet.clock.advance(MINUTE_MS)
    await enrol(expired, 'token/expired')
  })

  test('a removed device does not come back with its token; an ended certificate does', async (context) => {
    const fleet = await createFleet(context)
    const { key, grant, token } = await enrolledByEst(fleet)
    const request = estEnrolRequest(token, key)
    fleet.clock.advance(25 * 60 * MINUTE_MS)
    const renewed = accepted(await fleet.estEnrolments.enrol(request, BINDING)).grant
    assert.notEqual(toHex(renewed.leaf), toHex(grant.leaf))
    fleet.clock.advance(60 * 24 * 60 * MINUTE_MS)
    const late = await fleet.estEnrolments.enrol(request, BINDING)
    assertRefused(late, 'KOS_ENROLMENT_EXPIRED', 'certificate/absence')
    await fleet.registry.change(grant.principalId, { state: 'removed' })
    const removed = await fleet.estEnrolments.enrol(request, BINDING)
    assertRefused(removed, 'KOS_ENROLMENT_LOCKED', 'principal/state')
  })

  test('keys of others, taken names and owners who are gone are refused; the token stays open', async (context) => {
    const fleet = await createFleet(context)
    const { device } = await joined(fleet)
    const token = await createToken(fleet, { ...EST, name: 'printer-1' })
    for (const [key, purpose] of [
      [device.tls, 'tls'],
      [device.identity, 'identity'],
    ] as const) {
      const result = await fleet.estEnrolments.enrol(estEnrolRequest(token, key), BINDING)
      assertRefused(result, 'KOS_ENROLMENT_COPY', `keys/registered-${purpose}`)
    }
    await fleet.registry.change(fleet.owner.id, { state: 'locked' })
    const request = estEnrolRequest(token, testKey())
    const orphan = await fleet.estEnrolments.enrol(request, BINDING)
    assertRefused(orphan, 'KOS_ENROLMENT_REQUEST', 'token/owner')
    await fleet.registry.change(fleet.owner.id, { state: 'active' })
    accepted(await fleet.estEnrolments.enrol(request, BINDING))
  })

  test('the intent is durable before, and told when it did not happen', async (context) => {
    const fleet = await createFleet(context)
    const said: string[] = []
    const { clock, registry: store, ca, tokens } = fleet
    const enrolments = createEstEnrolService(
      {
        clock,
        random: createTestRandom('intents'),
        store,
        ca,
        tokens,
        intend: (token: TokenRecord) => Promise.resolve(void said.push(`intent ${token.name}`)),
        refused: (_token: TokenRecord, { rule }: Refusal) =>
          Promise.resolve(void said.push(`refused ${rule}`)),
      },
      { trustDomain: TRUST_DOMAIN },
    )
    const { device } = await joined(fleet)
    const token = await createToken(fleet, { ...EST, name: 'printer-1' })
    await enrolments.enrol(estEnrolRequest(token, device.tls), BINDING)
    const key = testKey()
    accepted(await enrolments.enrol(estEnrolRequest(token, key), BINDING))
    accepted(await enrolments.enrol(estEnrolRequest(token, key), BINDING))
    assert.deepEqual(said, ['intent printer-1', 'refused keys/registered-tls', 'intent printer-1'])
  })

  test('an id that is none, and a certificate that is gone, are refused as unknown', async (context) => {
    const fleet = await createFleet(context)
    const token = await createToken(fleet, EST)
    const request = estEnrolRequest(token, testKey(), { user: 'x'.repeat(4000) })
    const result = await fleet.estEnrolments.enrol(request, BINDING)
    assertRefused(result, 'KOS_ENROLMENT_TOKEN', 'token/secret')
    const device = await enrolledByEst(fleet, 'printer-2')
    fleet.store.raw.exec(
      `DELETE FROM certificate WHERE principal_id = '${device.grant.principalId}'`,
    )
    const again = estEnrolRequest(device.token, device.key)
    assertRefused(
      await fleet.estEnrolments.enrol(again, BINDING),
      'KOS_ENROLMENT_TOKEN',
      'token/spent',
    )
    fleet.store.raw.exec(`UPDATE token SET principal_id = NULL WHERE name = 'printer-2'`)
    assertRefused(
      await fleet.estEnrolments.enrol(again, BINDING),
      'KOS_ENROLMENT_TOKEN',
      'token/spent',
    )
  })
})
