/** Tokens and nonces of signed requests: what is kept, how much of it, and over a restart. */
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import {
  isRefusal,
  Secret,
  silentLog,
  toBase64Url,
  unixMs,
  utf8,
} from '../../../../src/foundation/base/index.ts'
import { openStore, type Store } from '../../../../src/foundation/storage/index.ts'
import { type ApiTokens, createApiTokens } from '../../../../src/apps/authority/api-tokens.ts'
import { signedRequestSchema } from '../../../../src/apps/authority/registry.ts'
import {
  createRequestNonces,
  type RequestNonces,
} from '../../../../src/apps/authority/request-nonces.ts'
import {
  createRequestSignatures,
  type SessionTokenFacts,
} from '../../../../src/apps/authority/request-signatures.ts'
import type { AuthorityTables } from '../../../../src/apps/authority/schema.ts'
import type { PrincipalRecord } from '../../../../src/lifecycle/enrolment/index.ts'
import {
  API_TOKEN_LIFE_MS,
  requestTarget,
  signRequest,
} from '../../../../src/network/session/index.ts'
import { createTestClock, type TestClock } from '../../../kit/clock.ts'
import { createTestRandom } from '../../../kit/random.ts'
import { temporaryFolder } from '../../../kit/temporary.ts'

interface Opened {
  readonly clock: TestClock
  readonly store: Store<AuthorityTables>
  readonly tokens: ApiTokens
  /** Closes and opens everything again, at the same time. */
  reopen(): Opened
}

const random = createTestRandom()

function open(context: TestContext, path?: string, clock: TestClock = createTestClock()): Opened {
  const at = path ?? join(temporaryFolder(context), 'authority.sqlite')
  const store = openStore<AuthorityTables>(
    { clock, log: silentLog },
    { path: at, migrations: [{ version: 1, ...signedRequestSchema }] },
  )
  context.after(() => store.close())
  const tokenRoot = Secret.copy(new Uint8Array(32).fill(5))
  const tokens = createApiTokens({ clock, random, log: silentLog, store, tokenRoot })
  const reopen = (): Opened => {
    store.close()
    return open(context, at, clock)
  }
  return { clock, store, tokens, reopen }
}

function principal(name: string): PrincipalRecord {
  const uri = `spiffe://kos.internal/user/${name}`
  return { id: name, uri, identitySpki: utf8(`key of ${name}`) } as PrincipalRecord
}

test('a token is kept without its secret, which comes out the same again', async (context) => {
  const opened = open(context)
  const grant = await opened.tokens.issue(principal('olga'), '192.0.2.1')
  const handle = toBase64Url(grant.handle)
  const after = opened.reopen()
  const token = after.tokens.find(handle)
  assert.ok(token)
  assert.deepEqual(token.source, '192.0.2.1')
  assert.equal(token.expiresAt, grant.time + API_TOKEN_LIFE_MS)
  assert.ok(after.tokens.secretOf(token).equals(grant.secret))
  const [row] = after.store.rows(after.store.db.selectFrom('api_token').selectAll())
  assert.ok(row)
  const secret = grant.secret.use((bytes) => Buffer.from(bytes))
  assert.ok(!JSON.stringify(row).includes(secret.toString('base64url')))
  assert.ok(!JSON.stringify(row).includes(secret.toString('hex')))
})

test('a principal has sixteen tokens at most; ended ones are forgotten in time', async (context) => {
  const { clock, store, tokens } = open(context)
  const other = await tokens.issue(principal('otto'), 'x')
  const first = await tokens.issue(principal('olga'), 'x')
  for (let count = 0; count < 16; count++) {
    clock.advance(1)
    await tokens.issue(principal('olga'), 'x')
  }
  assert.equal(tokens.live().length, 17)
  assert.equal(tokens.find(toBase64Url(first.handle)), undefined)
  clock.advance(API_TOKEN_LIFE_MS)
  assert.equal(tokens.live().length, 0)
  assert.ok(tokens.find(toBase64Url(other.handle)))
  clock.advance(API_TOKEN_LIFE_MS)
  await tokens.issue(principal('olga'), 'x')
  assert.equal(tokens.find(toBase64Url(other.handle)), undefined)
  assert.equal(store.rows(store.db.selectFrom('api_token').selectAll()).length, 1)
})

test('revocation counts at once and once, and over a restart', async (context) => {
  const opened = open(context)
  const { handle } = await opened.tokens.issue(principal('olga'), 'x')
  const name = toBase64Url(handle)
  const revoking = opened.tokens.revoke(name)
  assert.equal(opened.tokens.find(name)?.isRevoked, true)
  assert.equal(await revoking, true)
  assert.equal(await opened.tokens.revoke(name), false)
  assert.equal(await opened.tokens.revoke('nobody'), false)
  assert.equal(opened.reopen().tokens.find(name)?.isRevoked, true)
})

