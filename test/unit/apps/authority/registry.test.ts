import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { sha256, silentLog, toHex, unixMs, utf8 } from '../../../../src/foundation/base/index.ts'
import { openStore, type Store } from '../../../../src/foundation/storage/index.ts'
import { floorSchema } from '../../../../src/apps/authority/floor-schema.ts'
import {
  createRegistry,
  listenersSchema,
  originSchema,
  type Registry,
  type RegistryChange,
  registrySchema,
  userTokenSchema,
} from '../../../../src/apps/authority/registry.ts'
import type { AuthorityTables } from '../../../../src/apps/authority/schema.ts'
import { batchSchema } from '../../../../src/apps/authority/token-registry.ts'
import type {
  CertificateRecord,
  EnrolmentTransaction,
  PrincipalRecord,
  TokenRecord,
} from '../../../../src/lifecycle/enrolment/index.ts'
import { createTestClock } from '../../../kit/clock.ts'
import { assertSame } from '../../../kit/enrolment.ts'
import { temporaryFolder } from '../../../kit/temporary.ts'

interface TestRegistry {
  readonly registry: Registry
  readonly store: Store<AuthorityTables>
  readonly reopen: () => Registry
}

function createTestRegistry(context: TestContext): TestRegistry {
  const path = join(temporaryFolder(context), 'registry.db')
  const open = (): Store<AuthorityTables> => {
    const store = openStore<AuthorityTables>(
      { clock: createTestClock(), log: silentLog },
      {
        path,
        migrations: [
          { version: 1, ...registrySchema },
          { version: 2, ...listenersSchema },
          { version: 3, ...floorSchema },
          { version: 4, ...originSchema },
          { version: 5, ...batchSchema },
          { version: 6, ...userTokenSchema },
        ],
      },
    )
    context.after(() => store.close())
    return store
  }
  const store = open()
  const reopen = (): Registry => {
    store.close()
    return createRegistry(open())
  }
  return { registry: createRegistry(store), store, reopen }
}

const spki = (text: string): Uint8Array => utf8(`key ${text}`)
const hashOf = (text: string): string => toHex(sha256(spki(text)))

function device(id: string, changes: Partial<PrincipalRecord> = {}): PrincipalRecord {
  return {
    id,
    uri: `spiffe://kos.internal/device/${id}`,
    kind: 'device',
    name: id,
    profile: 'SEC-2',
    state: 'active',
    owner: 'spiffe://kos.internal/user/alice',
    mac: '020000000001',
    uuid: '00000000-0000-7000-8000-000000000000',
    identitySpki: spki(`${id} identity`),
    kemSpki: spki(`${id} kem`),
    logSpkis: [spki(`${id} log 1`), spki(`${id} log 2`)],
    generation: 1,
    generationUsed: false,
    roles: ['a', 'b'],
    groups: ['g'],
    labels: { site: 'north', 'with "quotes"': 'ü' },
    addresses: ['a:1', '[::1]:2'],
    listeners: { 'SEC-3': ['a:3'] },
    createdAt: unixMs(1),
    lastSeenAt: unixMs(2),
    certificateNotBefore: unixMs(3),
    certificateNotAfter: unixMs(4),
    ...changes,
  }
}

function token(id: string, changes: Partial<TokenRecord> = {}): TokenRecord {
  return {
    id,
    name: 'camera-1',
    kind: 'device',
    profile: 'SEC-2',
    owner: 'spiffe://kos.internal/user/alice',
    createdAt: unixMs(1),
    expiresAt: unixMs(10),
    state: 'open',
    spentTlsKeyHash: undefined,
    principalId: undefined,
    ...changes,
  }
}

function certificate(serial: string, changes: Partial<CertificateRecord> = {}): CertificateRecord {
  return {
    serial,
    principalId: 'd1',
    generation: 1,
    tlsKeyHash: hashOf('tls'),
    der: utf8(`certificate ${serial}`),
    notBefore: unixMs(1),
    notAfter: unixMs(10),
    ...changes,
  }
}

/** Runs steps in one transaction. */
const inside = <T>(registry: Registry, work: (t: EnrolmentTransaction) => T): Promise<T> =>
  registry.transaction(work)

test('a principal is read back as it was stored, also after a restart', async (context) => {
  const { registry, reopen } = createTestRegistry(context)
  const full = device('d1')
  const bare = device('u1', {
    kind: 'user',
    uri: 'spiffe://kos.internal/user/u1',
    kemSpki: undefined,
    logSpkis: [],
    generationUsed: true,
    roles: [],
    groups: [],
    labels: {},
    addresses: [],
    lastSeenAt: undefined,
  })
  await inside(registry, (t) => {
    t.insertPrincipal(full)
    t.insertPrincipal(bare)
  })
  for (const open of [(): Registry => registry, reopen]) {
    const opened = open()
    assertSame(opened.principal('d1'), full)
    assertSame(opened.principal('u1'), bare)
    assert.equal(opened.principal('d2'), undefined)
    assertSame(opened.principals(), [full, bare])
  }
})

