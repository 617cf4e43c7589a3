/** The small parts of an authority: refusal log, timers, rates, publisher, statuses. */
import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import {
  isRefusal,
  type LogFields,
  refuse,
  silentLog,
  systemRandom,
  unixMs,
} from '../../../../src/foundation/base/index.ts'
import { createRequestLimit } from '../../../../src/apps/authority/authority-services.ts'
import {
  type AuthorityState,
  closeAuthorityState,
  openAuthorityState,
} from '../../../../src/apps/authority/authority-state.ts'
import { ensureOperator } from '../../../../src/apps/authority/operator.ts'
import { refused } from '../../../../src/apps/authority/http-types.ts'
import {
  type AuthorityPublisher,
  createPublisher,
} from '../../../../src/apps/authority/publisher.ts'
import {
  createRefusalLog,
  type RefusedRequest,
} from '../../../../src/apps/authority/refusal-log.ts'
import { startTimers } from '../../../../src/apps/authority/timers.ts'
import { tokenViewOf } from '../../../../src/apps/authority/views.ts'
import type { AuditEvent } from '../../../../src/trust/audit/index.ts'
import { readLockList } from '../../../../src/trust/pki/index.ts'
import { createTestClock } from '../../../kit/clock.ts'
import { TRUST_DOMAIN } from '../../../kit/pki.ts'
import { temporaryFolder } from '../../../kit/temporary.ts'

const REQUEST: RefusedRequest = {
  actor: '-',
  source: '192.0.2.1',
  action: 'POST /v1/join',
  refusal: refuse('KOS_ENROLMENT_TOKEN', 'token/secret'),
}

test('the first refusal of a kind is recorded at once, the others as a number', () => {
  const events: AuditEvent[] = []
  const log = createRefusalLog((event) => void events.push(event), 'authority')
  for (let count = 0; count < 5; count++) log.note(REQUEST)
  log.note({ ...REQUEST, source: '192.0.2.2' })
  const counts = (): unknown[] =>
    events.map(({ detail }) => [detail?.['source'], detail?.['count']])
  assert.deepEqual(counts(), [
    ['192.0.2.1', 1],
    ['192.0.2.2', 1],
  ])
  log.flush()
  assert.deepEqual(counts().slice(2), [['192.0.2.1', 4]])
  log.flush()
  assert.equal(events.length, 3)
  log.note(REQUEST)
  assert.equal(events.length, 4)
})

test('a crowd of sources is counted together, and rules are cut to what the log takes', () => {
  const events: AuditEvent[] = []
  const log = createRefusalLog((event) => void events.push(event), 'authority')
  for (let source = 0; source < 3000; source++) log.note({ ...REQUEST, source: `s${source}` })
  assert.equal(events.length, 1025)
  assert.equal(events.at(-1)?.detail?.['source'], '*')
  log.flush()
  assert.deepEqual(events.at(-1)?.detail, { source: '*', count: 3000 - 1024 - 1 })
  log.note({ ...REQUEST, refusal: refuse('KOS_BASE_INVALID', 'x'.repeat(1000)) })
  assert.equal(events.at(-1)?.rule?.length, 256)
})

test('timers repeat, survive failures, and end', () => {
  const clock = createTestClock()
  const failures: (LogFields | undefined)[] = []
  const done: string[] = []
  const { notBefore, notAfter } = {
    notBefore: clock.wallMs(),
    notAfter: clock.wallMs() + 86_400_000,
  }
  const stop = startTimers(
    { clock, random: systemRandom, log: { event: (_name, fields) => void failures.push(fields) } },
    {
      resignLocks: () => {
        done.push('locks')
        throw new Error('disk')
      },
      flushRefusals: () => void done.push('refusals'),
      noteBackup: () => undefined,
      renewCertificate: () => void done.push('certificate'),
      refreshCrls: () => undefined,
      rotate: () => void done.push('rotate'),
      leaf: () => ({ notBefore, notAfter: unixMs(notAfter) }),
    },
  )
  clock.advance(61_000)
  assert.equal(done.filter((name) => name === 'locks').length, 6)
  assert.equal(done.filter((name) => name === 'refusals').length, 1)
  assert.equal(failures.length, 6)
  assert.equal(failures[0]?.name, 'heartbeat')
  clock.advance(14 * 3_600_000)
  assert.ok(done.includes('certificate'))
  assert.ok(done.filter((name) => name === 'rotate').length >= 13)
  stop()
  assert.equal(done.at(-1), 'refusals')
  assert.equal(clock.pendingTimers, 0)
})

test('rates are per key, and the table of keys is bounded', () => {
  const clock = createTestClock()
  const take = createRequestLimit(clock)
  for (let count = 0; count < 200; count++) assert.equal(take('a'), undefined)
  const refusal = take('a')
  assert.ok(refusal?.retryAfterMs !== undefined && refusal.retryAfterMs <= 20)
  assert.equal(take('b'), undefined)
  clock.advance(20)
  assert.equal(take('a'), undefined)
  for (let key = 0; key < 70_000; key++) take(`k${key}`)
  assert.equal(take('a'), undefined)
})

