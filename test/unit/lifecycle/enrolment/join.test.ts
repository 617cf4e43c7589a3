import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fromHex, parseDeviceId, sha256, toHex } from '../../../../src/foundation/base/index.ts'
import { createJoinService, OPERATOR_LIFE_MS } from '../../../../src/lifecycle/enrolment/index.ts'
import { deriveDeviceId, verifyPeerLeaf } from '../../../../src/trust/pki/index.ts'
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
  MINUTE_MS,
  renewRequest,
  type TestDevice,
  tokenOf,
} from '../../../kit/enrolment.ts'
import { DAY_MS, TRUST_DOMAIN } from '../../../kit/pki.ts'
import { createTestRandom } from '../../../kit/random.ts'
import { testKey } from '../../../kit/x509.ts'

test('a device gets the first certificate of its own identity', async (context) => {
  const fleet = await createFleet(context)
  const device = createDevice()
  const token = await createToken(fleet)
  const now = fleet.clock.wallMs()
  const result = accepted(await fleet.joins.join(joinRequest(device, token), EXPORTER))
  assert.equal(result.repeated, false)
  assert.equal(result.token.id, token.record.id)
  const { grant } = result
  assert.ok(parseDeviceId(grant.principalId))
  assert.deepEqual(
    { ...grant, leaf: undefined },
    {
      principalId: grant.principalId,
      uri: `spiffe://kos.internal/device/${grant.principalId}`,
      name: 'camera-1',
      profile: 'SEC-2',
      generation: 1,
      leaf: undefined,
    },
  )
  const leaf = accepted(
    verifyPeerLeaf(grant.leaf, { bundle: fleet.ca.trust, purpose: 'client', nowMs: now }),
  )
  assert.equal(leaf.principal.uri, grant.uri)
  assert.equal(leaf.floor.name, 'SEC-2')
  assert.equal(leaf.generation, 1)
  assert.deepEqual(toHex(leaf.identityKeyHash), toHex(sha256(device.identity.spki)))
  assert.deepEqual(toHex(leaf.tlsKeyHash), toHex(sha256(device.tls.spki)))
  assert.equal(leaf.notAfter, now + DAY_MS)
})

test('the registry knows the device, its keys and who spent the token', async (context) => {
  const fleet = await createFleet(context)
  const { device, grant } = await joined(fleet)
  const record = fleet.registry.principal(grant.principalId)
  assert.ok(record)
  const now = fleet.clock.wallMs()
  const { identitySpki, kemSpki, logSpkis, uuid, certificateNotBefore, ...rest } = record
  assert.deepEqual(rest, {
    id: grant.principalId,
    uri: grant.uri,
    kind: 'device',
    name: 'camera-1',
    profile: 'SEC-2',
    state: 'active',
    owner: fleet.owner.uri,
    mac: '020000000001',
    generation: 1,
    generationUsed: false,
    roles: [],
    groups: [],
    labels: {},
    addresses: ['camera-1.example:7402'],
    listeners: {},
    createdAt: now,
    lastSeenAt: now,
    certificateNotAfter: now + DAY_MS,
  })
  assert.equal(certificateNotBefore, now - MINUTE_MS)
  assert.equal(toHex(identitySpki), toHex(device.identity.spki))
  assert.equal(toHex(kemSpki ?? new Uint8Array()), toHex(device.kem.spki))
  assert.deepEqual(
    logSpkis.map((spki) => toHex(spki)),
    device.logs.map(({ spki }) => toHex(spki)),
  )
  const mac = fromHex('020000000001') ?? new Uint8Array()
  assert.equal(grant.principalId, deriveDeviceId({ mac, uuid, identitySpki }))
  const [token] = fleet.registry.tokens()
  assert.equal(token?.state, 'spent')
  assert.equal(token.principalId, grant.principalId)
  assert.equal(token.spentTlsKeyHash, toHex(sha256(device.tls.spki)))
})

