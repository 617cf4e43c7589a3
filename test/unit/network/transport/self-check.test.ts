/** The self-test finds a server that enforces less than it claims. */
import assert from 'node:assert/strict'
import type { Duplex } from 'node:stream'
import { describe, test } from 'node:test'
import { createServer, type TlsOptions } from 'node:tls'
import { isRefusal, Secret } from '../../../../src/foundation/base/index.ts'
import { type ProfileName, PROFILES } from '../../../../src/foundation/profiles/index.ts'
import type { ListenerIdentity } from '../../../../src/network/transport/index.ts'
import { selfTestTls, type SelfTestSubject } from '../../../../src/network/transport/self-check.ts'
import { tlsServerOptions } from '../../../../src/network/transport/tls-options.ts'
import { createTestClock } from '../../../kit/clock.ts'
import { createTestTlsFleet } from '../../../kit/tls.ts'
import { must, until } from '../../../kit/transport.ts'

const identity = createTestTlsFleet().identity('listener')
const profile = PROFILES['SEC-2']
const subject = { profile, identity }

/** The verdict on a server whose options differ from those of the profile. */
async function verdict(
  weaker: TlsOptions,
  of: SelfTestSubject & { readonly listener?: ListenerIdentity } = subject,
): Promise<string | undefined> {
  const { tls } = must(tlsServerOptions(of.profile, of.listener ?? identity))
  const server = createServer({ ...tls, ...weaker })
  server.on('tlsClientError', (_, socket) => socket.destroy())
  const accept = (stream: Duplex): void => {
    server.emit('connection', stream)
  }
  const refusal = await selfTestTls(accept, createTestClock(), of)
  assert.ok(refusal === undefined || refusal.code === 'KOS_TRANSPORT_SELF_TEST')
  return refusal?.rule
}

describe('a server that', () => {
  const groups = 'SecP256r1MLKEM768:X25519MLKEM768'
  const suites = 'TLS_AES_256_GCM_SHA384:TLS_AES_128_GCM_SHA256'
  const weakened: Readonly<Record<string, TlsOptions>> = {
    'tls-1.2-accepted': { minVersion: 'TLSv1.2', ciphers: `${suites.slice(0, 22)}:HIGH` },
    'accepted: TLS_AES_128_GCM_SHA256': { ciphers: suites },
    'accepted: TLS_CHACHA20_POLY1305_SHA256': {
      ciphers: 'TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256',
    },
    'cipher-suite': { ciphers: 'TLS_AES_128_GCM_SHA256' },
    'accepted: X25519': { ecdhCurve: `${groups}:P-256:X25519` },
    'accepted: P-521': { ecdhCurve: `${groups}:P-256:P-521` },
    group: { ecdhCurve: 'X25519MLKEM768' },
    alpn: { ALPNCallback: undefined },
    handshake: { ecdhCurve: 'P-384' },
  }
  for (const [rule, options] of Object.entries(weakened)) {
    // Without the client's suite there is no handshake at all: the rule says so.
    const expected = rule === 'cipher-suite' ? 'handshake' : rule
    test(`is wrong about ${rule} fails`, async () => assert.equal(await verdict(options), expected))
  }

  test('is as the profile says passes', async () => assert.equal(await verdict({}), undefined))

  test('accepts any protocol name fails', async () => {
    const any = ({ protocols }: { protocols: string[] }): string | undefined => protocols[0]
    assert.equal(await verdict({ ALPNCallback: any }), 'alpn-accepted')
  })

  test('never answers fails by the deadline', async () => {
    const clock = createTestClock()
    const silent = selfTestTls(() => undefined, clock, subject)
    await until(() => clock.pendingTimers === 1)
    clock.advance(3000)
    const refusal = await silent
    assert.equal(refusal?.rule, 'handshake')
    assert.equal(clock.pendingTimers, 0)
  })
})

describe('profiles that demand hybrid groups', () => {
  const strict: readonly (readonly [ProfileName, string, string])[] = [
    ['SEC-3', 'accepted: P-256', 'SecP256r1MLKEM768:X25519MLKEM768:P-256'],
    ['SEC-3', 'accepted: X25519', 'SecP256r1MLKEM768:X25519MLKEM768:X25519'],
    ['SEC-4', 'accepted: X25519MLKEM768', 'SecP256r1MLKEM768:SecP384r1MLKEM1024:X25519MLKEM768'],
    ['SEC-4', 'accepted: X25519', 'SecP256r1MLKEM768:SecP384r1MLKEM1024:X25519'],
  ]
  for (const [name, rule, ecdhCurve] of strict) {
    test(`${name} finds ${rule}`, async () => {
      const of = { profile: PROFILES[name], identity }
      assert.equal(await verdict({ ecdhCurve }, of), rule)
      assert.equal(await verdict({}, of), undefined)
    })
  }
})

describe('a listener of pre-shared keys that', () => {
  const key = (fill: number): Secret => Secret.take(new Uint8Array(32).fill(fill))
  const of = {
    profile: PROFILES['SEC-1'],
    identity: { kind: 'psk', handle: 'known', key: key(1) },
  } as const
  const listening = (keyOf: (handle: string) => Secret | undefined): ListenerIdentity => ({
    kind: 'psk',
    keyOf,
  })
  const known = listening((handle) => (handle === 'known' ? key(1) : undefined))

  test('is as the profile says passes', async () => {
    assert.equal(await verdict({}, { ...of, listener: known }), undefined)
  })

  test('does not know the key of a device fails', async () => {
    const none = listening(() => undefined)
    assert.equal(await verdict({}, { ...of, listener: none }), 'handshake')
  })

  test('takes any handle fails', async () => {
    const any = listening(() => key(1))
    assert.equal(await verdict({}, { ...of, listener: any }), 'handle-accepted')
  })

  test('takes clients without a key fails', async () => {
    const { certificateChainPem: cert, privateKeyPem } = identity
    const withCertificate = { cert, key: privateKeyPem.use((bytes) => Buffer.from(bytes)) }
    assert.equal(await verdict(withCertificate, { ...of, listener: known }), 'no-key-accepted')
  })
})

test('a profile without sessions has nothing to test', async () => {
  const refusal = await selfTestTls(() => undefined, createTestClock(), {
    profile: PROFILES['SEC-0'],
    identity,
  })
  assert.ok(isRefusal(refusal) && refusal.code === 'KOS_TRANSPORT_PROFILE')
})
