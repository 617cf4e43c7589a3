import assert from 'node:assert/strict'
import { test } from 'node:test'
import { sha256, toHex } from '../../../../src/foundation/base/index.ts'
import { OPERATOR_LIFE_MS } from '../../../../src/lifecycle/enrolment/index.ts'
import { verifyPeerLeaf } from '../../../../src/trust/pki/index.ts'
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
  joined,
  joinRequest,
  markUsed,
  renewRequest,
  type TestDevice,
} from '../../../kit/enrolment.ts'
import { DAY_MS, principal } from '../../../kit/pki.ts'
import { testKey } from '../../../kit/x509.ts'

/** The same device with a new TLS key. */
const withNewKey = (device: TestDevice): TestDevice => createDevice({ ...device, tls: testKey() })

test('a renewal certifies a new key in the next generation', async (context) => {
  const fleet = await createFleet(context)
  const { device, grant } = await joined(fleet)
  await markUsed(fleet, grant.principalId)
  fleet.clock.advance(DAY_MS / 2)
  const next = withNewKey(device)
  const request = renewRequest(next, grant, { addresses: ['[::1]:7402'] })
  const result = accepted(await fleet.renewals.renew(request, EXPORTER))
  assert.equal(result.repeated, false)
  assert.deepEqual(
    { ...result.grant, leaf: undefined },
    { ...grant, generation: 2, leaf: undefined },
  )
  const nowMs = fleet.clock.wallMs()
  const leaf = accepted(
    verifyPeerLeaf(result.grant.leaf, { bundle: fleet.ca.trust, purpose: 'server', nowMs }),
  )
  assert.equal(leaf.principal.uri, grant.uri)
  assert.equal(leaf.generation, 2)
  assert.equal(toHex(leaf.tlsKeyHash), toHex(sha256(next.tls.spki)))
  assert.equal(toHex(leaf.identityKeyHash), toHex(sha256(device.identity.spki)))
  const record = fleet.registry.principal(grant.principalId)
  assert.equal(record?.generation, 2)
  assert.equal(record.generationUsed, false)
  assert.equal(record.certificateNotAfter, nowMs + DAY_MS)
  assert.deepEqual(record.addresses, ['[::1]:7402'])
})

test('without addresses those that are known stay', async (context) => {
  const fleet = await createFleet(context)
  const { device, grant } = await joined(fleet)
  accepted(await fleet.renewals.renew(renewRequest(withNewKey(device), grant), EXPORTER))
  const record = fleet.registry.principal(grant.principalId)
  assert.deepEqual(record?.addresses, ['camera-1.example:7402'])
})

test('the same key again gets the same certificate, used or not', async (context) => {
  const fleet = await createFleet(context)
  const { device, grant } = await joined(fleet)
  const next = withNewKey(device)
  const first = accepted(await fleet.renewals.renew(renewRequest(next, grant), EXPORTER))
  for (const connection of [1, 2]) {
    const exporter = exporterOf(connection)
    const request = renewRequest(next, grant, { exporter })
    const again = accepted(await fleet.renewals.renew(request, exporter))
    assertSame(again, { grant: first.grant, repeated: true })
    await markUsed(fleet, grant.principalId)
  }
  const { renewals } = fleet.restart()
  const late = accepted(await renewals.renew(renewRequest(next, grant), EXPORTER))
  assertSame(late.grant, first.grant)
})

test('two renewals at once with one key are one', async (context) => {
  const fleet = await createFleet(context)
  const { device, grant } = await joined(fleet)
  const next = withNewKey(device)
  const requests = Array.from({ length: 5 }, () => renewRequest(next, grant))
  const results = await Promise.all(
    requests.map((request) => fleet.renewals.renew(request, EXPORTER)),
  )
  const grants = results.map((result) => accepted(result).grant)
  for (const other of grants) assertSame(other, grants[0])
})

test('a certificate that ended before it was fetched is made again for the same key', async (context) => {
  const fleet = await createFleet(context)
  const { device, grant } = await joined(fleet)
  const next = withNewKey(device)
  const first = accepted(await fleet.renewals.renew(renewRequest(next, grant), EXPORTER))
  await markUsed(fleet, grant.principalId)
  fleet.clock.advance(3 * DAY_MS)
  const second = accepted(await fleet.renewals.renew(renewRequest(next, grant), EXPORTER))
  assert.equal(second.repeated, false)
  assert.equal(second.grant.generation, 2)
  assert.notEqual(toHex(second.grant.leaf), toHex(first.grant.leaf))
  const third = accepted(await fleet.renewals.renew(renewRequest(next, grant), EXPORTER))
  assertSame(third, { grant: second.grant, repeated: true })
  // It was used, so another key is a copy still.
  const other = await fleet.renewals.renew(renewRequest(withNewKey(device), grant), EXPORTER)
  assertRefused(other, 'KOS_ENROLMENT_COPY', 'generation/older')
})

test('another key may be certified as long as nobody used the newer generation', async (context) => {
  const fleet = await createFleet(context)
  const { device, grant } = await joined(fleet)
  accepted(await fleet.renewals.renew(renewRequest(withNewKey(device), grant), EXPORTER))
  const other = withNewKey(device)
  const result = accepted(await fleet.renewals.renew(renewRequest(other, grant), EXPORTER))
  assert.equal(result.repeated, false)
  assert.equal(result.grant.generation, 2)
  assert.equal(fleet.registry.principal(grant.principalId)?.generation, 2)
})

test('an expired leaf is renewed for 30 days', async (context) => {
  const fleet = await createFleet(context)
  const { device, grant } = await joined(fleet)
  fleet.clock.advance(31 * DAY_MS)
  accepted(await fleet.renewals.renew(renewRequest(withNewKey(device), grant), EXPORTER))
})