test('a token and a certificate are read back as they were stored', async (context) => {
  const { registry, reopen } = createTestRegistry(context)
  const unspent = token('t1')
  const spent = token('t2', { state: 'spent', spentTlsKeyHash: 'ab', principalId: 'd1' })
  await inside(registry, (t) => {
    t.insertToken(spent)
    t.insertToken(unspent)
    t.insertCertificate(certificate('01'))
  })
  for (const open of [(): Registry => registry, reopen]) {
    const opened = open()
    assert.deepEqual(opened.tokens(), [unspent, spent])
    await inside(opened, (t) => {
      assert.deepEqual(t.token('t2'), spent)
      assert.equal(t.token('t3'), undefined)
      assertSame(t.certificate('d1', 1, hashOf('tls')), certificate('01'))
      assert.equal(t.certificate('d1', 2, hashOf('tls')), undefined)
      assert.equal(t.certificate('d2', 1, hashOf('tls')), undefined)
      assert.equal(t.certificate('d1', 1, hashOf('other')), undefined)
    })
  }
})

test('a removed principal is found by its id only, and gives its name back', async (context) => {
  const { registry } = createTestRegistry(context)
  await inside(registry, (t) => t.insertPrincipal(device('d1', { name: 'camera' })))
  assert.equal(registry.principalNamed('camera')?.id, 'd1')
  await registry.change('d1', { state: 'locked' })
  assert.equal(registry.principalNamed('camera')?.id, 'd1')
  await registry.change('d1', { state: 'removed' })
  assert.equal(registry.principalNamed('camera'), undefined)
  assert.deepEqual(registry.principals(), [])
  assert.equal(registry.principal('d1')?.state, 'removed')
  await inside(registry, (t) => t.insertPrincipal(device('d2', { name: 'camera' })))
  assert.equal(registry.principalNamed('camera')?.id, 'd2')
})

test('id, URI and name are unique', async (context) => {
  const { registry } = createTestRegistry(context)
  await inside(registry, (t) => t.insertPrincipal(device('d1')))
  const clashes = [
    device('d1', { name: 'other', uri: 'spiffe://kos.internal/device/other' }),
    device('d2', { uri: device('d1').uri }),
    device('d2', { name: 'd1' }),
  ]
  for (const clash of clashes) {
    const insert = inside(registry, (t) => t.insertPrincipal(clash))
    await assert.rejects(insert, { code: 'KOS_STORAGE_CONFLICT' })
  }
  await inside(registry, (t) => t.insertPrincipal(device('d2')))
  await assert.rejects(registry.change('d2', { name: 'd1' }), { code: 'KOS_STORAGE_CONFLICT' })
})

test('a key has one owner and one purpose, for ever', async (context) => {
  const { registry } = createTestRegistry(context)
  await inside(registry, (t) => {
    t.insertPrincipal(device('d1'))
    t.insertCertificate(certificate('01'))
  })
  const uses = [
    ['d1 identity', 'identity'],
    ['d1 kem', 'kem'],
    ['d1 log 1', 'log'],
    ['d1 log 2', 'log'],
    ['tls', 'tls'],
  ] as const
  const check = (): Promise<void> =>
    inside(registry, (t) => {
      for (const [key, purpose] of uses) {
        assert.deepEqual(t.keyUse(hashOf(key)), { principalId: 'd1', purpose })
      }
      assert.equal(t.keyUse(hashOf('d2 identity')), undefined)
    })
  await check()
  await registry.change('d1', { state: 'removed' })
  await check()
  for (const [key] of uses) {
    for (const changes of [
      { identitySpki: spki(key) },
      { kemSpki: spki(key) },
      { logSpkis: [spki(key)] },
    ]) {
      const insert = inside(registry, (t) => t.insertPrincipal(device('d2', changes)))
      await assert.rejects(insert, { code: 'KOS_STORAGE_CONFLICT' })
      assert.equal(registry.principal('d2'), undefined)
    }
  }
})

