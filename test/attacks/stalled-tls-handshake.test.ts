/** A client begins TLS and stalls: the listener ends it by its own deadline. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect as connectTcp, createServer } from 'node:net'
import { test } from 'node:test'
import { closed, startTestListener, tlsAttempt, until } from '../kit/transport.ts'

const HANDSHAKE_TIMEOUT_MS = 3000

test('sockets that stay silent, or stop after half a ClientHello, are ended', async (context) => {
  const server = await startTestListener(context)
  const silent = await server.tcpFrom('127.0.0.66')
  const partial = await server.tcpFrom('127.0.0.67')
  // A record header that announces 512 bytes, and the first of them.
  partial.write(Buffer.from([0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc]))
  await until(() => server.admission.stats.halfOpen === 2)
  server.clock.advance(HANDSHAKE_TIMEOUT_MS - 1)
  assert.equal(server.admission.stats.halfOpen, 2)
  server.clock.advance(1)
  await Promise.all([closed(silent), closed(partial)])
  await until(() => server.admission.stats.connections === 0)
  assert.deepEqual(server.refusals(), { KOS_TRANSPORT_TIMEOUT: 2 })
})

test('a client that never sends its Finished is ended', async (context) => {
  const server = await startTestListener(context)
  const [first, later] = [Promise.withResolvers<undefined>(), Promise.withResolvers<undefined>()]
  // A relay passes the ClientHello on and holds back whatever the client says after it.
  const relay = createServer((near) => {
    const far = connectTcp({ host: '127.0.0.1', port: server.port, localAddress: '127.0.0.66' })
    near.on('error', () => undefined)
    far.on('error', () => undefined)
    far.once('close', () => near.destroy())
    far.pipe(near)
    near.once('data', (hello) => {
      far.write(hello)
      first.resolve(undefined)
      near.once('data', () => later.resolve(undefined))
    })
  })
  relay.listen(0, '127.0.0.1')
  await once(relay, 'listening')
  context.after(() => relay.close())
  const address = relay.address()
  assert.ok(typeof address === 'object' && address)
  const attempt = tlsAttempt(context, { ...server.clientOptions(), port: address.port })
  await Promise.all([first.promise, later.promise])
  // The client believes that it is done; the listener must not.
  assert.equal(typeof (await attempt), 'object')
  assert.equal(server.accepted.length, 0)
  server.clock.advance(HANDSHAKE_TIMEOUT_MS)
  await until(() => server.admission.stats.connections === 0)
  assert.deepEqual(server.refusals(), { KOS_TRANSPORT_TIMEOUT: 1 })
})

test('a stalling address is locked out after two attempts', async (context) => {
  const server = await startTestListener(context)
  for (let n = 0; n < 2; n++) {
    await server.tcpFrom('127.0.0.66')
    await until(() => server.admission.stats.halfOpen === 1)
    server.clock.advance(HANDSHAKE_TIMEOUT_MS)
    await until(() => server.admission.stats.connections === 0)
  }
  await closed(await server.tcpFrom('127.0.0.66'))
  assert.equal(server.refusals()['KOS_ADMISSION_PENALTY'], 1)
})
