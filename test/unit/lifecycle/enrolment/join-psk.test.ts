import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isRefusal } from '../../../../src/foundation/base/index.ts'
import {
  decodePskJoinRequest,
  encodeMessage,
  isPskDead,
} from '../../../../src/lifecycle/enrolment/index.ts'
import { PSK_LIFE_MS, PSK_OVERLAP_MS, pskIdentity } from '../../../../src/trust/pki/index.ts'
import {
  accepted,
  assertRefused,
  assertSame,
  createDevice,
  createFleet,
  createToken,
  createUser,
  EXPORTER,
  exporterOf,
  joinRequest,
  pskJoinRequest,
} from '../../../kit/enrolment.ts'

test('a sensor gets a handle and a root, and no certificate', async (context) => {
  const fleet = await createFleet(context)
  const token = await createToken(fleet, { profile: 'SEC-1' })
  const { grant, repeated } = accepted(await fleet.pskJoins.join(pskJoinRequest(token), EXPORTER))
  assert.equal(repeated, false)
  assert.deepEqual([grant.profile, grant.generation, grant.root.length], ['SEC-1', 1, 32])
  assert.match(grant.handle, /^[0-9a-f]{24}$/)
  const record = fleet.registry.principal(grant.principalId)
  assertSame(record?.identitySpki, pskIdentity(grant.handle))
  assert.equal(fleet.registry.pskOf(grant.principalId).length, 1)
  assert.equal((record?.certificateNotAfter ?? 0) - fleet.clock.wallMs(), PSK_LIFE_MS)
})

test('the root lies sealed in the registry, for its own handle', async (context) => {
  const fleet = await createFleet(context)
  const token = await createToken(fleet, { profile: 'SEC-1' })
  const { grant } = accepted(await fleet.pskJoins.join(pskJoinRequest(token), EXPORTER))
  const { sealedRoot } = fleet.registry.psk(grant.handle) ?? {}
  assert.ok(sealedRoot && !Buffer.from(sealedRoot).includes(Buffer.from(grant.root)))
})

test('the same request again gets the same key until it is used', async (context) => {
  const fleet = await createFleet(context)
  const token = await createToken(fleet, { profile: 'SEC-1' })
  const request = pskJoinRequest(token)
  const first = accepted(await fleet.pskJoins.join(request, EXPORTER))
  const exporter = exporterOf(2)
  const repeat = pskJoinRequest(token, { ...request, exporter })
  const second = accepted(await fleet.pskJoins.join(repeat, exporter))
  assert.equal(second.repeated, true)
  assertSame(second.grant, first.grant)
  await fleet.pskKeys.used(first.grant.handle)
  const late = await fleet.pskJoins.join(repeat, exporter)
  assertRefused(late, 'KOS_ENROLMENT_TOKEN', 'token/spent')
})

test('another request with a token whose key is used locks the device', async (context) => {
  const fleet = await createFleet(context)
  const token = await createToken(fleet, { profile: 'SEC-1' })
  const { grant } = accepted(await fleet.pskJoins.join(pskJoinRequest(token), EXPORTER))
  const other = pskJoinRequest(token, { nonce: new Uint8Array(32).fill(9) })
  assertRefused(await fleet.pskJoins.join(other, EXPORTER), 'KOS_ENROLMENT_TOKEN', 'token/spent')
  await fleet.pskKeys.used(grant.handle)
  const copied = await fleet.pskJoins.join(other, EXPORTER)
  assertRefused(copied, 'KOS_ENROLMENT_COPY', 'token/other-request')
  assert.equal(fleet.registry.principal(grant.principalId)?.state, 'quarantined')
})

test('who does not know the secret, or relays the request, learns nothing', async (context) => {
  const fleet = await createFleet(context)
  const token = await createToken(fleet, { profile: 'SEC-1' })
  const request = pskJoinRequest(token)
  for (const [bad, exporter] of [
    [{ ...request, authenticator: new Uint8Array(32) }, EXPORTER],
    [{ ...request, nonce: new Uint8Array(32) }, EXPORTER],
    [request, exporterOf(2)],
    [request, EXPORTER.subarray(1)],
  ] as const) {
    assertRefused(await fleet.pskJoins.join(bad, exporter), 'KOS_ENROLMENT_TOKEN', 'token/secret')
  }
})