test('an agent is named by its token', async (context) => {
  const fleet = await createFleet(context)
  const { grant } = await joined(fleet, { kind: 'agent', name: 'helper' })
  assert.equal(grant.principalId, 'helper')
  assert.equal(grant.uri, 'spiffe://kos.internal/agent/helper')
})

test('a user comes in by a line of an admin, with its roles, and by nobody else’s service', async (context) => {
  const fleet = await createFleet(context)
  const { record: admin } = await createUser(fleet, 'root-lady', { roles: ['admin'] })
  const user = {
    kind: 'user',
    name: 'bob',
    roles: ['auditor', 'viewer'],
    owner: admin.uri,
  } as const
  assertRefused(
    await fleet.tokens.create(tokenOf(fleet, { ...user, owner: fleet.owner.uri })),
    'KOS_ENROLMENT_REQUEST',
    'token/owner',
  )
  const many = await fleet.tokens.createBatch([tokenOf(fleet, user)])
  assert.equal('rows' in many && many.rows[0]?.refusal.rule, 'token/user-batch')
  const { clock, ca, tokens, registry: store } = fleet
  const logins = createJoinService(
    { clock, random: createTestRandom('logins'), store, ca, tokens },
    { trustDomain: TRUST_DOMAIN, kinds: ['user'] },
  )
  const token = await createToken(fleet, user)
  const request = joinRequest(createDevice(), token)
  assertRefused(await fleet.joins.join(request, EXPORTER), 'KOS_ENROLMENT_TOKEN', 'token/kind')
  const { grant } = accepted(await logins.join(request, EXPORTER))
  assert.equal(grant.uri, 'spiffe://kos.internal/user/bob')
  const record = store.principal('bob')
  assert.ok(record)
  const { roles, owner, mac, certificateNotAfter } = record
  assert.deepEqual([roles, owner, mac], [['auditor', 'viewer'], grant.uri, ''])
  assert.equal(certificateNotAfter - record.certificateNotBefore >= OPERATOR_LIFE_MS, true)

  const device = joinRequest(createDevice(), await createToken(fleet, { name: 'camera-2' }))
  assertRefused(await logins.join(device, EXPORTER), 'KOS_ENROLMENT_TOKEN', 'token/kind')
  // Whoever invited is no admin any more.
  const late = joinRequest(createDevice(), await createToken(fleet, { ...user, name: 'eve' }))
  await store.change(admin.id, { roles: ['operator'] })
  assertRefused(await logins.join(late, EXPORTER), 'KOS_ENROLMENT_REQUEST', 'token/owner')
})

test('the same keys again get the same certificate, on another connection too', async (context) => {
  const fleet = await createFleet(context)
  const device = createDevice()
  const token = await createToken(fleet)
  const first = accepted(await fleet.joins.join(joinRequest(device, token), EXPORTER))
  for (const connection of [1, 2, 3]) {
    const exporter = exporterOf(connection)
    const request = joinRequest(device, token, { exporter, addresses: ['elsewhere:1'] })
    const again = accepted(await fleet.joins.join(request, exporter))
    assertSame(again.grant, first.grant)
    assert.equal(again.repeated, true)
  }
  // Also after the token's end: the answer may have been lost for longer.
  fleet.clock.advance(11 * MINUTE_MS)
  const late = accepted(await fleet.joins.join(joinRequest(device, token), EXPORTER))
  assertSame(late.grant, first.grant)
  assert.deepEqual(fleet.registry.principal(first.grant.principalId)?.addresses, [
    'camera-1.example:7402',
  ])
})

test('a repeat survives a restart', async (context) => {
  const fleet = await createFleet(context)
  const device = createDevice()
  const token = await createToken(fleet)
  const first = accepted(await fleet.joins.join(joinRequest(device, token), EXPORTER))
  const { joins } = fleet.restart()
  const again = accepted(await joins.join(joinRequest(device, token), EXPORTER))
  assertSame(again.grant.leaf, first.grant.leaf)
})

