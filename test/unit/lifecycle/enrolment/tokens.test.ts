import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Secret } from '../../../../src/foundation/base/index.ts'
import {
  createTokenService,
  MAX_TOKEN_LIFE_MS,
  type TokenSpecification,
} from '../../../../src/lifecycle/enrolment/index.ts'
import {
  accepted,
  assertRefused,
  createFleet,
  createToken,
  createUser,
  joined,
  tokenOf,
} from '../../../kit/enrolment.ts'
import { principal } from '../../../kit/pki.ts'
import { createTestRandom } from '../../../kit/random.ts'

test('a token is stored open, without its secret', async (context) => {
  const fleet = await createFleet(context)
  const now = fleet.clock.wallMs()
  const { record, secret } = await createToken(fleet, { lifeMs: 1000 })
  assert.deepEqual(record, {
    id: record.id,
    name: 'camera-1',
    kind: 'device',
    profile: 'SEC-2',
    owner: 'spiffe://kos.internal/user/alice',
    createdAt: now,
    expiresAt: now + 1000,
    state: 'open',
    spentTlsKeyHash: undefined,
    principalId: undefined,
  })
  assert.match(record.id, /^[A-Za-z0-9_-]{22}$/)
  assert.deepEqual(fleet.registry.tokens(), [record])
  assert.equal(secret.length, 32)
})

test('every id has one secret, also after a restart', async (context) => {
  const fleet = await createFleet(context)
  const first = await createToken(fleet)
  const second = await createToken(fleet, { name: 'camera-2' })
  assert.ok(!first.secret.equals(second.secret))
  const again = fleet.restart().tokens
  assert.ok(first.secret.equals(again.secretOf(first.record.id)))
  assert.ok(!first.secret.equals(again.secretOf(`${first.record.id}x`)))
})

test('names', async (context) => {
  const fleet = await createFleet(context)
  for (const name of ['a', '0', 'a-b', 'a'.repeat(63), 'kdev-short']) {
    await createToken(fleet, { name })
  }
  const device = 'kdev-abcdefghijklmnopqrstuvwxyz'
  const bad = ['', '-', '-a', 'a-', 'A', 'a.b', 'a_b', 'a b', 'ä', 'a\n', 'a'.repeat(64), device]
  for (const name of bad) {
    const result = await fleet.tokens.create(tokenOf(fleet, { name }))
    assertRefused(result, 'KOS_ENROLMENT_REQUEST', 'token/name')
  }
})

test('a token lives between 1 s and 10 min', async (context) => {
  const fleet = await createFleet(context)
  await createToken(fleet, { lifeMs: 1000 })
  await createToken(fleet, { name: 'camera-2', lifeMs: MAX_TOKEN_LIFE_MS })
  for (const lifeMs of [999, MAX_TOKEN_LIFE_MS + 1, 1000.5, 0, -1, Number.NaN, Infinity]) {
    const result = await fleet.tokens.create(tokenOf(fleet, { name: 'camera-3', lifeMs }))
    assertRefused(result, 'KOS_ENROLMENT_REQUEST', 'token/life')
  }
})

test('only a profile that a token can prove is granted', async (context) => {
  const fleet = await createFleet(context)
  const cases: readonly (readonly [TokenSpecification['profile'], rule: string])[] = [
    ['SEC-0', 'none-evidence'],
    ['SEC-3', 'hardware-evidence'],
    ['SEC-4', 'hardware-evidence'],
  ]
  for (const [profile, rule] of cases) {
    const result = await fleet.tokens.create(tokenOf(fleet, { profile }))
    assertRefused(result, 'KOS_ENROLMENT_PROFILE', `profile/${rule}`)
  }
  assert.deepEqual(fleet.registry.tokens(), [])
})

test('a token of SEC-1 is for a pre-shared key', async (context) => {
  const fleet = await createFleet(context)
  const { record } = await createToken(fleet, { profile: 'SEC-1' })
  assert.equal(record.profile, 'SEC-1')
})

test('the owner is an active user of this registry', async (context) => {
  const fleet = await createFleet(context)
  await createUser(fleet, 'mallory', { state: 'locked' })
  await createUser(fleet, 'bob', { state: 'removed' })
  const { grant } = await joined(fleet, { name: 'camera-9' })
  const owners = [
    '',
    '-',
    'alice',
    'spiffe://other.example/user/alice',
    principal('user', 'nobody').uri,
    principal('user', 'mallory').uri,
    principal('user', 'bob').uri,
    principal('agent', 'alice').uri,
    grant.uri,
  ]
  for (const owner of owners) {
    const result = await fleet.tokens.create(tokenOf(fleet, { owner }))
    assertRefused(result, 'KOS_ENROLMENT_REQUEST', 'token/owner')
  }
})

test('a name is promised to one open token at a time', async (context) => {
  const fleet = await createFleet(context)
  const { record } = await createToken(fleet)
  const second = await fleet.tokens.create(tokenOf(fleet))
  assertRefused(second, 'KOS_ENROLMENT_NAME_TAKEN', 'name/open-token')
  await fleet.registry.revokeToken(record.id)
  await createToken(fleet, { lifeMs: 1000 })
  fleet.clock.advance(999)
  const third = await fleet.tokens.create(tokenOf(fleet))
  assertRefused(third, 'KOS_ENROLMENT_NAME_TAKEN', 'name/open-token')
  fleet.clock.advance(1)
  await createToken(fleet)
})

test('of many tokens asked for at once for one name, one is made', async (context) => {
  const fleet = await createFleet(context)
  const asked = Array.from({ length: 10 }, () => fleet.tokens.create(tokenOf(fleet)))
  const results = await Promise.all(asked)
  assert.equal(results.filter((result) => 'record' in result).length, 1)
  assert.equal(fleet.registry.tokens().length, 1)
})

test('a name in use is not promised, a removed device gives its name back', async (context) => {
  const fleet = await createFleet(context)
  const { grant } = await joined(fleet)
  const taken = await fleet.tokens.create(tokenOf(fleet))
  assertRefused(taken, 'KOS_ENROLMENT_NAME_TAKEN', 'name/principal')
  const user = await fleet.tokens.create(tokenOf(fleet, { name: 'alice' }))
  assertRefused(user, 'KOS_ENROLMENT_NAME_TAKEN', 'name/principal')
  await fleet.registry.change(grant.principalId, { state: 'removed' })
  await createToken(fleet)
})

test("an agent's name is its id: it never comes back", async (context) => {
  const fleet = await createFleet(context)
  const { grant } = await joined(fleet, { name: 'helper', kind: 'agent' })
  assert.equal(grant.uri, principal('agent', 'helper').uri)
  await fleet.registry.change('helper', { state: 'removed' })
  const again = await fleet.tokens.create(tokenOf(fleet, { name: 'helper', kind: 'agent' }))
  assertRefused(again, 'KOS_ENROLMENT_NAME_TAKEN', 'name/former-principal')
  accepted(await fleet.tokens.create(tokenOf(fleet, { name: 'helper' })))
})

test('the token root has 32 bytes', async (context) => {
  const { clock, registry } = await createFleet(context)
  for (const length of [0, 16, 31, 33]) {
    const tokenRoot = Secret.take(new Uint8Array(length))
    const create = (): object =>
      createTokenService({ clock, random: createTestRandom(), store: registry, tokenRoot })
    assert.throws(create, { code: 'KOS_ENROLMENT_TOKEN_ROOT' })
  }
})
