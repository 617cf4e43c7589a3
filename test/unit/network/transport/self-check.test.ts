/** The self-test finds a server that enforces less than it claims. */
import assert from 'node:assert/strict'
import type { Duplex } from 'node:stream'
import { describe, test } from 'node:test'
import { createServer, type TlsOptions } from 'node:tls'
import { isRefusal } from '../../../../src/foundation/base/index.ts'
import { PROFILES } from '../../../../src/foundation/profiles/index.ts'
import { selfTestTls } from '../../../../src/network/transport/self-check.ts'
import { tlsServerOptions } from '../../../../src/network/transport/tls-options.ts'
import { createTestClock } from '../../../kit/clock.ts'
import { createTestTlsFleet } from '../../../kit/tls.ts'
import { must, until } from '../../../kit/transport.ts'

const identity = createTestTlsFleet().identity('listener')
const profile = PROFILES['SEC-2']
const subject = { profile, identity }

/** The verdict on a server whose options differ from those of the profile. */
async function verdict(weaker: TlsOptions): Promise<string | undefined> {
  const { tls } = must(tlsServerOptions(profile, identity))
  const server = createServer({ ...tls, ...weaker })
  server.on('tlsClientError', (_, socket) => socket.destroy())
  const accept = (stream: Duplex): void => {
    server.emit('connection', stream)
  }
  const refusal = await selfTestTls(accept, createTestClock(), subject)
  assert.ok(refusal === undefined || refusal.code === 'KOS_TRANSPORT_SELF_TEST')
  return refusal?.rule
}

describe('a server that', () => {
  const suites = 'TLS_AES_256_GCM_SHA384:TLS_AES_128_GCM_SHA256'
  const weakened: Readonly<Record<string, TlsOptions>> = {
    'tls-1.2-accepted': { minVersion: 'TLSv1.2', ciphers: `${suites.slice(0, 22)}:HIGH` },
    'cipher-suite-accepted': { ciphers: suites },
    'cipher-suite': { ciphers: 'TLS_AES_128_GCM_SHA256' },
    'group-accepted': { ecdhCurve: 'SecP256r1MLKEM768:X25519MLKEM768:P-256:P-521' },
    group: { ecdhCurve: 'X25519MLKEM768' },
    alpn: { ALPNProtocols: undefined },
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
    const options: TlsOptions & { ALPNCallback: typeof any } = {
      ALPNProtocols: undefined,
      ALPNCallback: any,
    }
    assert.equal(await verdict(options), 'alpn-accepted')
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

test('a profile without sessions has nothing to test', async () => {
  const refusal = await selfTestTls(() => undefined, createTestClock(), {
    profile: PROFILES['SEC-0'],
    identity,
  })
  assert.ok(isRefusal(refusal) && refusal.code === 'KOS_TRANSPORT_PROFILE')
})