test('last use is kept, once a minute', async (context) => {
  const opened = open(context)
  const { handle } = await opened.tokens.issue(principal('olga'), 'x')
  const name = toBase64Url(handle)
  const { clock, tokens, store } = opened
  const first = clock.wallMs()
  tokens.used(name)
  clock.advance(1000)
  tokens.used(name)
  tokens.used('nobody')
  store.group.flush()
  assert.equal(opened.reopen().tokens.find(name)?.lastUsedAt, first)
})

function nonces({ clock, store }: Opened, maxNonces?: number): RequestNonces {
  return createRequestNonces({ clock, store, ...(maxNonces !== undefined && { maxNonces }) })
}

test('a nonce is good once per token while it is in time, also after a restart', async (context) => {
  const opened = open(context)
  const { clock } = opened
  const endsAt = unixMs(clock.wallMs() + 30_000)
  const kept = nonces(opened)
  assert.equal(await kept.take({ handle: 'a', nonce: '1', endsAt }, false), undefined)
  assert.equal(await kept.take({ handle: 'b', nonce: '1', endsAt }, false), undefined)
  const again = await kept.take({ handle: 'a', nonce: '1', endsAt }, false)
  assert.equal(again?.rule, 'signature/replayed')
  const after = opened.reopen()
  const restarted = await nonces(after).take({ handle: 'a', nonce: '1', endsAt }, false)
  assert.equal(restarted?.rule, 'signature/replayed')
})

test('nonces are bounded and forgotten, and a clock set back brings none back', async (context) => {
  const opened = open(context)
  const { clock, store } = opened
  const kept = nonces(opened, 2)
  const take = (nonce: string): ReturnType<RequestNonces['take']> =>
    kept.take({ handle: 'a', nonce, endsAt: unixMs(clock.wallMs() + 30_000) }, false)
  const started = clock.wallMs()
  await take('1')
  await take('2')
  const full = await take('3')
  assert.deepEqual([full?.rule, full?.retryAfterMs], ['signature/nonces-full', 1000])
  clock.advance(30_001)
  assert.equal(await take('3'), undefined)
  assert.equal(store.rows(store.db.selectFrom('request_nonce').selectAll()).length, 1)
  clock.setWall(started)
  const old = await kept.take({ handle: 'a', nonce: '1', endsAt: unixMs(started + 30_000) }, false)
  assert.equal(old?.rule, 'signature/replayed')
})

test('without a disk only what changes nothing goes on', async (context) => {
  const opened = open(context)
  const kept = nonces(opened)
  const endsAt = unixMs(opened.clock.wallMs() + 30_000)
  opened.store.close()
  assert.equal(await kept.take({ handle: 'a', nonce: '1', endsAt }, true), undefined)
  const again = await kept.take({ handle: 'a', nonce: '1', endsAt }, true)
  assert.equal(again?.rule, 'signature/replayed')
  await assert.rejects(kept.take({ handle: 'a', nonce: '2', endsAt }, false))
})

test('the token of an open session signs as well, until it ends', async (context) => {
  const opened = open(context)
  const { clock, tokens } = opened
  const secret = Secret.copy(new Uint8Array(32).fill(4))
  const handle = new Uint8Array(16).fill(6)
  const olga = principal('olga')
  const facts: SessionTokenFacts = {
    secret,
    identityKeyHash: 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855',
    expiresAt: unixMs(clock.wallMs() + 60_000),
  }
  const check = createRequestSignatures({
    clock,
    log: silentLog,
    tokens,
    nonces: nonces(opened),
    sessionToken: (name) => (name === toBase64Url(handle) ? facts : undefined),
  })
  const request = { method: 'GET', targetUri: requestTarget('a', '/v1/objects') }
  const send = (of: Uint8Array): ReturnType<typeof check> => {
    const fields: Readonly<Record<string, string>> = signRequest(request, {
      handle: of,
      secret,
      now: clock.wallMs(),
      nonce: random.bytes(16),
    })
    const field = (name: string): readonly string[] => {
      const value = fields[name]
      return value === undefined ? [] : [value]
    }
    return check(
      { ...request, hasBody: false, field },
      { ...olga, identitySpki: new Uint8Array(0) },
    )
  }
  const signed = send(handle)
  assert.ok(!isRefusal(signed), JSON.stringify(signed))
  assert.equal(await signed.confirm(new Uint8Array(0), true), undefined)
  const unknown = send(new Uint8Array(16))
  assert.ok(isRefusal(unknown))
  assert.equal(unknown.rule, 'signature/token-unknown')
  clock.advance(60_000)
  const ended = send(handle)
  assert.ok(isRefusal(ended))
  assert.equal(ended.rule, 'signature/token-expired')
})
