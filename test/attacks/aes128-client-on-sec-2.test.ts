/** A client offers weaker cryptography than the profile: suites, groups, signatures. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ConnectionOptions } from 'node:tls'
import type { ProfileName } from '../../src/foundation/profiles/index.ts'
import { startTestListener, tlsAttempt, until } from '../kit/transport.ts'

const WEAKER: readonly (readonly [ProfileName, string, ConnectionOptions])[] = [
  ['SEC-2', 'AES-128', { ciphers: 'TLS_AES_128_GCM_SHA256' }],
  ['SEC-2', 'ChaCha20', { ciphers: 'TLS_CHACHA20_POLY1305_SHA256' }],
  ['SEC-2', 'a group outside the profile', { ecdhCurve: 'X25519:P-384' }],
  ['SEC-2', 'another signature algorithm', { sigalgs: 'ed25519' }],
  ['SEC-3', 'a group that is not hybrid', { ecdhCurve: 'P-256' }],
  ['SEC-4', 'the other hybrid group', { ecdhCurve: 'X25519MLKEM768' }],
  ['SEC-4', 'AES-128', { ciphers: 'TLS_AES_128_GCM_SHA256' }],
]

for (const [profile, title, offer] of WEAKER) {
  test(`${profile} refuses ${title}`, async (context) => {
    const server = await startTestListener(context, { profile })
    const { certificateChainPem: cert, privateKeyPem } = server.fleet.identity('peer')
    const outcome = await tlsAttempt(context, {
      host: '127.0.0.1',
      port: server.port,
      cert,
      key: privateKeyPem.use((bytes) => Buffer.from(bytes)),
      ALPNProtocols: ['kos/1'],
      minVersion: 'TLSv1.3',
      rejectUnauthorized: false,
      ...offer,
    })
    assert.ok(typeof outcome === 'string')
    assert.match(outcome, /^ERR_SSL_.*ALERT_(?:HANDSHAKE_FAILURE|INTERNAL_ERROR)$/)
    await until(() => server.admission.stats.connections === 0)
    assert.deepEqual(server.refusals(), { KOS_TRANSPORT_HANDSHAKE: 1 })
    assert.equal(server.accepted.length, 0)
  })
}