test('a certificate that ended before it was fetched is made again for the same key', async (context) => {
  const fleet = await createFleet(context)
  const device = createDevice()
  const token = await createToken(fleet)
  const first = accepted(await fleet.joins.join(joinRequest(device, token), EXPORTER))
  fleet.clock.advance(DAY_MS)
  const again = accepted(await fleet.joins.join(joinRequest(device, token), EXPORTER))
  assert.notEqual(toHex(again.grant.leaf), toHex(first.grant.leaf))
  assert.equal(again.grant.principalId, first.grant.principalId)
  assert.equal(again.grant.generation, 1)
  const record = fleet.registry.principal(first.grant.principalId)
  assert.equal(record?.certificateNotAfter, fleet.clock.wallMs() + DAY_MS)
  const third = accepted(await fleet.joins.join(joinRequest(device, token), EXPORTER))
  assertSame(third.grant.leaf, again.grant.leaf)
  fleet.clock.advance(31 * DAY_MS + 1)
  const late = await fleet.joins.join(joinRequest(device, token), EXPORTER)
  assertRefused(late, 'KOS_ENROLMENT_EXPIRED', 'certificate/absence')
})

test('who has renewed since does not get an ended first certificate anew', async (context) => {
  const fleet = await createFleet(context)
  const device = createDevice()
  const token = await createToken(fleet)
  const { grant } = accepted(await fleet.joins.join(joinRequest(device, token), EXPORTER))
  const renewed = createDevice({ ...device, tls: testKey() })
  accepted(await fleet.renewals.renew(renewRequest(renewed, grant), EXPORTER))
  fleet.clock.advance(DAY_MS)
  const result = await fleet.joins.join(joinRequest(device, token), EXPORTER)
  assertRefused(result, 'KOS_ENROLMENT_TOKEN', 'token/spent')
})

test('a locked or removed device gets no repeat', async (context) => {
  const fleet = await createFleet(context)
  const device = createDevice()
  const token = await createToken(fleet)
  const { grant } = accepted(await fleet.joins.join(joinRequest(device, token), EXPORTER))
  for (const state of ['locked', 'removed'] as const) {
    await fleet.registry.change(grant.principalId, { state })
    const result = await fleet.joins.join(joinRequest(device, token), EXPORTER)
    assertRefused(result, 'KOS_ENROLMENT_LOCKED', 'principal/state')
  }
})

test('a spent token whose records are incomplete is refused', async (context) => {
  const fleet = await createFleet(context)
  const device = createDevice()
  const token = await createToken(fleet)
  accepted(await fleet.joins.join(joinRequest(device, token), EXPORTER))
  fleet.store.raw.exec('DELETE FROM certificate')
  const uncertified = await fleet.joins.join(joinRequest(device, token), EXPORTER)
  assertRefused(uncertified, 'KOS_ENROLMENT_TOKEN', 'token/spent')
  fleet.store.raw.exec('UPDATE token SET principal_id = NULL')
  const nobody = await fleet.joins.join(joinRequest(device, token), EXPORTER)
  assertRefused(nobody, 'KOS_ENROLMENT_TOKEN', 'token/spent')
})

test('an id that the registry does not know is refused although its secret is right', async (context) => {
  const fleet = await createFleet(context)
  const token = await createToken(fleet)
  fleet.store.raw.exec('DELETE FROM token')
  const result = await fleet.joins.join(joinRequest(createDevice(), token), EXPORTER)
  assertRefused(result, 'KOS_ENROLMENT_TOKEN', 'token/unknown')
})

test('a token that is used by another key in its life locks a device in use', async (context) => {
  const fleet = await createFleet(context)
  const device = createDevice()
  const token = await createToken(fleet)
  const { grant } = accepted(await fleet.joins.join(joinRequest(device, token), EXPORTER))
  const state = (): string | undefined => fleet.registry.principal(grant.principalId)?.state
  // Nobody uses the certificate yet: the second request is refused, and that is all.
  const early = await fleet.joins.join(joinRequest(createDevice(), token), EXPORTER)
  assertRefused(early, 'KOS_ENROLMENT_TOKEN', 'token/spent')
  assert.equal(state(), 'active')
  await markUsed(fleet, grant.principalId)
  const late = await fleet.joins.join(joinRequest(createDevice(), token), EXPORTER)
  assertRefused(late, 'KOS_ENROLMENT_COPY', 'token/other-key')
  assert.equal('copyOf' in late && late.copyOf, grant.principalId)
  assert.equal(state(), 'quarantined')
  const third = await fleet.joins.join(joinRequest(createDevice(), token), EXPORTER)
  assertRefused(third, 'KOS_ENROLMENT_TOKEN', 'token/spent')
})

