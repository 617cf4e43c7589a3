/** A client offers TLS 1.2 at most. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { startTestListener, tlsAttempt, until } from '../kit/transport.ts'

for (const profile of ['SEC-2', 'SEC-3', 'SEC-4'] as const) {
  test(`${profile} refuses a TLS 1.2 client`, async (context) => {
    const server = await startTestListener(context, { profile })
    const { port, fleet } = server
    const { certificateChainPem: cert, privateKeyPem } = fleet.identity('peer')
    const outcome = await tlsAttempt(context, {
      host: '127.0.0.1',
      port,
      cert,
      key: privateKeyPem.use((bytes) => Buffer.from(bytes)),
      ALPNProtocols: ['kos/1'],
      minVersion: 'TLSv1.2',
      maxVersion: 'TLSv1.2',
      rejectUnauthorized: false,
    })
    assert.equal(outcome, 'ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION')
    await until(() => server.admission.stats.connections === 0)
    assert.deepEqual(server.refusals(), { KOS_TRANSPORT_HANDSHAKE: 1 })
    assert.equal(server.accepted.length, 0)
  })
}
