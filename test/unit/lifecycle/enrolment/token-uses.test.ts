/** A join token for several devices, and tokens created together. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isRefusal, type Refusal } from '../../../../src/foundation/base/index.ts'
import {
  type CreatedToken,
  MAX_BATCH_TOKEN_LIFE_MS,
  MAX_TOKEN_LIFE_MS,
  type TokenSpecification,
} from '../../../../src/lifecycle/enrolment/index.ts'
import {
  accepted,
  assertRefused,
  assertSame,
  createDevice,
  createFleet,
  createToken,
  createUser,
  EXPORTER,
  joined,
  joinRequest,
  pskJoinRequest,
  type TestDevice,
  type TestFleet,
  tokenOf,
} from '../../../kit/enrolment.ts'
import { DAY_MS } from '../../../kit/pki.ts'

const SEVERAL: Partial<TokenSpecification> = { name: 'camera-', uses: 3, lifeMs: DAY_MS }

/** Joins a device with a token, as somebody who would like to be called `name`. */
function join(
  fleet: TestFleet,
  token: CreatedToken,
  { device = createDevice(), name }: { device?: TestDevice; name?: string } = {},
): ReturnType<TestFleet['joins']['join']> {
  const named = name === undefined ? {} : { name }
  return fleet.joins.join(joinRequest(device, token, named), EXPORTER)
}

async function nameOf(...given: Parameters<typeof join>): Promise<string> {
  return accepted(await join(...given)).grant.name
}

test('each use makes a device of its own, with a number, and the last one closes the token', async (context) => {
  const fleet = await createFleet(context)
  const token = await createToken(fleet, {
    ...SEVERAL,
    groups: ['cameras'],
    labels: { site: 'north' },
  })
  assert.deepEqual(token.record.uses, { max: 3, used: 0, next: 1 })
  const names = [await nameOf(fleet, token), await nameOf(fleet, token), await nameOf(fleet, token)]
  assert.deepEqual(names, ['camera-0001', 'camera-0002', 'camera-0003'])
  assertRefused(await join(fleet, token), 'KOS_ENROLMENT_TOKEN', 'token/spent')
  const [stored] = fleet.registry.tokens()
  assert.equal(stored?.state, 'spent')
  assert.deepEqual(stored.uses, { max: 3, used: 3, next: 4 })
  const first = fleet.registry.principalNamed('camera-0001')
  assert.deepEqual(first?.groups, ['cameras'])
  assert.deepEqual(first.labels, { site: 'north' })
  assert.deepEqual(
    fleet.registry.joinedBy(token.record.id).map(({ name }) => name),
    names,
  )
})

test('the same keys again get the same certificate, whatever became of the token', async (context) => {
  const fleet = await createFleet(context)
  const token = await createToken(fleet, { ...SEVERAL, uses: 1 })
  const device = createDevice()
  const first = accepted(await join(fleet, token, { device }))
  const again = accepted(await join(fleet, token, { device, name: 'camera-other' }))
  assertSame(again.grant, first.grant)
  assert.equal(again.repeated, true)
  assert.equal(fleet.registry.tokens()[0]?.uses?.used, 1)
  // The same TLS key under another identity is nobody that came in.
  const other = createDevice({ tls: device.tls })
  assertRefused(await join(fleet, token, { device: other }), 'KOS_ENROLMENT_TOKEN', 'token/spent')
  await fleet.registry.change(first.grant.principalId, { state: 'locked' })
  const locked = await join(fleet, token, { device })
  assertRefused(locked, 'KOS_ENROLMENT_LOCKED', 'principal/state')
})

test('a revoked or ended token brings nobody in, and leaves in who is', async (context) => {
  const fleet = await createFleet(context)
  const revoked = await createToken(fleet, SEVERAL)
  const device = createDevice()
  accepted(await join(fleet, revoked, { device }))
  assert.equal(await fleet.registry.revokeToken(revoked.record.id), true)
  assertRefused(await join(fleet, revoked), 'KOS_ENROLMENT_TOKEN', 'token/revoked')
  assert.equal(accepted(await join(fleet, revoked, { device })).repeated, true)
  const ended = await createToken(fleet, { ...SEVERAL, lifeMs: 1000 })
  fleet.clock.advance(1000)
  assertRefused(await join(fleet, ended), 'KOS_ENROLMENT_TOKEN', 'token/expired')
})

