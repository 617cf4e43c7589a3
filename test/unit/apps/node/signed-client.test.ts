/** A client that signs: one token for many requests, a new one in time, one retry and no more. */
import assert from 'node:assert/strict'
import { statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { Secret, unixMs } from '../../../../src/foundation/base/index.ts'
import { API_TOKEN_LIFE_MS, encodeTokenGrant } from '../../../../src/network/session/index.ts'
import type {
  AuthorityAnswer,
  AuthorityClient,
  AuthorityRequest,
} from '../../../../src/apps/node/authority-client.ts'
import { readKeptToken, signedClient } from '../../../../src/apps/node/signed-client.ts'
import { createTestClock } from '../../../kit/clock.ts'
import { cosePair } from '../../../kit/cose.ts'
import { createTestRandom } from '../../../kit/random.ts'
import { temporaryFolder } from '../../../kit/temporary.ts'

type Answers = (request: AuthorityRequest) => AuthorityAnswer

const OK: AuthorityAnswer = { status: 200, body: Buffer.from('{}') }
const REFUSED: AuthorityAnswer = { status: 401, body: Buffer.from('{}') }

function world(
  folder: string,
  options: { readonly answers?: Answers; readonly grant?: AuthorityAnswer } = {},
) {
  const { answers = () => OK, grant } = options
  const clock = createTestClock()
  const sent: AuthorityRequest[] = []
  let tokens = 0
  const issue = (): AuthorityAnswer => {
    tokens += 1
    const time = unixMs(clock.wallMs() + 5000)
    const body = encodeTokenGrant({
      handle: new Uint8Array(16).fill(tokens),
      secret: Secret.copy(new Uint8Array(32).fill(tokens)),
      expiresAt: unixMs(time + API_TOKEN_LIFE_MS),
      time,
    })
    return grant ?? { status: 200, body }
  }
  const client = {
    exporter: () => new Uint8Array(32),
    request: (method: string, path: string) =>
      Promise.resolve(
        path === '/v1/session' ? issue() : { ...OK, status: method === 'GET' ? 200 : 500 },
      ),
    exchange: (request: AuthorityRequest) => {
      sent.push(request)
      return Promise.resolve(answers(request))
    },
  } as unknown as AuthorityClient
  const signing = () =>
    signedClient(client, {
      clock,
      random: createTestRandom(),
      folder,
      host: 'authority:7400',
      identity: cosePair('ES256').signer,
      leafSpki: new Uint8Array(8),
    })
  return { clock, sent, signing, issued: () => tokens }
}

test('one token signs many requests, of this process and the next', async (context) => {
  const folder = temporaryFolder(context)
  const { clock, sent, signing, issued } = world(folder)
  const first = signing()
  await Promise.all([first.request('GET', '/v1/objects'), first.request('GET', '/v1/tokens')])
  await signing().request('POST', '/v1/tokens', {
    type: 'application/json',
    bytes: Buffer.from('1'),
  })
  assert.equal(issued(), 1)
  assert.equal(statSync(join(folder, 'api-token.cbor')).mode & 0o777, 0o600)
  const created = Math.floor((clock.wallMs() + 5000) / 1000)
  for (const { headers } of sent) {
    assert.match(headers['signature-input'] ?? '', new RegExp(`;created=${created};`))
  }
  assert.ok(sent[2]?.headers['content-digest'])
  // What anybody may ask goes without.
  assert.equal((await first.request('GET', '/v1/health')).status, 200)
  assert.equal(sent.length, 3)
})

test('a token near its end is replaced before', async (context) => {
  const { clock, signing, issued } = world(temporaryFolder(context))
  const client = signing()
  await client.request('GET', '/v1/objects')
  clock.advance(API_TOKEN_LIFE_MS - 11 * 60_000)
  await client.request('GET', '/v1/objects')
  assert.equal(issued(), 1)
  clock.advance(2 * 60_000)
  await client.request('GET', '/v1/objects')
  assert.equal(issued(), 2)
})

test('a refused signature is answered with a new token, once', async (context) => {
  let left = 1
  const { sent, signing, issued } = world(temporaryFolder(context), {
    answers: () => (left-- > 0 ? REFUSED : OK),
  })
  assert.equal((await signing().request('GET', '/v1/objects')).status, 200)
  assert.deepEqual([issued(), sent.length], [2, 2])
  left = 10
  assert.equal((await signing().request('GET', '/v1/objects')).status, 401)
  assert.deepEqual([issued(), sent.length], [3, 4])
})

test('who gets no token hears why; what is no token is an error', async (context) => {
  const refusal: AuthorityAnswer = { status: 403, body: Buffer.from('{"code":"KOS_X","rule":"y"}') }
  const refused = world(temporaryFolder(context), { grant: refusal })
  assert.deepEqual(await refused.signing().request('GET', '/v1/objects'), refusal)
  assert.equal(refused.sent.length, 0)
  const nonsense = world(temporaryFolder(context), { grant: OK })
  await assert.rejects(nonsense.signing().request('GET', '/v1/objects'), {
    code: 'KOS_NODE_RESPONSE',
    details: { rule: 'session-token' },
  })
})

test('a kept file that is none is not used; a folder that takes none is no obstacle', async (context) => {
  const folder = temporaryFolder(context)
  const path = join(folder, 'api-token.cbor')
  for (const bytes of [
    Buffer.alloc(0),
    Buffer.from('80', 'hex'),
    Buffer.from('824000', 'hex'),
    Buffer.alloc(2000),
  ]) {
    writeFileSync(path, bytes)
    assert.equal(readKeptToken(folder), undefined)
  }
  const { signing, issued } = world(join(folder, 'none'))
  const client = signing()
  await client.request('GET', '/v1/objects')
  await client.request('GET', '/v1/objects')
  assert.equal(issued(), 1)
})