test('each kind of token joins its own kind of device', async (context) => {
  const fleet = await createFleet(context)
  const certified = await createToken(fleet, { name: 'camera-2' })
  const wrong = await fleet.pskJoins.join(pskJoinRequest(certified), EXPORTER)
  assertRefused(wrong, 'KOS_ENROLMENT_PROFILE', 'profile/certificate')
  const shared = await createToken(fleet, { name: 'sensor-2', profile: 'SEC-1' })
  const request = joinRequest(createDevice(), shared)
  const other = await fleet.joins.join(request, EXPORTER)
  assertRefused(other, 'KOS_ENROLMENT_PROFILE', 'profile/no-certificate')
  const { record: admin } = await createUser(fleet, 'root-lady', { roles: ['admin'] })
  const person = await createToken(fleet, { name: 'bob', kind: 'user', owner: admin.uri })
  const people = await fleet.pskJoins.join(pskJoinRequest(person), EXPORTER)
  assertRefused(people, 'KOS_ENROLMENT_TOKEN', 'token/kind')
})

test('keys of another registration join nobody', async (context) => {
  const fleet = await createFleet(context)
  const request = pskJoinRequest(await createToken(fleet, { profile: 'SEC-1' }))
  accepted(await fleet.pskJoins.join(request, EXPORTER))
  const token = await createToken(fleet, { name: 'sensor-2', profile: 'SEC-1' })
  const { logSpkis } = request
  const again = pskJoinRequest(token, { logSpkis, mac: Uint8Array.of(2, 0, 0, 0, 0, 2) })
  const refusal = await fleet.pskJoins.join(again, EXPORTER)
  assertRefused(refusal, 'KOS_ENROLMENT_COPY', 'keys/registered-log')
})

test('expired, revoked and unknown tokens', async (context) => {
  const fleet = await createFleet(context)
  const token = await createToken(fleet, { profile: 'SEC-1' })
  const request = pskJoinRequest(token)
  await fleet.registry.revokeToken(token.record.id)
  assertRefused(
    await fleet.pskJoins.join(request, EXPORTER),
    'KOS_ENROLMENT_TOKEN',
    'token/revoked',
  )
  const late = await createToken(fleet, { name: 'late', profile: 'SEC-1', lifeMs: 1000 })
  fleet.clock.advance(1000)
  const result = await fleet.pskJoins.join(pskJoinRequest(late), EXPORTER)
  assertRefused(result, 'KOS_ENROLMENT_TOKEN', 'token/expired')
})

test('a rotation gives a new handle; the old key ends at the first use of the new one', async (context) => {
  const fleet = await createFleet(context)
  const token = await createToken(fleet, { profile: 'SEC-1' })
  const { grant } = accepted(await fleet.pskJoins.join(pskJoinRequest(token), EXPORTER))
  const next = accepted(await fleet.pskKeys.rotate(grant.principalId))
  assert.deepEqual([next.generation, next.handle === grant.handle], [2, false])
  const again = accepted(await fleet.pskKeys.rotate(grant.principalId))
  assert.equal(again.handle, next.handle)
  assert.equal(again.root.equals(next.root), true)
  const dead = (handle: string): boolean => {
    const key = fleet.registry.psk(handle)
    assert.ok(key)
    return isPskDead(key, fleet.clock.wallMs())
  }
  assert.deepEqual([dead(grant.handle), dead(next.handle)], [false, false])
  await fleet.pskKeys.used(next.handle)
  assert.deepEqual([dead(grant.handle), dead(next.handle)], [true, false])
})

test('a key that is never replaced by use ends after a week', async (context) => {
  const fleet = await createFleet(context)
  const token = await createToken(fleet, { profile: 'SEC-1' })
  const { grant } = accepted(await fleet.pskJoins.join(pskJoinRequest(token), EXPORTER))
  await fleet.pskKeys.rotate(grant.principalId)
  const key = fleet.registry.psk(grant.handle)
  assert.ok(key)
  assert.equal(key.endsAt, fleet.clock.wallMs() + PSK_OVERLAP_MS)
})

test('no key for strangers and for locked devices', async (context) => {
  const fleet = await createFleet(context)
  assertRefused(await fleet.pskKeys.rotate('nobody'), 'KOS_ENROLMENT_UNKNOWN', 'principal/no-psk')
  const token = await createToken(fleet, { profile: 'SEC-1' })
  const { grant } = accepted(await fleet.pskJoins.join(pskJoinRequest(token), EXPORTER))
  await fleet.registry.change(grant.principalId, { state: 'locked' })
  const refused = await fleet.pskKeys.rotate(grant.principalId)
  assertRefused(refused, 'KOS_ENROLMENT_LOCKED', 'principal/state')
  await fleet.pskKeys.used('000000000000000000000000')
})

test('the request on the wire is strict', async (context) => {
  const fleet = await createFleet(context)
  const token = await createToken(fleet, { profile: 'SEC-1' })
  const request = pskJoinRequest(token)
  assertSame(decodePskJoinRequest(encodeMessage(request)), request)
  for (const changed of [
    { ...request, nonce: new Uint8Array(31) },
    { ...request, logSpkis: [] },
    { ...request, tokenId: 'x' },
  ]) {
    assert.ok(isRefusal(decodePskJoinRequest(encodeMessage(changed))))
  }
})