test('a renewed device is in use', async (context) => {
  const fleet = await createFleet(context)
  const device = createDevice()
  const token = await createToken(fleet)
  const { grant } = accepted(await fleet.joins.join(joinRequest(device, token), EXPORTER))
  const renewed = createDevice({ ...device, tls: testKey() })
  accepted(await fleet.renewals.renew(renewRequest(renewed, grant), EXPORTER))
  const result = await fleet.joins.join(joinRequest(createDevice(), token), EXPORTER)
  assertRefused(result, 'KOS_ENROLMENT_COPY', 'token/other-key')
})

test('a line older than its token locks nobody out', async (context) => {
  const fleet = await createFleet(context)
  const device = createDevice()
  const token = await createToken(fleet)
  const { grant } = accepted(await fleet.joins.join(joinRequest(device, token), EXPORTER))
  await markUsed(fleet, grant.principalId)
  fleet.clock.advance(10 * MINUTE_MS)
  const result = await fleet.joins.join(joinRequest(createDevice(), token), EXPORTER)
  assertRefused(result, 'KOS_ENROLMENT_TOKEN', 'token/spent')
  assert.equal(fleet.registry.principal(grant.principalId)?.state, 'active')
})

test('the same TLS key under another identity is another device', async (context) => {
  const fleet = await createFleet(context)
  const device = createDevice()
  const token = await createToken(fleet)
  accepted(await fleet.joins.join(joinRequest(device, token), EXPORTER))
  const other = createDevice({ tls: device.tls })
  const result = await fleet.joins.join(joinRequest(other, token), EXPORTER)
  assertRefused(result, 'KOS_ENROLMENT_TOKEN', 'token/spent')
})

test('a name that was taken meanwhile is refused, and the token stays open', async (context) => {
  const fleet = await createFleet(context)
  const { grant } = await joined(fleet, { name: 'other' })
  const token = await createToken(fleet)
  await fleet.registry.change(grant.principalId, { name: 'camera-1' })
  const request = joinRequest(createDevice(), token)
  const refused = await fleet.joins.join(request, EXPORTER)
  assertRefused(refused, 'KOS_ENROLMENT_NAME_TAKEN', 'name/principal')
  await fleet.registry.change(grant.principalId, { name: 'other' })
  accepted(await fleet.joins.join(request, EXPORTER))
})

test('a token dies with its owner', async (context) => {
  const fleet = await createFleet(context)
  const token = await createToken(fleet)
  const request = joinRequest(createDevice(), token)
  for (const state of ['locked', 'removed'] as const) {
    await fleet.registry.change('alice', { state })
    const refused = await fleet.joins.join(request, EXPORTER)
    assertRefused(refused, 'KOS_ENROLMENT_REQUEST', 'token/owner')
  }
})

test('a key that is registered already joins nobody else', async (context) => {
  const fleet = await createFleet(context)
  const { device, grant } = await joined(fleet, { name: 'first' })
  const token = await createToken(fleet)
  const cases: readonly (readonly [rule: string, parts: Partial<TestDevice>])[] = [
    ['identity', { identity: device.identity }],
    ['tls', { tls: device.tls }],
    ['kem', { kem: device.kem }],
    ['log', { logs: device.logs }],
    // For another purpose than the first one's.
    ['identity', { tls: device.identity }],
    ['identity', { kem: device.identity }],
    ['tls', { identity: device.tls }],
    ['kem', { tls: device.kem }],
  ]
  const refuseAll = async (): Promise<void> => {
    for (const [rule, parts] of cases) {
      const result = await fleet.joins.join(joinRequest(createDevice(parts), token), EXPORTER)
      assertRefused(result, 'KOS_ENROLMENT_COPY', `keys/registered-${rule}`)
      assert.ok(!('copyOf' in result))
    }
  }
  await refuseAll()
  assert.equal(fleet.registry.principal(grant.principalId)?.state, 'active')
  // Not after the removal either: the keys stand on the lock list.
  await fleet.registry.change(grant.principalId, { state: 'removed' })
  await refuseAll()
  accepted(await fleet.joins.join(joinRequest(createDevice(), token), EXPORTER))
})