test('a TLS key may be certified again for its owner alone', async (context) => {
  const { registry } = createTestRegistry(context)
  await inside(registry, (t) => {
    t.insertPrincipal(device('d1'))
    t.insertCertificate(certificate('01', { notAfter: unixMs(20) }))
    t.insertCertificate(certificate('02', { notAfter: unixMs(30) }))
    t.insertCertificate(certificate('03', { notAfter: unixMs(10) }))
    assert.equal(t.certificate('d1', 1, hashOf('tls'))?.serial, '02')
  })
  const clashes = [
    certificate('04', { principalId: 'd2' }),
    certificate('04', { tlsKeyHash: hashOf('d1 identity') }),
    certificate('01'),
  ]
  for (const clash of clashes) {
    const insert = inside(registry, (t) => t.insertCertificate(clash))
    await assert.rejects(insert, { code: 'KOS_STORAGE_CONFLICT' })
  }
})

test('a transaction that throws changes nothing, those beside it stand', async (context) => {
  const { registry } = createTestRegistry(context)
  const results = await Promise.allSettled([
    inside(registry, (t) => t.insertPrincipal(device('d1'))),
    inside(registry, (t) => {
      t.insertPrincipal(device('d2'))
      t.insertToken(token('t1'))
      throw new RangeError('on purpose')
    }),
    inside(registry, (t) => t.insertToken(token('t2'))),
  ])
  assert.deepEqual(
    results.map(({ status }) => status),
    ['fulfilled', 'rejected', 'fulfilled'],
  )
  assert.deepEqual(
    registry.principals().map(({ id }) => id),
    ['d1'],
  )
  assert.deepEqual(
    registry.tokens().map(({ id }) => id),
    ['t2'],
  )
  await inside(registry, (t) => assert.equal(t.keyUse(hashOf('d2 identity')), undefined))
})

test('every field that may change changes alone', async (context) => {
  const { registry } = createTestRegistry(context)
  const before = device('d1')
  await inside(registry, (t) => {
    t.insertPrincipal(before)
    t.insertPrincipal(device('d2'))
  })
  const changes: RegistryChange = {
    state: 'locked',
    name: 'renamed',
    profile: 'SEC-3',
    generation: 2,
    generationUsed: true,
    roles: [],
    groups: ['x', 'y'],
    labels: {},
    addresses: ['c:3'],
    listeners: { 'SEC-4': ['c:4'] },
    lastSeenAt: unixMs(12),
    certificateNotBefore: unixMs(13),
    certificateNotAfter: unixMs(14),
  }
  let expected = before
  for (const [field, value] of Object.entries(changes)) {
    await registry.change('d1', { [field]: value })
    expected = { ...expected, [field]: value }
    assertSame(registry.principal('d1'), expected)
  }
  await registry.change('d1', { generationUsed: false })
  await registry.change('d1', {})
  assertSame(registry.principal('d1'), { ...expected, generationUsed: false })
  await inside(registry, (t) => t.changePrincipal('d1', { generation: 3, addresses: [] }))
  assert.equal(registry.principal('d1')?.generation, 3)
  assertSame(registry.principal('d2'), device('d2'))
  // A principal that does not exist is nobody's business.
  await registry.change('d3', { state: 'locked' })
})

test('the open token of a name is the one that ends last', async (context) => {
  const { registry } = createTestRegistry(context)
  await inside(registry, (t) => {
    t.insertToken(token('t1', { expiresAt: unixMs(20) }))
    t.insertToken(token('t2', { expiresAt: unixMs(30) }))
    t.insertToken(token('t3', { expiresAt: unixMs(40), state: 'revoked' }))
    t.insertToken(token('t4', { expiresAt: unixMs(50), name: 'other' }))
    assert.equal(t.openTokenNamed('camera-1')?.id, 't2')
    assert.equal(t.openTokenNamed('nobody'), undefined)
  })
})

test('a token is spent or revoked once', async (context) => {
  const { registry } = createTestRegistry(context)
  await inside(registry, (t) => {
    for (const id of ['t1', 't2']) t.insertToken(token(id))
  })
  const spend = (id: string, principalId: string): Promise<boolean> =>
    inside(registry, (t) => t.spendToken(id, { tlsKeyHash: `of ${principalId}`, principalId }))
  assert.deepEqual(await Promise.all([spend('t1', 'd1'), spend('t1', 'd2')]), [true, false])
  assert.equal(await registry.revokeToken('t1'), false)
  assert.equal(await registry.revokeToken('t2'), true)
  assert.equal(await registry.revokeToken('t2'), false)
  assert.equal(await spend('t2', 'd2'), false)
  assert.equal(await spend('t3', 'd2'), false)
  assert.equal(await registry.revokeToken('t3'), false)
  assert.deepEqual(registry.tokens(), [
    token('t1', { state: 'spent', spentTlsKeyHash: 'of d1', principalId: 'd1' }),
    token('t2', { state: 'revoked' }),
  ])
})