test('a TLS key is new at every renewal and nobody else’s', async (context) => {
  const fleet = await createFleet(context)
  const { device, grant } = await joined(fleet)
  const { device: other } = await joined(fleet, { name: 'camera-2' })
  for (const tls of [device.tls, other.tls, other.identity, other.kem, device.kem]) {
    const request = renewRequest(createDevice({ ...device, tls }), grant)
    const result = await fleet.renewals.renew(request, EXPORTER)
    assertRefused(result, 'KOS_ENROLMENT_PROOF', 'proof/tls-key-used')
  }
  // Nor in a second try.
  accepted(await fleet.renewals.renew(renewRequest(withNewKey(device), grant), EXPORTER))
  const again = await fleet.renewals.renew(renewRequest(device, grant), EXPORTER)
  assertRefused(again, 'KOS_ENROLMENT_PROOF', 'proof/tls-key-used')
})

test('a generation that the registry has not reached locks nobody', async (context) => {
  const fleet = await createFleet(context)
  const { device, grant } = await joined(fleet)
  const ahead = { principalId: grant.principalId, generation: 2 }
  const result = await fleet.renewals.renew(renewRequest(withNewKey(device), ahead), EXPORTER)
  assertRefused(result, 'KOS_ENROLMENT_UNKNOWN', 'generation/ahead')
  assert.equal(fleet.registry.principal(grant.principalId)?.state, 'active')
})

test('an operator renews for 30 days', async (context) => {
  const fleet = await createFleet(context)
  const { record, device } = await createUser(fleet, 'bob')
  fleet.clock.advance(OPERATOR_LIFE_MS / 2)
  const held = { principalId: record.id, generation: 1 }
  const result = accepted(
    await fleet.renewals.renew(renewRequest(withNewKey(device), held), EXPORTER),
  )
  assert.equal(result.grant.uri, principal('user', 'bob').uri)
  const changed = fleet.registry.principal('bob')
  assert.equal(changed?.certificateNotAfter, fleet.clock.wallMs() + OPERATOR_LIFE_MS)
})

test('an agent renews for the life of its profile', async (context) => {
  const fleet = await createFleet(context)
  const { device, grant } = await joined(fleet, { kind: 'agent', name: 'helper' })
  accepted(await fleet.renewals.renew(renewRequest(withNewKey(device), grant), EXPORTER))
  const record = fleet.registry.principal('helper')
  assert.equal(record?.certificateNotAfter, fleet.clock.wallMs() + DAY_MS)
})

test('a profile that asks for hardware is not renewed by a key alone', async (context) => {
  const fleet = await createFleet(context)
  const { device, grant } = await joined(fleet)
  for (const profile of ['SEC-3', 'SEC-4'] as const) {
    await fleet.registry.change(grant.principalId, { profile })
    const result = await fleet.renewals.renew(renewRequest(withNewKey(device), grant), EXPORTER)
    assertRefused(result, 'KOS_ENROLMENT_PROFILE', 'profile/hardware-evidence')
  }
})

test('no request renews the authority, whatever the registry says', async (context) => {
  const fleet = await createFleet(context)
  const uri = principal('authority', 'main').uri
  const { record, device } = await createUser(fleet, 'main', { uri, kind: 'authority' })
  const held = { principalId: record.id, generation: 1 }
  const result = await fleet.renewals.renew(renewRequest(withNewKey(device), held), EXPORTER)
  assertRefused(result, 'KOS_ENROLMENT_UNKNOWN', 'principal/kind')
})

test('a device with a first certificate that was never fetched can go on', async (context) => {
  const fleet = await createFleet(context)
  const device = createDevice()
  const token = await createToken(fleet)
  accepted(await fleet.joins.join(joinRequest(device, token), EXPORTER))
  const { grant } = accepted(await fleet.joins.join(joinRequest(device, token), EXPORTER))
  accepted(await fleet.renewals.renew(renewRequest(withNewKey(device), grant), EXPORTER))
})

test('when the CA cannot issue, nothing is changed', async (context) => {
  const fleet = await createFleet(context)
  const { device, grant } = await joined(fleet)
  const now = fleet.clock.wallMs()
  const before = fleet.registry.principal(grant.principalId)
  fleet.clock.setWall(now - 2 * 60_000)
  const request = renewRequest(withNewKey(device), grant)
  await assert.rejects(fleet.renewals.renew(request, EXPORTER), { code: 'KOS_PKI_ISSUE' })
  assert.deepEqual(fleet.registry.principal(grant.principalId), before)
})

test('who is unknown, locked or absent for too long is refused', async (context) => {
  const fleet = await createFleet(context)
  const { device, grant } = await joined(fleet)
  const renew = (held = grant, by = device): Promise<unknown> =>
    fleet.renewals.renew(renewRequest(withNewKey(by), held), EXPORTER)
  const stranger = await renew({ ...grant, principalId: 'kdev-a' })
  assertRefused(stranger, 'KOS_ENROLMENT_UNKNOWN', 'principal/unknown')
  assertRefused(await renew(grant, createDevice()), 'KOS_ENROLMENT_UNKNOWN', 'principal/unknown')
  await fleet.registry.change(grant.principalId, { state: 'locked' })
  assertRefused(await renew(), 'KOS_ENROLMENT_LOCKED', 'principal/state')
  await fleet.registry.change(grant.principalId, { state: 'active' })
  fleet.clock.advance(31 * DAY_MS + 1)
  assertRefused(await renew(), 'KOS_ENROLMENT_EXPIRED', 'certificate/absence')
})