test('a device is called what it asks for, when that is free and begins as the token says', async (context) => {
  const fleet = await createFleet(context)
  const token = await createToken(fleet, { ...SEVERAL, uses: 20 })
  assert.equal(await nameOf(fleet, token, { name: 'camera-ab12' }), 'camera-ab12')
  await createToken(fleet, { name: 'camera-promised' })
  const device = 'kdev-abcdefghijklmnopqrstuvwxyz'
  const unfit = ['camera-ab12', 'camera-promised', 'door-1', 'camera-', 'camera-A', 'alice', device]
  for (const [index, name] of unfit.entries()) {
    assert.equal(await nameOf(fleet, token, { name }), `camera-000${index + 1}`, name)
  }
  // A promise ends with its token.
  fleet.clock.advance(MAX_TOKEN_LIFE_MS)
  assert.equal(await nameOf(fleet, token, { name: 'camera-promised' }), 'camera-promised')
})

test('numbers skip the names of others', async (context) => {
  const fleet = await createFleet(context)
  await joined(fleet, { name: 'camera-0001' })
  await createToken(fleet, { name: 'camera-0002' })
  const token = await createToken(fleet, SEVERAL)
  const other = await createToken(fleet, SEVERAL)
  assert.equal(await nameOf(fleet, token), 'camera-0003')
  assert.equal(await nameOf(fleet, other), 'camera-0004')
  assert.equal(await nameOf(fleet, token), 'camera-0005')
})

test('numbers of agents are never given twice', async (context) => {
  const fleet = await createFleet(context)
  const token = await createToken(fleet, { ...SEVERAL, kind: 'agent', name: 'helper-' })
  const { grant } = accepted(await join(fleet, token))
  assert.equal(grant.uri, 'spiffe://kos.internal/agent/helper-0001')
  await fleet.registry.change(grant.principalId, { state: 'removed' })
  const again = await createToken(fleet, { ...SEVERAL, kind: 'agent', name: 'helper-' })
  assert.equal(await nameOf(fleet, again), 'helper-0002')
})

test('without a free number within reach nobody comes in', async (context) => {
  const fleet = await createFleet(context)
  const token = await createToken(fleet, { ...SEVERAL, uses: 1 })
  await fleet.registry.transaction((transaction) => {
    for (let number = 1; number <= 1001; number++) {
      const name = `camera-${String(number).padStart(4, '0')}`
      transaction.insertToken({ ...token.record, id: `id-${number}`, name })
    }
  })
  assertRefused(await join(fleet, token), 'KOS_ENROLMENT_NAME_TAKEN', 'name/numbers')
})

test('sensors with pre-shared keys share a token, too', async (context) => {
  const fleet = await createFleet(context)
  const token = await createToken(fleet, { ...SEVERAL, uses: 2, profile: 'SEC-1' })
  const first = pskJoinRequest(token, { name: 'camera-x' })
  const second = pskJoinRequest(token)
  const { grant } = accepted(await fleet.pskJoins.join(first, EXPORTER))
  assert.equal(grant.name, 'camera-x')
  assert.equal(accepted(await fleet.pskJoins.join(second, EXPORTER)).grant.name, 'camera-0001')
  const third = await fleet.pskJoins.join(pskJoinRequest(token), EXPORTER)
  assertRefused(third, 'KOS_ENROLMENT_TOKEN', 'token/spent')
  assertSame(accepted(await fleet.pskJoins.join(first, EXPORTER)).grant, grant)
  await fleet.registry.transaction((transaction) =>
    transaction.changePsk(grant.handle, { firstUsedAt: fleet.clock.wallMs() }),
  )
  const told = await fleet.pskJoins.join(first, EXPORTER)
  assertRefused(told, 'KOS_ENROLMENT_TOKEN', 'token/spent')
  // No number is free any more: the names are taken.
  const small = await createToken(fleet, { ...SEVERAL, uses: 1, profile: 'SEC-1' })
  await fleet.registry.transaction((transaction) => {
    for (let number = 1; number <= 1001; number++) {
      const name = `camera-${String(number).padStart(4, '0')}`
      transaction.insertToken({ ...small.record, id: `id-${number}`, name })
    }
  })
  const crowded = await fleet.pskJoins.join(pskJoinRequest(small), EXPORTER)
  assertRefused(crowded, 'KOS_ENROLMENT_NAME_TAKEN', 'name/numbers')
})