test('of a signed object the newest stays, and none is replaced by an older one', (context) => {
  const { registry, reopen } = createTestRegistry(context)
  const put = (era: number, number: number, text: string): void =>
    registry.putSignedObject({ kind: 'directory', era, number, bytes: utf8(text) })
  assert.equal(registry.signedObject('directory'), undefined)
  put(1, 5, 'first')
  put(1, 5, 'the same, signed again')
  put(1, 6, 'next')
  put(2, 1, 'next era')
  for (const [era, number] of [
    [2, 0],
    [1, 7],
  ] as const) {
    assert.throws(() => put(era, number, 'old'), {
      code: 'KOS_AUTHORITY_STORE',
      details: { rule: 'older directory' },
    })
  }
  registry.putSignedObject({ kind: 'lock-list', era: 1, number: 1, bytes: utf8('locks') })
  const again = reopen()
  const stored = { kind: 'directory', era: 2, number: 1, bytes: utf8('next era') }
  assertSame(again.signedObject('directory'), stored)
  assert.equal(again.signedObject('lock-list')?.number, 1)
})

test('a stored record that does not fit is damage, not input', async (context) => {
  const { registry, store } = createTestRegistry(context)
  await inside(registry, (t) => {
    t.insertPrincipal(device('d1'))
    t.insertToken(token('t1'))
  })
  const faults = [
    `principal SET kind = 'robot'`,
    `principal SET kind = 'device', state = 'asleep'`,
    `principal SET state = 'active', roles = 'not json'`,
    `principal SET roles = '[1]'`,
    `principal SET roles = '[]', labels = '{"a":1}'`,
    `principal SET labels = '{"a":"b","a":"c"}'`,
  ]
  for (const fault of faults) {
    store.raw.exec(`UPDATE ${fault}`)
    assert.throws(() => registry.principal('d1'), { code: 'KOS_AUTHORITY_STORE' }, fault)
  }
  store.raw.exec(`UPDATE principal SET labels = '{}'`)
  assert.equal(registry.principal('d1')?.state, 'active')
  store.raw.exec(`UPDATE principal SET profile = 'SEC-9'`)
  assert.throws(() => registry.principal('d1'), { code: 'KOS_AUTHORITY_STORE' })
  for (const fault of [`kind = 'service'`, `kind = 'agent', state = 'lost'`]) {
    store.raw.exec(`UPDATE token SET ${fault}`)
    assert.throws(() => registry.tokens(), { code: 'KOS_AUTHORITY_STORE' }, fault)
  }
  store.raw.exec(`UPDATE key_use SET purpose = 'fun'`)
  const use = inside(registry, (t) => t.keyUse(hashOf('d1 identity')))
  await assert.rejects(use, { code: 'KOS_AUTHORITY_STORE' })
})

test('a profile never goes down, whoever asks', async (context) => {
  const { registry, store } = createTestRegistry(context)
  await inside(registry, (t) => {
    t.insertPrincipal(device('d1', { mac: '001122334455' }))
    t.changePrincipal('d1', { profile: 'SEC-3' })
  })
  const refused = { code: 'KOS_AUTHORITY_STORE', details: { rule: 'profile-floor' } }
  await assert.rejects(registry.change('d1', { profile: 'SEC-2' }), refused)
  assert.throws(
    () => registry.atOnce((t) => t.changePrincipal('d1', { profile: 'SEC-1' })),
    refused,
  )
  // The store itself, and a second record of the same key.
  for (const statement of [
    `UPDATE principal SET profile = 'SEC-2'`,
    `DELETE FROM principal`,
    `REPLACE INTO principal SELECT id, uri, kind, name, 'SEC-1', state, owner, mac, uuid,
      identity_spki, kem_spki, log_spkis, generation, generation_used, roles, groups, labels,
      addresses, created_at, last_seen_at, certificate_not_before, certificate_not_after, listeners,
      origin FROM principal`,
  ]) {
    assert.throws(() => store.raw.exec(statement), /never goes down|are kept/, statement)
  }
  assert.equal(registry.principal('d1')?.profile, 'SEC-3')
  const floors = await inside(registry, (t) => [
    t.floorOfMac('001122334455'),
    t.floorOfMac('001122334456'),
    t.floorOfMac('000000000000'),
  ])
  assert.deepEqual(floors, ['SEC-3', undefined, undefined])
})

test('work done at once is durable on return, and undone as a whole', (context) => {
  const { registry, reopen } = createTestRegistry(context)
  assert.equal(
    registry.atOnce((t) => {
      t.insertPrincipal(device('d1'))
      return 7
    }),
    7,
  )
  assert.throws(() =>
    registry.atOnce((t) => {
      t.insertPrincipal(device('d2', { identitySpki: spki('other') }))
      throw new TypeError('no')
    }),
  )
  const again = reopen()
  assert.deepEqual([again.principal('d1')?.id, again.principal('d2')], ['d1', undefined])
})