test('an agent whose name makes no id is refused', async (context) => {
  const fleet = await createFleet(context)
  const token = await createToken(fleet, { kind: 'agent' })
  fleet.store.raw.exec(`UPDATE token SET name = 'not an id'`)
  const result = await fleet.joins.join(joinRequest(createDevice(), token), EXPORTER)
  assertRefused(result, 'KOS_ENROLMENT_REQUEST', 'token/name')
})

test('when the CA cannot issue, nothing is changed', async (context) => {
  const fleet = await createFleet(context)
  const token = await createToken(fleet, { lifeMs: 10 * MINUTE_MS })
  const now = fleet.clock.wallMs()
  // The intermediate is valid from a minute before the start.
  fleet.clock.setWall(now - 2 * MINUTE_MS)
  const request = joinRequest(createDevice(), token)
  await assert.rejects(fleet.joins.join(request, EXPORTER), { code: 'KOS_PKI_ISSUE' })
  assert.equal(fleet.registry.tokens()[0]?.state, 'open')
  fleet.clock.setWall(now)
  accepted(await fleet.joins.join(request, EXPORTER))
})

test('an open token is announced before anything changes; a used or wrong one never is', async (context) => {
  const fleet = await createFleet(context)
  const { clock, ca, tokens, registry: store } = fleet
  const announced: string[] = []
  const taken: string[] = []
  let refuses = true
  const joins = createJoinService(
    {
      clock,
      random: createTestRandom('announced'),
      store,
      ca,
      tokens,
      intend: async (token) => {
        announced.push(token.name)
        if (refuses) return Promise.reject(new Error('the log takes no records'))
        return Promise.resolve()
      },
      refused: (token, { code }) => {
        taken.push(`${token.name} ${code}`)
        return Promise.resolve()
      },
    },
    { trustDomain: ca.trustDomain },
  )
  const device = createDevice()
  const token = await createToken(fleet)
  const request = joinRequest(device, token)
  await assert.rejects(joins.join(request, EXPORTER), /takes no records/)
  assert.equal(fleet.registry.principalNamed('camera-1'), undefined)
  refuses = false
  assert.equal(accepted(await joins.join(request, EXPORTER)).repeated, false)
  assert.equal(accepted(await joins.join(request, EXPORTER)).repeated, true)
  const guessed = { ...request, authenticator: new Uint8Array(32) }
  assertRefused(await joins.join(guessed, EXPORTER), 'KOS_ENROLMENT_TOKEN', 'token/secret')
  const late = await createToken(fleet, { name: 'camera-2' })
  clock.advance(60 * MINUTE_MS)
  const expired = joinRequest(createDevice(), late)
  assertRefused(await joins.join(expired, EXPORTER), 'KOS_ENROLMENT_TOKEN', 'token/expired')
  assert.deepEqual(announced, ['camera-1', 'camera-1'])
  assert.deepEqual(taken, [])
  // What was announced and does not happen is taken back.
  const copied = await createToken(fleet, { name: 'camera-3' })
  assertRefused(
    await joins.join(joinRequest(device, copied), EXPORTER),
    'KOS_ENROLMENT_COPY',
    'keys/registered-identity',
  )
  assert.deepEqual(announced.slice(2), ['camera-3'])
  assert.deepEqual(taken, ['camera-3 KOS_ENROLMENT_COPY'])
})
