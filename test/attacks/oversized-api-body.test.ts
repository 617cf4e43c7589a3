/**
 * Bodies that are too long, have no length, lie about it or are no JSON: refused before anybody is
 * authenticated, without being read, and without harm to others.
 */
import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import { connect as connectTls, type TLSSocket } from 'node:tls'
import { startFabric, type TestFabric } from '../kit/fabric.ts'
import { closed } from '../kit/transport.ts'

const MIB = 1024 * 1024

interface Conversation {
  readonly socket: TLSSocket
  readonly heard: () => string
}

/** A client that speaks HTTP as badly as it likes. */
async function speak(context: TestContext, fabric: TestFabric): Promise<Conversation> {
  const { port } = fabric.authority.api
  const socket = connectTls({ host: '127.0.0.1', port, rejectUnauthorized: false })
  context.after(() => socket.destroy())
  let heard = ''
  socket.on('error', () => undefined)
  socket.on('data', (chunk: Buffer) => (heard += chunk.toString()))
  await new Promise<void>((resolve) => socket.once('secureConnect', () => resolve()))
  return { socket, heard: () => heard }
}

function head(path: string, length: string): string {
  return `POST ${path} HTTP/1.1\r\nhost: a\r\n${length}\r\n\r\n`
}

test('a body that is too long is refused by its length and not read', async (context) => {
  const fabric = await startFabric(context)
  for (const [path, bytes] of [
    ['/v1/join', 17 * 1024],
    ['/v1/renew', 2 ** 40],
    ['/v1/tokens', 20 * MIB],
    ['/v1/tokens', Number.MAX_SAFE_INTEGER],
  ] as const) {
    const { socket, heard } = await speak(context, fabric)
    socket.write(head(path, `content-length: ${bytes}`))
    // It goes on sending: nobody listens any more.
    socket.write(Buffer.alloc(MIB))
    await closed(socket)
    assert.match(heard(), /^HTTP\/1\.1 413 .*"rule":"body\/too-long"/s, `${path} ${bytes}`)
  }
  assert.equal((await fabric.kosctl(['devices'])).code, 0)
})

test('bodies without an honest length are refused', async (context) => {
  const fabric = await startFabric(context)
  const lies: Readonly<Record<string, RegExp>> = {
    'transfer-encoding: chunked': /^HTTP\/1\.1 411 /,
    'transfer-encoding: chunked\r\ncontent-length: 5': /^HTTP\/1\.1 4\d\d /,
    'content-length: 5\r\ncontent-length: 6': /^HTTP\/1\.1 400 /,
    'content-length: -1': /^HTTP\/1\.1 400 /,
    'content-length: 5 5': /^HTTP\/1\.1 400 /,
    'content-length: 0x10': /^HTTP\/1\.1 400 /,
  }
  for (const [length, expected] of Object.entries(lies)) {
    const { socket, heard } = await speak(context, fabric)
    socket.write(head('/v1/join', length))
    await closed(socket)
    assert.match(heard(), expected, length)
  }
})

test('heads that are too long are refused', async (context) => {
  const fabric = await startFabric(context)
  const { socket, heard } = await speak(context, fabric)
  socket.write(`GET /v1/health HTTP/1.1\r\nhost: a\r\nx: ${'y'.repeat(32 * 1024)}\r\n\r\n`)
  await closed(socket)
  assert.match(heard(), /^HTTP\/1\.1 431 /)
})

test('what is no JSON, or deeper than anything we write, is refused', async (context) => {
  const fabric = await startFabric(context)
  const deep = '['.repeat(8000) + ']'.repeat(8000)
  for (const body of ['', 'x', '{', deep, '{"name":1}', '\u0000', '{"__proto__":{"x":1}}']) {
    const answer = await fabric.request({
      method: 'POST',
      path: '/v1/tokens',
      as: fabric.operator,
      body: Buffer.from(body),
    })
    assert.equal(answer.status, 400, body.slice(0, 20))
  }
  for (const path of ['/v1/join', '/v1/renew']) {
    // An array of 65535 items of which none follows, and nesting without end.
    for (const body of [Buffer.from('99ffff', 'hex'), Buffer.alloc(16_384, 0x81)]) {
      const answer = await fabric.request({ method: 'POST', path, body })
      assert.deepEqual([answer.status, answer.rule], [400, 'encoding'], path)
    }
  }
})
