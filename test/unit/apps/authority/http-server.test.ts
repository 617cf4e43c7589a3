/** The HTTP server below the routes: gate, TLS, time limits, rates, failures. */
import assert from 'node:assert/strict'
import { connect as connectTcp } from 'node:net'
import { test, type TestContext } from 'node:test'
import { connect as connectTls, type TLSSocket } from 'node:tls'
import {
  type Log,
  type LogLevel,
  refuse,
  type Refusal,
  silentLog,
} from '../../../../src/foundation/base/index.ts'
import { createRequestLimit } from '../../../../src/apps/authority/authority-services.ts'
import { startHttpServer } from '../../../../src/apps/authority/http-server.ts'
import { json, type Route } from '../../../../src/apps/authority/http-types.ts'
import type { RefusedRequest } from '../../../../src/apps/authority/refusal-log.ts'
import { createAdmission, type RefusalRecord } from '../../../../src/network/admission/index.ts'
import { storageErrors } from '../../../../src/foundation/storage/index.ts'
import { auditErrors } from '../../../../src/trust/audit/index.ts'
import { createTestClock, type TestClock } from '../../../kit/clock.ts'
import { rawRequest, type RawAnswer, eventually } from '../../../kit/fabric.ts'
import { createTestTlsFleet } from '../../../kit/tls.ts'
import { closed } from '../../../kit/transport.ts'

const fleet = createTestTlsFleet()
const TIMES = { headersTimeoutMs: 50, requestTimeoutMs: 50, checkIntervalMs: 10 }

interface TestServer {
  readonly port: number
  readonly clock: TestClock
  readonly refused: readonly RefusedRequest[]
  readonly gateRefusals: () => Readonly<Record<string, number>>
  setRecording(canRecord: boolean): void
  updateIdentity(name: string): void
  request(method: string, path: string, body?: string): Promise<RawAnswer>
}

const ROUTES: readonly Route[] = [
  {
    method: 'GET',
    path: '/ok',
    guard: 'public',
    maxBytes: 0,
    handle: ({ source }) => json({ source }),
  },
  {
    method: 'POST',
    path: '/echo',
    guard: 'proof',
    maxBytes: 1024,
    handle: ({ body, query }) => json({ length: body.length, query }, 201),
  },
  failing('/full', () => storageErrors.error('KOS_STORAGE_FULL')),
  failing('/unavailable', () => auditErrors.error('KOS_AUDIT_UNAVAILABLE')),
  failing('/bug', () => new TypeError('a secret of ours')),
]

function failing(path: string, make: () => Error): Route {
  return {
    method: 'POST',
    path,
    guard: 'proof',
    maxBytes: 0,
    handle: () => {
      throw make()
    },
  }
}

async function start(
  context: TestContext,
  options: { readonly log?: Log; readonly times?: typeof TIMES } = {},
): Promise<TestServer> {
  const clock = createTestClock()
  const records: RefusalRecord[] = []
  const admission = createAdmission({ clock, onRefusals: (some) => records.push(...some) })
  const refused: RefusedRequest[] = []
  let canRecord = true
  const http = await startHttpServer(
    {
      log: options.log ?? silentLog,
      admission,
      routes: ROUTES,
      identify: (): Refusal => refuse('KOS_AUTHORITY_NOT_FOUND', 'principal/unknown'),
      checkSignature: (): Refusal => refuse('KOS_SESSION_SIGNATURE', 'signature/missing'),
      takeRequest: createRequestLimit(clock),
      canRecord: () => canRecord,
      onRefused: (request) => refused.push(request),
    },
    {
      host: '127.0.0.1',
      port: 0,
      identity: fleet.identity('authority'),
      ...(options.times && { times: options.times }),
    },
  )
  context.after(() => http.close())
  return {
    port: http.port,
    clock,
    refused,
    gateRefusals: (): Readonly<Record<string, number>> => {
      admission.flush()
      return Object.fromEntries(records.map(({ reason, count }) => [reason, count]))
    },
    setRecording: (value) => {
      canRecord = value
    },
    updateIdentity: (name) => http.updateIdentity(fleet.identity(name)),
    request: (method, path, body) => {
      // A connection per request: time for the gate.
      clock.advance(1000)
      return rawRequest(http.port, {
        method,
        path,
        ...(body !== undefined && { body: Buffer.from(body) }),
      })
    },
  }
}

function secured(port: number): Promise<TLSSocket> {
  const { promise, resolve, reject } = Promise.withResolvers<TLSSocket>()
  const socket = connectTls({ host: '127.0.0.1', port, rejectUnauthorized: false })
  socket.once('error', reject)
  socket.once('secureConnect', () => {
    socket.off('error', reject).on('error', () => undefined)
    resolve(socket)
  })
  return promise
}

test('requests are answered, bodies and queries handed over', async (context) => {
  const server = await start(context)
  const got = await server.request('GET', '/ok')
  assert.deepEqual([got.status, JSON.parse(got.text)], [200, { source: '127.0.0.1' }])
  const posted = await server.request('POST', '/echo?a=1', 'four')
  assert.deepEqual(
    [posted.status, JSON.parse(posted.text)],
    [201, { length: 4, query: { a: '1' } }],
  )
})