test('refusals have the status that fits them', () => {
  const status = (code: `KOS_${string}`): unknown => {
    const answer = refused(refuse(code, 'x'))
    return answer.kind === 'refused' && answer.status
  }
  assert.equal(status('KOS_AUTHORITY_NOT_FOUND'), 404)
  assert.equal(status('KOS_BASE_INVALID'), 400)
  assert.equal(status('KOS_ENROLMENT_NAME_TAKEN'), 409)
  assert.equal(status('KOS_ENROLMENT_TOKEN'), 403)
})

test('an open token past its end is shown as expired', () => {
  const token = {
    id: 'a',
    name: 'b',
    kind: 'device',
    profile: 'SEC-2',
    owner: 'c',
    createdAt: unixMs(0),
    expiresAt: unixMs(10),
    state: 'open',
    spentTlsKeyHash: undefined,
    principalId: undefined,
  } as const
  assert.equal(tokenViewOf(token, 9).state, 'open')
  assert.equal(tokenViewOf(token, 10).state, 'expired')
  assert.equal(tokenViewOf({ ...token, state: 'spent' }, 10).state, 'spent')
})

interface OpenPublisher {
  readonly state: AuthorityState
  readonly told: string[]
  readonly publisher: AuthorityPublisher
  /** Another publisher over the same state, as after a restart. */
  readonly again: () => AuthorityPublisher
}

/** A publisher over a state of its own. */
async function openPublisher(context: TestContext): Promise<OpenPublisher> {
  const deps = { clock: createTestClock(), random: systemRandom, log: silentLog }
  const folder = temporaryFolder(context)
  const state = await openAuthorityState(deps, { folder, trustDomain: TRUST_DOMAIN })
  context.after(() => closeAuthorityState(state))
  const told: string[] = []
  const again = (): AuthorityPublisher =>
    createPublisher(
      {
        ...deps,
        ca: state.ca,
        registry: state.registry,
        onPublished: (kind) => void told.push(kind),
      },
      {
        uri: state.principal.uri,
        name: 'authority',
        addresses: [],
        identityKeyHash: state.identity.keyId,
        profile: 'SEC-2',
        roles: [],
        groups: [],
        labels: {},
      },
    )
  return { state, told, publisher: again(), again }
}

test('a principal that was locked right before a crash is on the lock list afterwards', async (context) => {
  const { state, publisher, again } = await openPublisher(context)
  const world = { clock: createTestClock(), random: systemRandom }
  const folder = temporaryFolder(context)
  const api = { host: '127.0.0.1', port: 7400 }
  const operator = { folder, name: 'olga', api, session: '127.0.0.1:7402' }
  assert.equal(await ensureOperator(world, { state, publisher }, operator), 'created')
  const olga = state.registry.principalNamed('olga')
  assert.ok(olga)
  const before = publisher.lockObject().number
  await state.registry.change(olga.id, { state: 'locked' })
  const list = readLockList(again().lockObject())
  assert.ok(!isRefusal(list))
  assert.deepEqual(list.principals, [olga.uri])
  // Nothing is added a second time.
  assert.equal(again().lockObject().number, before + 1)
})

test('what says nothing new keeps its number and is told to nobody; a heartbeat is', async (context) => {
  const { publisher, told } = await openPublisher(context)
  told.length = 0
  publisher.refreshDirectory()
  const { number, issuedAt } = publisher.lockObject()
  publisher.resignLocks()
  assert.equal(publisher.lockObject().number, number)
  assert.ok(publisher.lockObject().issuedAt >= issuedAt)
  assert.deepEqual(told, ['locks'])
})

test('a manifest is the fleet’s, in force and well-formed, or refused', async (context) => {
  const { publisher } = await openPublisher(context)
  const manifest = JSON.parse(publisher.manifestText()) as object
  const put = (change: object): string => {
    const stored = publisher.putManifest(JSON.stringify({ ...manifest, ...change }))
    return isRefusal(stored) ? stored.code : `number ${stored.number}`
  }
  assert.equal(put({}), 'number 1')
  assert.equal(put({ notAfter: '2030-01-01T00:00:00Z' }), 'number 2')
  assert.equal(put({ notAfter: '2020-01-01T00:00:00Z' }), 'KOS_POLICY_MANIFEST_EXPIRED')
  assert.match(put({ kind: 'zone' }), /^KOS_POLICY_MANIFEST/)
  assert.match(put({ rules: 'none' }), /^KOS_POLICY_MANIFEST/)
  assert.ok(isRefusal(publisher.putManifest('{')))
})
