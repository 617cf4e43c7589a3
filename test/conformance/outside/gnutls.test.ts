/** `gnutls-cli` against the listener of each profile: another TLS library than ours. */
import assert from 'node:assert/strict'
import { describe, test, type TestContext } from 'node:test'
import type { ProfileName } from '../../../src/foundation/profiles/index.ts'
import { missing, PSK, runOutside, type Said, startOutsideListener } from '../../kit/outside.ts'
import { until } from '../../kit/transport.ts'

const skip = missing('gnutls-cli')

const BASE = 'NONE:+VERS-TLS1.3:+AEAD:+SIGN-ALL:+COMP-NULL:+CTYPE-X509'
const CLASSICAL = '+GROUP-SECP256R1:+GROUP-X25519:+GROUP-SECP384R1:+GROUP-SECP521R1'
const strong = `${BASE}:+ECDHE-ECDSA:+AES-256-GCM:${CLASSICAL}`

interface Seen {
  readonly said: Said
  readonly accepted: number
  readonly refusals: Readonly<Record<string, number>>
}

async function look(
  context: TestContext,
  profile: ProfileName,
  how: { readonly priority: string; readonly alpn?: string; readonly keyHex?: string },
): Promise<Seen> {
  const { server, certFile, keyFile } = await startOutsideListener(context, profile)
  const { priority, alpn = 'kos/1', keyHex } = how
  const own =
    keyHex === undefined
      ? ['--x509certfile', certFile, '--x509keyfile', keyFile]
      : ['--pskusername', PSK.handle, '--pskkey', keyHex]
  const said = await runOutside('gnutls-cli', [
    '--no-ca-verification',
    '--priority',
    priority,
    '--alpn',
    alpn,
    ...own,
    '--port',
    String(server.port),
    '127.0.0.1',
  ])
  await until(() => server.admission.stats.connections === 0)
  return { said, accepted: server.accepted.length, refusals: server.refusals() }
}

const psk = `${BASE}:+ECDHE-PSK:+AES-128-GCM:${CLASSICAL}`

describe('accepted', { skip }, () => {
  test('SEC-2: AES-256-GCM over P-256', async (context) => {
    const { said, accepted } = await look(context, 'SEC-2', { priority: strong })
    assert.equal(accepted, 1, said.text)
    assert.match(said.text, /\(TLS1\.3.*\)-\(ECDHE-SECP256R1\)-\(ECDSA.*\)-\(AES-256-GCM\)/)
  })

  test('SEC-1: a known key with forward secrecy', async (context) => {
    const how = { priority: psk, keyHex: PSK.keyHex }
    const { said, accepted } = await look(context, 'SEC-1', how)
    assert.equal(accepted, 1, said.text)
    // GnuTLS names no group here; that it is one, the client below without any shows.
    assert.match(said.text, /\(TLS1\.3.*\(AES-128-GCM\)/)
    assert.match(said.text, /PSK authentication/)
  })
})

const tls12 = 'NORMAL:-VERS-ALL:+VERS-TLS1.2'
const refused: readonly (readonly [ProfileName, string, Parameters<typeof look>[2]])[] = [
  ['SEC-1', 'TLS 1.2', { priority: `${tls12}:+ECDHE-PSK`, keyHex: PSK.keyHex }],
  ['SEC-1', 'a wrong key', { priority: psk, keyHex: 'aa'.repeat(32) }],
  [
    'SEC-1',
    'a key without forward secrecy',
    { priority: `${BASE}:+PSK:+AES-128-GCM:${CLASSICAL}`, keyHex: PSK.keyHex },
  ],
  ['SEC-1', 'a certificate in place of a key', { priority: strong.replace('256-GCM', '128-GCM') }],
  ['SEC-2', 'TLS 1.2', { priority: tls12 }],
  ['SEC-2', 'AES-128', { priority: strong.replace('AES-256-GCM', 'AES-128-GCM') }],
  ['SEC-2', 'X25519 alone', { priority: `${BASE}:+ECDHE-ECDSA:+AES-256-GCM:+GROUP-X25519` }],
  ['SEC-2', 'another protocol', { priority: strong, alpn: 'h2' }],
  ['SEC-3', 'TLS 1.2', { priority: tls12 }],
  ['SEC-3', 'every classical group', { priority: strong }],
  ['SEC-4', 'TLS 1.2', { priority: tls12 }],
  ['SEC-4', 'every classical group', { priority: strong }],
]

describe('refused', { skip }, () => {
  for (const [profile, title, how] of refused) {
    test(`${profile}: ${title}`, async (context) => {
      const { said, accepted, refusals } = await look(context, profile, how)
      assert.equal(accepted, 0, said.text)
      assert.deepEqual(refusals, { KOS_TRANSPORT_HANDSHAKE: 1 }, said.text)
    })
  }
})