test('what a token for several devices may say', async (context) => {
  const fleet = await createFleet(context)
  const cases: readonly (readonly [Partial<TokenSpecification>, rule: string])[] = [
    [{ uses: 0 }, 'uses'],
    [{ uses: 10_001 }, 'uses'],
    [{ uses: 1.5 }, 'uses'],
    [{ name: 'camera' }, 'prefix'],
    [{ name: '-' }, 'prefix'],
    [{ name: 'Camera-' }, 'prefix'],
    [{ name: `${'a'.repeat(57)}-` }, 'prefix'],
    [{ lifeMs: MAX_BATCH_TOKEN_LIFE_MS + 1 }, 'life'],
    [{ origin: 'est' }, 'est-batch'],
    [{ groups: ['=cmd()'] }, 'groups'],
    [{ groups: Array.from({ length: 33 }, (_, index) => `g${index}`) }, 'groups'],
    [{ labels: { Site: 'north' } }, 'labels'],
    [{ labels: { site: '+1' } }, 'labels'],
    [{ roles: ['admin'] }, 'roles'],
  ]
  for (const [changes, rule] of cases) {
    const result = await fleet.tokens.create(tokenOf(fleet, { ...SEVERAL, ...changes }))
    assertRefused(result, 'KOS_ENROLMENT_REQUEST', `token/${rule}`)
  }
  await createToken(fleet, { ...SEVERAL, uses: 10_000, lifeMs: MAX_BATCH_TOKEN_LIFE_MS })
})

test('a batch is created as a whole, and revoked as one', async (context) => {
  const fleet = await createFleet(context)
  await createUser(fleet, 'bob')
  const rows = ['door-1', 'door-2', 'door-3'].map((name) =>
    tokenOf(fleet, { name, lifeMs: MAX_BATCH_TOKEN_LIFE_MS, groups: [], labels: {} }),
  )
  const created = accepted(await fleet.tokens.createBatch(rows))
  const { batch, tokens } = created
  assert.deepEqual(
    tokens.map(({ record }) => `${record.name} ${record.batch === batch}`),
    ['door-1 true', 'door-2 true', 'door-3 true'],
  )
  assertSame(
    fleet.registry
      .tokens()
      .map(({ id }) => id)
      .toSorted(),
    tokens.map(({ record }) => record.id).toSorted(),
  )
  const [first] = tokens
  assert.ok(first)
  assert.equal(await nameOf(fleet, first), 'door-1')
  assert.equal(await fleet.registry.revokeBatch(batch), 2)
  assert.equal(await fleet.registry.revokeBatch(batch), 0)
  assert.deepEqual(
    fleet.registry
      .tokens()
      .map(({ name, state }) => `${name} ${state}`)
      .toSorted(),
    ['door-1 spent', 'door-2 revoked', 'door-3 revoked'],
  )
})

test('one bad row is enough: nothing is created, and every bad row is named', async (context) => {
  const fleet = await createFleet(context)
  await createToken(fleet, { name: 'door-7' })
  const reserved: Refusal = {
    allow: false,
    code: 'KOS_ENROLMENT_NAME_TAKEN',
    rule: 'name/reserved',
  }
  const names = ['door-1', 'door-7', 'door-1', 'alice', 'reserved', 'a_b', 'door-2']
  const rows = names.map((name) => tokenOf(fleet, { name, lifeMs: DAY_MS }))
  const result = await fleet.tokens.createBatch(rows, ({ name }) =>
    name === 'reserved' ? reserved : undefined,
  )
  assert.ok(isRefusal(result))
  assert.equal(`${result.code} ${result.rule}`, 'KOS_ENROLMENT_BATCH batch/rows')
  assert.deepEqual(
    'rows' in result && result.rows.map(({ index, refusal }) => `${index} ${refusal.rule}`),
    [
      '1 name/open-token',
      '2 name/other-row',
      '3 name/principal',
      '4 name/reserved',
      '5 token/name',
    ],
  )
  assert.equal(fleet.registry.tokens().length, 1)
})

test('a batch has 1 to 1000 devices', async (context) => {
  const fleet = await createFleet(context)
  for (const length of [0, 1001]) {
    const rows = Array.from({ length }, (_, index) => tokenOf(fleet, { name: `d-${index}` }))
    assertRefused(await fleet.tokens.createBatch(rows), 'KOS_ENROLMENT_BATCH', 'batch/size')
  }
  const rows = Array.from({ length: 1000 }, (_, index) => tokenOf(fleet, { name: `d-${index}` }))
  assert.equal(accepted(await fleet.tokens.createBatch(rows)).tokens.length, 1000)
})
