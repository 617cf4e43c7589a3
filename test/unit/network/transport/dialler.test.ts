import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type AddressInfo } from 'node:net'
import { describe, test, type TestContext } from 'node:test'
import { createServer as createTlsServer, type TlsOptions } from 'node:tls'
import { refuse, type Refusal } from '../../../../src/foundation/base/index.ts'
import { PROFILES } from '../../../../src/foundation/profiles/index.ts'
import { createAdmission } from '../../../../src/network/admission/index.ts'
import {
  createDialler,
  type DiallerIdentity,
  tlsServerOptions,
  type VerifyPeer,
} from '../../../../src/network/transport/index.ts'
import { createTestClock, type TestClock } from '../../../kit/clock.ts'
import { createTestTlsFleet, leafDerOf } from '../../../kit/tls.ts'
import { must, mustRefuse, startTestListener, until } from '../../../kit/transport.ts'

const fleet = createTestTlsFleet()
const profile = PROFILES['SEC-2']

interface Dialling {
  readonly clock: TestClock
  readonly dial: (port: number, signal?: AbortSignal) => Promise<unknown>
}

function dialling(
  how: { readonly verifyPeer?: VerifyPeer; readonly block?: readonly string[] } = {},
): Dialling {
  const clock = createTestClock()
  const lists = { block: how.block ?? [], allow: [], allowOnly: true }
  const admission = createAdmission({ clock, onRefusals: () => undefined }, { lists })
  const identity = fleet.identity('peer')
  const dialler = must(
    createDialler(
      { admission, clock, verifyPeer: how.verifyPeer ?? fleet.verifyPeer },
      { profile, identity: () => identity },
    ),
  )
  return {
    clock,
    dial: (port, signal) =>
      dialler.dial({ host: '127.0.0.1', port, timeoutMs: 3000, ...(signal && { signal }) }),
  }
}

/** A TCP server that never says anything. */
async function silentServer(context: TestContext): Promise<number> {
  const server = createServer((socket) => context.after(() => socket.destroy()))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  context.after(() => server.close())
  return portOf(server.address())
}

/** A TLS server whose options differ from those of the profile. */
async function tlsServer(context: TestContext, weaker: TlsOptions): Promise<number> {
  const { tls } = must(tlsServerOptions(profile, fleet.identity('listener')))
  const server = createTlsServer({ ...tls, ...weaker }, (socket) => {
    socket.on('error', () => undefined)
    context.after(() => socket.destroy())
  })
  server.on('tlsClientError', (_, socket) => socket.destroy())
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  context.after(() => server.close())
  return portOf(server.address())
}

function portOf(address: AddressInfo | string | null): number {
  assert.ok(typeof address === 'object' && address)
  return address.port
}

async function codeOf(result: Promise<unknown>): Promise<readonly string[]> {
  const { code, rule }: Refusal = mustRefuse(await result)
  return [code, rule]
}

