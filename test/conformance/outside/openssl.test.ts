/** `openssl s_client` against the listener of each profile: what is accepted, what is refused. */
import assert from 'node:assert/strict'
import { describe, test, type TestContext } from 'node:test'
import type { ProfileName } from '../../../src/foundation/profiles/index.ts'
import { missing, PSK, runOutside, type Said, startOutsideListener } from '../../kit/outside.ts'
import { until } from '../../kit/transport.ts'

const skip = missing('openssl', 'version')

/** Every classical group that Debian's OpenSSL knows; newer ones know hybrid groups, and are not to. */
const CLASSICAL = 'P-256:X25519:P-384:P-521'
const withKey = ['-psk_identity', PSK.handle, '-psk', PSK.keyHex] as const

interface Seen {
  readonly said: Said
  readonly accepted: number
  readonly refusals: Readonly<Record<string, number>>
}

async function look(
  context: TestContext,
  profile: ProfileName,
  args: readonly string[],
): Promise<Seen> {
  const { server, certFile, keyFile } = await startOutsideListener(context, profile)
  const good = profile === 'SEC-1' ? [] : ['-cert', certFile, '-key', keyFile]
  const own = args.includes('-no-certificate') ? [] : good
  const said = await runOutside('openssl', [
    's_client',
    '-connect',
    `127.0.0.1:${server.port}`,
    '-brief',
    ...own,
    ...args.filter((arg) => arg !== '-no-certificate'),
  ])
  await until(() => server.admission.stats.connections === 0)
  return { said, accepted: server.accepted.length, refusals: server.refusals() }
}

const ALPN = ['-alpn', 'kos/1'] as const
const TLS13 = ['-tls1_3', ...ALPN, '-groups', CLASSICAL] as const

describe('accepted', { skip }, () => {
  test('SEC-2: TLS 1.3, AES-256-GCM, P-256', async (context) => {
    const { said, accepted } = await look(context, 'SEC-2', TLS13)
    assert.equal(accepted, 1, said.text)
    assert.match(said.text, /Protocol version: TLSv1\.3/)
    assert.match(said.text, /Ciphersuite: TLS_AES_256_GCM_SHA384/)
    assert.match(said.text, /Server Temp Key: ECDH, (?:prime256v1|P-256)/)
  })

  test('SEC-1: a known key, AES-128-GCM', async (context) => {
    const suite = ['-ciphersuites', 'TLS_AES_128_GCM_SHA256'] as const
    const { said, accepted } = await look(context, 'SEC-1', [...TLS13, ...suite, ...withKey])
    assert.equal(accepted, 1, said.text)
    assert.match(said.text, /Ciphersuite: TLS_AES_128_GCM_SHA256/)
    assert.match(said.text, /Server Temp Key: ECDH, (?:prime256v1|P-256)/)
  })
})

const HANDSHAKE = 'KOS_TRANSPORT_HANDSHAKE'
type Case = readonly [profile: ProfileName, title: string, code: string, args: readonly string[]]

const every = (title: string, args: readonly string[]): readonly Case[] => [
  ['SEC-1', title, HANDSHAKE, [...args, ...withKey]],
  ...(['SEC-2', 'SEC-3', 'SEC-4'] as const).map((name): Case => [name, title, HANDSHAKE, args]),
]

const refused: readonly Case[] = [
  ...every('TLS 1.2', ['-tls1_2', ...ALPN]),
  ...every('ChaCha20', [...TLS13, '-ciphersuites', 'TLS_CHACHA20_POLY1305_SHA256']),
  ...every('X25519 alone', ['-tls1_3', ...ALPN, '-groups', 'X25519']),
  ...every('P-384 alone', ['-tls1_3', ...ALPN, '-groups', 'P-384']),
  ...every('another protocol', ['-tls1_3', '-alpn', 'h2', '-groups', CLASSICAL]),
  [
    'SEC-1',
    'AES-256',
    HANDSHAKE,
    [...TLS13, '-ciphersuites', 'TLS_AES_256_GCM_SHA384', ...withKey],
  ],
  ['SEC-1', 'no key', HANDSHAKE, TLS13],
  ['SEC-1', 'a wrong key', HANDSHAKE, [...TLS13, ...withKey.slice(0, 2), '-psk', 'aa'.repeat(32)]],
  ['SEC-1', 'an unknown handle', HANDSHAKE, [...TLS13, '-psk_identity', 'no', ...withKey.slice(2)]],
  ['SEC-2', 'AES-128', HANDSHAKE, [...TLS13, '-ciphersuites', 'TLS_AES_128_GCM_SHA256']],
  ['SEC-2', 'other signatures', HANDSHAKE, [...TLS13, '-sigalgs', 'RSA-PSS+SHA256:ed25519']],
  ['SEC-2', 'no certificate', 'KOS_TRANSPORT_NO_CERTIFICATE', [...TLS13, '-no-certificate']],
  ['SEC-2', 'no protocol', 'KOS_TRANSPORT_ALPN', ['-tls1_3', '-groups', CLASSICAL]],
  // With the best that a client without hybrid groups has.
  ['SEC-3', 'every classical group', HANDSHAKE, TLS13],
  ['SEC-4', 'every classical group', HANDSHAKE, TLS13],
]

describe('refused', { skip }, () => {
  for (const [profile, title, code, args] of refused) {
    test(`${profile}: ${title}`, async (context) => {
      const { said, accepted, refusals } = await look(context, profile, args)
      assert.equal(accepted, 0, said.text)
      assert.deepEqual(refusals, { [code]: 1 }, said.text)
    })
  }
})
