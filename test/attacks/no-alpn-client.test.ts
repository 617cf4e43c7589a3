/** A client with a good certificate speaks another protocol, or names none. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { closed, startTestListener, tlsAttempt, until } from '../kit/transport.ts'

test('a client that names no protocol gets through TLS and is dropped at once', async (context) => {
  const server = await startTestListener(context)
  const socket = await tlsAttempt(context, { ...server.clientOptions(), ALPNProtocols: undefined })
  // TLS 1.3 is over at the client before the listener judges it.
  assert.ok(typeof socket === 'object')
  await closed(socket.resume())
  await until(() => server.admission.stats.connections === 0)
  assert.deepEqual(server.refusals(), { KOS_TRANSPORT_ALPN: 1 })
  assert.equal(server.accepted.length, 0)
})

test('a client of another protocol is refused within TLS', async (context) => {
  const server = await startTestListener(context)
  for (const name of ['h2', 'kos/2', 'kos']) {
    const outcome = await tlsAttempt(context, { ...server.clientOptions(), ALPNProtocols: [name] })
    assert.equal(outcome, 'ERR_SSL_TLSV1_ALERT_NO_APPLICATION_PROTOCOL')
  }
  await until(() => server.admission.stats.connections === 0)
  assert.deepEqual(server.refusals(), { KOS_TRANSPORT_HANDSHAKE: 3 })
  assert.equal(server.accepted.length, 0)
})