test('a client that does not finish its head is cut off', async (context) => {
  const server = await start(context, { times: TIMES })
  const socket = await secured(server.port)
  context.after(() => socket.destroy())
  socket.resume()
  socket.write('GET /ok HTTP/1.1\r\nhost: a\r\n')
  await closed(socket)
  assert.equal((await server.request('GET', '/ok')).status, 200)
})

test('a client that does not finish its body is cut off', async (context) => {
  const levels: (LogLevel | undefined)[] = []
  const log: Log = { event: (_name, _fields, level) => void levels.push(level) }
  const server = await start(context, { times: TIMES, log })
  const socket = await secured(server.port)
  context.after(() => socket.destroy())
  socket.resume()
  socket.write('POST /echo HTTP/1.1\r\nhost: a\r\ncontent-length: 8\r\n\r\nfour')
  await closed(socket)
  await eventually(() => levels.length > 0)
  assert.deepEqual(levels, ['debug'])
})

test('what is no TLS costs its source a penalty', async (context) => {
  const server = await start(context)
  const socket = connectTcp({ host: '127.0.0.1', port: server.port })
  socket.on('error', () => undefined)
  socket.resume()
  socket.write('GET / HTTP/1.1\r\n\r\n')
  await closed(socket)
  assert.deepEqual(server.gateRefusals(), { KOS_TRANSPORT_HANDSHAKE: 1 })
})

test('the gate refuses before TLS', async (context) => {
  const server = await start(context)
  const attempts = Array.from({ length: 40 }, () =>
    rawRequest(server.port, { method: 'GET', path: '/ok' }).then(
      () => 'answered',
      () => 'refused',
    ),
  )
  const results = await Promise.all(attempts)
  assert.ok(results.includes('refused'))
})

test('TLS below 1.3 is refused', async (context) => {
  const server = await start(context)
  const socket = connectTls({
    host: '127.0.0.1',
    port: server.port,
    rejectUnauthorized: false,
    maxVersion: 'TLSv1.2',
  })
  const error = await new Promise<Error>((resolve) => socket.once('error', resolve))
  assert.match(String('code' in error && error.code), /ALERT|ECONNRESET|VERSION/)
})

test('too many requests of one address are refused with a time to come back', async (context) => {
  const server = await start(context)
  const socket = await secured(server.port)
  context.after(() => socket.destroy())
  let text = ''
  socket.on('data', (chunk: Buffer) => (text += chunk.toString()))
  const head = 'GET /ok HTTP/1.1\r\nhost: a\r\n\r\n'
  socket.write(head.repeat(201))
  await eventually(() => text.includes('429 Too Many Requests'))
  assert.match(text, /"rule":"rate","retryAfterMs":\d+/)
})

test('a full disk is told clearly, and changes are refused while nothing is recorded', async (context) => {
  const server = await start(context)
  for (const path of ['/full', '/unavailable']) {
    const answer = await server.request('POST', path)
    assert.deepEqual([answer.status, answer.code], [503, 'KOS_AUTHORITY_DISK'], path)
    assert.match(answer.text, /free space on its machine/)
  }
  server.setRecording(false)
  assert.equal((await server.request('POST', '/echo', 'x')).code, 'KOS_AUTHORITY_DISK')
  assert.equal((await server.request('GET', '/ok')).status, 200)
  server.setRecording(true)
  assert.equal((await server.request('POST', '/echo', 'x')).status, 201)
  assert.deepEqual(server.refused, [])
})

test('a bug is logged and says nothing to the outside', async (context) => {
  const events: unknown[] = []
  const log: Log = { event: (name, fields, level) => void events.push([name, fields, level]) }
  const server = await start(context, { log })
  const answer = await server.request('POST', '/bug')
  assert.deepEqual([answer.status, answer.code], [500, 'KOS_AUTHORITY_INTERNAL'])
  assert.ok(!answer.text.includes('secret'))
  assert.deepEqual(events, [['http.failed', { route: '/bug', code: 'TypeError' }, 'error']])
})

test('refusals are handed on with who, whence and what', async (context) => {
  const server = await start(context)
  await server.request('POST', '/echo', 'x'.repeat(1025))
  const [request, ...others] = server.refused
  assert.equal(others.length, 0)
  assert.deepEqual(
    [request?.actor, request?.source, request?.action, request?.refusal.rule],
    ['-', '127.0.0.1', 'POST /echo', 'body/too-long'],
  )
})

test('a renewed certificate is presented to new connections', async (context) => {
  const server = await start(context)
  const leafOf = async (): Promise<string | undefined> => {
    server.clock.advance(1000)
    const socket = await secured(server.port)
    const fingerprint = socket.getPeerX509Certificate()?.fingerprint256
    socket.destroy()
    return fingerprint
  }
  const before = await leafOf()
  assert.equal(await leafOf(), before)
  server.updateIdentity('authority')
  assert.notEqual(await leafOf(), before)
})
