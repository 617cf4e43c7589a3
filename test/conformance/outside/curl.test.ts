/** `curl` against the listener of each profile: sessions are no HTTPS, and nothing weaker gets in. */
import assert from 'node:assert/strict'
import { describe, test, type TestContext } from 'node:test'
import type { ProfileName } from '../../../src/foundation/profiles/index.ts'
import { missing, runOutside, type Said, startOutsideListener } from '../../kit/outside.ts'
import { echoed, must, until } from '../../kit/transport.ts'

const skip = missing('curl')

/** Exit codes of curl: no TLS connection; connected, and then nothing came. */
const [TLS_FAILED, NOTHING] = [35, [52, 56]]

async function look(
  context: TestContext,
  profile: ProfileName,
  args: readonly string[],
): Promise<{ readonly said: Said; readonly refusals: Readonly<Record<string, number>> }> {
  const { server, certFile, keyFile } = await startOutsideListener(context, profile)
  const said = await runOutside('curl', [
    '--silent',
    '--show-error',
    '--verbose',
    '--insecure',
    '--noproxy',
    '*',
    '--cert',
    certFile,
    '--key',
    keyFile,
    ...args,
    `https://127.0.0.1:${server.port}/`,
  ])
  await until(() => server.admission.stats.connections === 0)
  assert.equal(server.accepted.length, 0, said.text)
  return { said, refusals: server.refusals() }
}

const tls13 = ['--tlsv1.3', '--no-alpn', '--curves', 'P-256:X25519:P-384'] as const
const refused: readonly (readonly [title: string, args: readonly string[]])[] = [
  ['TLS 1.2', ['--tls-max', '1.2', '--no-alpn']],
  ['HTTP by ALPN', ['--tlsv1.3', '--curves', 'P-256']],
  ['ChaCha20', [...tls13, '--tls13-ciphers', 'TLS_CHACHA20_POLY1305_SHA256']],
  ['X25519 alone', ['--tlsv1.3', '--no-alpn', '--curves', 'X25519']],
]

describe('refused', { skip }, () => {
  for (const profile of ['SEC-1', 'SEC-2', 'SEC-3', 'SEC-4'] as const) {
    for (const [title, args] of refused) {
      test(`${profile}: ${title}`, async (context) => {
        const { said, refusals } = await look(context, profile, args)
        assert.equal(said.code, TLS_FAILED, said.text)
        assert.deepEqual(refusals, { KOS_TRANSPORT_HANDSHAKE: 1 }, said.text)
      })
    }
  }

  test('SEC-2: TLS as the profile says, but no protocol: dropped after the handshake', async (context) => {
    const { said, refusals } = await look(context, 'SEC-2', tls13)
    assert.match(said.text, /TLSv1\.3 ?\/ ?TLS_AES_256_GCM_SHA384/)
    assert.ok(said.code !== null && NOTHING.includes(said.code), said.text)
    assert.deepEqual(refusals, { KOS_TRANSPORT_ALPN: 1 }, said.text)
  })

  for (const profile of ['SEC-3', 'SEC-4'] as const) {
    test(`${profile}: every classical group`, async (context) => {
      const { said } = await look(context, profile, tls13)
      assert.equal(said.code, TLS_FAILED, said.text)
    })
  }
})

describe('what they cannot do, a client with hybrid groups can', () => {
  for (const profile of ['SEC-2', 'SEC-3', 'SEC-4'] as const) {
    test(profile, async (context) => {
      const { server } = await startOutsideListener(context, profile)
      const channel = must(await server.dialFrom('127.0.0.1'))
      assert.equal(await echoed(channel, 'hello'), 'hello')
    })
  }
})
