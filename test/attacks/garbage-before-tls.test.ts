/** Bytes that are not TLS: other protocols, broken records, noise. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { closed, echoed, must, startTestListener, until } from '../kit/transport.ts'

const GARBAGE: Readonly<Record<string, Buffer>> = {
  http: Buffer.from('GET / HTTP/1.1\r\nHost: x\r\n\r\n'),
  ssh: Buffer.from('SSH-2.0-OpenSSH_10.0\r\n'),
  'http/2 preface': Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'),
  zeros: Buffer.alloc(4096),
  'a record too long': Buffer.from([0x16, 3, 1, 0xff, 0xff, ...Array<number>(100).fill(1)]),
  'application data first': Buffer.from([0x17, 3, 3, 0, 16, ...Array<number>(16).fill(9)]),
  'a kOS frame in clear': Buffer.from([0, 0, 4, 1, 0, 0, 0, 0, 0, 0xa0, 0, 0, 0]),
}

test('bytes that are not TLS end the connection and cost nobody else', async (context) => {
  const server = await startTestListener(context)
  let source = 0
  for (const [title, bytes] of Object.entries(GARBAGE)) {
    source += 1
    const address = `127.0.2.${source}`
    const socket = await server.tcpFrom(address)
    socket.write(bytes)
    await closed(socket)
    await until(() => server.admission.stats.connections === 0)
    assert.deepEqual(server.refusalsOf(`${address}/32`), { KOS_TRANSPORT_HANDSHAKE: 1 }, title)
  }
  assert.equal(server.clock.pendingTimers, 0)
  const channel = must(await server.dialFrom('127.0.0.77'))
  assert.equal(await echoed(channel, 'hello'), 'hello')
})
