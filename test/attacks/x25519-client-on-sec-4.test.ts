/** A client that knows X25519 and no hybrid group comes to a listener that demands post-quantum. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { startTestListener, tlsAttempt, until } from '../kit/transport.ts'

for (const profile of ['SEC-3', 'SEC-4'] as const) {
  for (const groups of ['X25519', 'X25519:P-256:P-384:P-521']) {
    test(`${profile} refuses ${groups}`, async (context) => {
      const server = await startTestListener(context, { profile })
      const { certificateChainPem: cert, privateKeyPem } = server.fleet.identity('peer')
      const outcome = await tlsAttempt(context, {
        host: '127.0.0.1',
        port: server.port,
        cert,
        key: privateKeyPem.use((bytes) => Buffer.from(bytes)),
        ALPNProtocols: ['kos/1'],
        minVersion: 'TLSv1.3',
        ecdhCurve: groups,
        rejectUnauthorized: false,
      })
      assert.equal(outcome, 'ERR_SSL_SSL/TLS_ALERT_HANDSHAKE_FAILURE')
      await until(() => server.admission.stats.connections === 0)
      assert.deepEqual(server.refusals(), { KOS_TRANSPORT_HANDSHAKE: 1 })
      assert.equal(server.accepted.length, 0)
    })
  }
}

test('the same client with a hybrid group is let in', async (context) => {
  const server = await startTestListener(context, { profile: 'SEC-4' })
  const socket = await tlsAttempt(context, server.clientOptions())
  assert.ok(typeof socket === 'object')
  await until(() => server.accepted.length === 1)
})
