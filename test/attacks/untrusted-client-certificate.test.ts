/** Clients with no certificate, one of another authority, or one they made themselves. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ConnectionOptions } from 'node:tls'
import { createTestTlsFleet } from '../kit/tls.ts'
import {
  closed,
  startTestListener,
  tlsAttempt,
  type TestListener,
  until,
} from '../kit/transport.ts'

/** Connects and waits until the listener has judged. */
async function attempt(
  context: Parameters<typeof tlsAttempt>[0],
  server: TestListener,
  options: ConnectionOptions,
): Promise<Readonly<Record<string, number>>> {
  const outcome = await tlsAttempt(context, options)
  if (typeof outcome === 'object') await closed(outcome.resume())
  await until(() => server.admission.stats.connections === 0)
  assert.equal(server.accepted.length, 0)
  return server.refusals()
}

test('a client without certificate is dropped', async (context) => {
  const server = await startTestListener(context)
  const bare: ConnectionOptions = {
    host: '127.0.0.1',
    port: server.port,
    ALPNProtocols: ['kos/1'],
    rejectUnauthorized: false,
  }
  const refusals = await attempt(context, server, bare)
  assert.deepEqual(refusals, { KOS_TRANSPORT_NO_CERTIFICATE: 1 })
})

test('a certificate of another authority of the same name is dropped', async (context) => {
  const server = await startTestListener(context)
  const impostor = createTestTlsFleet().identity('peer')
  const refusals = await attempt(context, server, server.clientOptions(impostor))
  assert.deepEqual(refusals, { KOS_TRANSPORT_UNTRUSTED: 1 })
})

test('bringing the own root along does not help', async (context) => {
  const server = await startTestListener(context)
  const other = createTestTlsFleet()
  const chainPem = other.intermediatePem + other.rootPem
  const impostor = other.identity('peer', { chainPem })
  const refusals = await attempt(context, server, server.clientOptions(impostor))
  assert.deepEqual(refusals, { KOS_TRANSPORT_UNTRUSTED: 1 })
})

test('a good chain behind a foreign leaf does not help', async (context) => {
  const server = await startTestListener(context)
  const { intermediatePem, rootPem } = server.fleet
  const impostor = createTestTlsFleet().identity('peer', { chainPem: intermediatePem + rootPem })
  const refusals = await attempt(context, server, server.clientOptions(impostor))
  assert.deepEqual(refusals, { KOS_TRANSPORT_UNTRUSTED: 1 })
})