describe('a dial', () => {
  test('to a closed port is refused with the reason', async (context) => {
    const server = await startTestListener(context)
    await server.listener.close()
    const { dial, clock } = dialling()
    const expected = ['KOS_TRANSPORT_UNREACHABLE', 'ECONNREFUSED']
    assert.deepEqual(await codeOf(dial(server.port)), expected)
    assert.equal(clock.pendingTimers, 0)
  })

  test('to a silent server ends at its deadline', async (context) => {
    const port = await silentServer(context)
    const { dial, clock } = dialling()
    const result = dial(port)
    await until(() => clock.pendingTimers === 1)
    clock.advance(2999)
    assert.equal(clock.pendingTimers, 1)
    clock.advance(1)
    assert.deepEqual(await codeOf(result), ['KOS_TRANSPORT_TIMEOUT', 'dial-timeout'])
  })

  test('is cancelled at once, and before it begins', async (context) => {
    const port = await silentServer(context)
    const { dial, clock } = dialling()
    const controller = new AbortController()
    const result = dial(port, controller.signal)
    controller.abort()
    const expected = ['KOS_TRANSPORT_CANCELLED', 'signal']
    assert.deepEqual(await codeOf(result), expected)
    assert.deepEqual(await codeOf(dial(port, controller.signal)), expected)
    assert.equal(clock.pendingTimers, 0)
  })

  test('to a blocked address is refused, to one off the allow list it is not', async (context) => {
    const server = await startTestListener(context, { fleet })
    const blocked = await codeOf(dialling({ block: ['127.0.0.0/8'] }).dial(server.port))
    assert.deepEqual(blocked, ['KOS_ADMISSION_BLOCKED', 'block-list'])
    assert.equal(server.accepted.length, 0)
    await dialling().dial(server.port)
    await until(() => server.accepted.length === 1)
  })

  test('asks about the leaf of the other end', async (context) => {
    const own = fleet.identity('listener')
    const server = await startTestListener(context, { fleet, identity: () => own })
    const asked: unknown[] = []
    const verifyPeer: VerifyPeer = (leafDer, purpose) => {
      asked.push(Buffer.from(leafDer), purpose)
      return refuse('KOS_PKI_LOCKED', 'lock-list')
    }
    const result = await codeOf(dialling({ verifyPeer }).dial(server.port))
    assert.deepEqual(result, ['KOS_PKI_LOCKED', 'lock-list'])
    assert.deepEqual(asked, [leafDerOf(own), 'server'])
  })

  test('uses a renewed identity for the next connection', async (context) => {
    const server = await startTestListener(context, { fleet })
    const [first, second] = [fleet.identity('one'), fleet.identity('two')]
    let current: DiallerIdentity = first
    const { admission, clock } = server
    const dialler = must(
      createDialler(
        { admission, clock, verifyPeer: fleet.verifyPeer },
        { profile, identity: () => current },
      ),
    )
    must(await server.dialFrom('127.0.0.77', dialler))
    current = second
    dialler.updateIdentity()
    must(await server.dialFrom('127.0.0.77', dialler))
    current = { kind: 'psk', handle: 'x', key: first.privateKeyPem }
    assert.throws(() => dialler.updateIdentity(), { code: 'KOS_TRANSPORT_CREDENTIALS' })
    must(await server.dialFrom('127.0.0.77', dialler))
    await until(() => server.accepted.length === 3)
    assert.deepEqual(
      server.accepted.map(({ channel }) => channel.peerLeafDer),
      [first, second, second].map(leafDerOf),
    )
  })
})

test('servers that are not of the profile are refused', async (context) => {
  const other = createTestTlsFleet('Other').identity('listener')
  const stranger = must(tlsServerOptions(profile, other)).tls
  const { key, cert } = stranger
  const expired = fleet.identity('late', { usage: ['clientAuth'] })
  const { key: clientKey, cert: clientCert } = must(tlsServerOptions(profile, expired)).tls
  const cases: Readonly<Record<string, readonly [TlsOptions, string]>> = {
    'no protocol': [{ ALPNCallback: undefined }, 'KOS_TRANSPORT_ALPN'],
    'other protocol': [
      { ALPNCallback: undefined, ALPNProtocols: ['h2'] },
      'KOS_TRANSPORT_HANDSHAKE',
    ],
    'other suite': [{ ciphers: 'TLS_AES_128_GCM_SHA256' }, 'KOS_TRANSPORT_HANDSHAKE'],
    'other group': [{ ecdhCurve: 'P-521' }, 'KOS_TRANSPORT_HANDSHAKE'],
    'another fleet': [{ key, cert }, 'KOS_TRANSPORT_UNTRUSTED'],
    'not for servers': [{ key: clientKey, cert: clientCert }, 'KOS_TRANSPORT_VERDICT'],
  }
  for (const [title, [options, code]] of Object.entries(cases)) {
    const { dial, clock } = dialling()
    const refusal = mustRefuse(await dial(await tlsServer(context, options)))
    assert.equal(refusal.code, code, title)
    assert.equal(clock.pendingTimers, 0)
  }
})

test('a dialler needs a profile with sessions and fitting credentials', () => {
  const make = (name: 'SEC-0' | 'SEC-1', identity: DiallerIdentity): unknown => {
    const clock = createTestClock()
    const admission = createAdmission({ clock, onRefusals: () => undefined })
    const deps = { admission, clock, verifyPeer: fleet.verifyPeer }
    return createDialler(deps, { profile: PROFILES[name], identity: () => identity })
  }
  const identity = fleet.identity('x')
  assert.equal(mustRefuse(make('SEC-0', identity)).code, 'KOS_TRANSPORT_PROFILE')
  assert.equal(mustRefuse(make('SEC-1', identity)).code, 'KOS_TRANSPORT_CREDENTIALS')
})
