/** The check after the handshake catches what a wrong TLS option would let through. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { test, type TestContext } from 'node:test'
import { connect as connectTls, createServer, type TLSSocket, type TlsOptions } from 'node:tls'
import {
  isRefusal,
  type KosErrorCode,
  refuse,
  unixMs,
} from '../../../../src/foundation/base/index.ts'
import { PROFILES, type TransportRule } from '../../../../src/foundation/profiles/index.ts'
import {
  checkSecured,
  type VerdictDisagreement,
  type VerifyPeer,
} from '../../../../src/network/transport/secured-peer.ts'
import { tlsServerOptions } from '../../../../src/network/transport/tls-options.ts'
import { createTestTlsFleet } from '../../../kit/tls.ts'
import { must } from '../../../kit/transport.ts'

const fleet = createTestTlsFleet()
const base = must(tlsServerOptions(PROFILES['SEC-2'], fleet.identity('both')))

/** The dialling end of a connection between two ends that both use the given options. */
async function secured(
  context: TestContext,
  weaker: TlsOptions,
  session?: Buffer,
): Promise<TLSSocket> {
  const options: Omit<TlsOptions, 'pskCallback'> = { ...base.tls, ...weaker }
  const server = createServer(options, (socket) => {
    socket.on('error', () => undefined)
    socket.write('x')
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  context.after(() => server.close())
  const address = server.address()
  assert.ok(typeof address === 'object' && address)
  const connect = async (resume?: Buffer): Promise<TLSSocket> => {
    const { ALPNCallback: _, ...shared } = options
    const socket = connectTls({
      ALPNProtocols: ['kos/1'],
      ...shared,
      host: '127.0.0.1',
      port: address.port,
      checkServerIdentity: () => undefined,
      ...(resume && { session: resume }),
    })
    context.after(() => socket.destroy())
    await once(socket, 'secureConnect')
    await once(socket, 'data')
    return socket
  }
  const socket = await connect()
  return session ? connect(socket.getSession()) : socket
}

let disagreements: VerdictDisagreement[] = []

/** The rule that refuses, or the type of the leaf. */
function judge(
  socket: TLSSocket,
  changes: Partial<TransportRule> = {},
  verifyPeer: VerifyPeer = fleet.verifyPeer,
): string {
  disagreements = []
  const peer = checkSecured(socket, {
    transport: { ...base.transport, ...changes },
    purpose: 'server',
    verifyPeer,
    trustedCaPem: [fleet.rootPem, fleet.intermediatePem],
    onDisagreement: (found) => disagreements.push(found),
  })
  return isRefusal(peer) ? `${peer.code} ${peer.rule}` : `leaf ${typeof peer.leafDer}`
}

test('a connection of the profile passes', async (context) => {
  assert.equal(judge(await secured(context, {})), 'leaf object')
})

test('an older version is refused', async (context) => {
  const older = await secured(context, {
    minVersion: 'TLSv1.2',
    maxVersion: 'TLSv1.2',
    ciphers: 'ECDHE-ECDSA-AES256-GCM-SHA384',
  })
  assert.equal(judge(older), 'KOS_TRANSPORT_PARAMETERS version')
})

test('another cipher suite is refused', async (context) => {
  const other = await secured(context, { ciphers: 'TLS_AES_128_GCM_SHA256' })
  assert.equal(judge(other), 'KOS_TRANSPORT_PARAMETERS cipher-suite')
})

test('another group is refused; P-256 goes by its name in profiles', async (context) => {
  const foreign = await secured(context, { ecdhCurve: 'P-384' })
  assert.equal(judge(foreign), 'KOS_TRANSPORT_PARAMETERS group')
  const plain = await secured(context, { ecdhCurve: 'P-256' })
  assert.equal(judge(plain), 'leaf object')
  const { groups } = PROFILES['SEC-3'].transport ?? base.transport
  assert.equal(judge(plain, { groups }), 'KOS_TRANSPORT_PARAMETERS group')
})

test('a leaf that is early to the machine’s clock alone is left to the own check', async (context) => {
  const hourMs = 3_600_000
  const early = fleet.identity('early', {
    notBefore: unixMs(Date.now() + hourMs),
    notAfter: unixMs(Date.now() + 2 * hourMs),
  })
  const { cert, key } = must(tlsServerOptions(PROFILES['SEC-2'], early)).tls
  const socket = await secured(context, { cert, key } as TlsOptions)
  assert.equal(String(socket.authorizationError), 'CERT_NOT_YET_VALID')
  assert.equal(judge(socket), 'leaf object')
})

test('an early leaf of another fleet is refused by both checks', async (context) => {
  const other = createTestTlsFleet('Test').identity('early', {
    notBefore: unixMs(Date.now() + 3_600_000),
    notAfter: unixMs(Date.now() + 7_200_000),
  })
  const { cert, key } = must(tlsServerOptions(PROFILES['SEC-2'], other)).tls
  const socket = await secured(context, { cert, key } as TlsOptions)
  const untrusted = 'KOS_TRANSPORT_UNTRUSTED UNABLE_TO_VERIFY_LEAF_SIGNATURE'
  assert.equal(String(socket.authorizationError), 'CERT_NOT_YET_VALID')
  assert.equal(judge(socket), untrusted)
  assert.deepEqual(disagreements, [])
  // Time hides the bad signature from OpenSSL's verdict; without time it sees it.
  assert.match(
    judge(socket, {}, () => undefined),
    /^KOS_TRANSPORT_VERDICT openssl: UNABLE_TO_VERIFY_LEAF_SIGNATURE, own: ok$/,
  )
})

test('a leaf that has ended is refused by either check', async (context) => {
  const ended = fleet.identity('ended', {
    notBefore: unixMs(Date.now() - 7_200_000),
    notAfter: unixMs(Date.now() - 3_600_000),
  })
  const { cert, key } = must(tlsServerOptions(PROFILES['SEC-2'], ended)).tls
  const socket = await secured(context, { cert, key } as TlsOptions)
  assert.equal(judge(socket), 'KOS_TRANSPORT_UNTRUSTED CERT_HAS_EXPIRED')
})

test('a resumed session is refused', async (context) => {
  const resumed = await secured(context, { secureOptions: 0 }, Buffer.alloc(0))
  assert.equal(resumed.isSessionReused(), true)
  assert.equal(judge(resumed), 'KOS_TRANSPORT_PARAMETERS resumption')
})

const own =
  (code: KosErrorCode, rule: string): VerifyPeer =>
  () =>
    refuse(code, rule)

test('a certificate that OpenSSL accepts and the own check refuses is an alarm', async (context) => {
  const socket = await secured(context, {})
  const verdict = judge(socket, {}, own('KOS_PKI_CERTIFICATE', 'uri-san'))
  assert.equal(verdict, 'KOS_TRANSPORT_VERDICT openssl: ok, own: uri-san')
  const expected = { openssl: 'ok', own: 'uri-san', source: '127.0.0.1', purpose: 'server' }
  assert.deepEqual(disagreements, [expected])
})

test('a certificate that OpenSSL refuses and the own check accepts is an alarm', async (context) => {
  const { cert, key } = must(
    tlsServerOptions(PROFILES['SEC-2'], createTestTlsFleet('Test').identity('other')),
  ).tls
  const socket = await secured(context, { cert, key } as TlsOptions)
  assert.match(
    judge(socket, {}, () => undefined),
    /^KOS_TRANSPORT_VERDICT openssl: [A-Z_]+, own: ok$/,
  )
  assert.equal(disagreements.length, 1)
  assert.equal(disagreements[0]?.own, 'ok')
})

test('clocks and locks are no disagreement', async (context) => {
  const socket = await secured(context, {})
  const agreed: readonly (readonly [KosErrorCode, string])[] = [
    ['KOS_PKI_CERTIFICATE', 'expired'],
    ['KOS_PKI_CERTIFICATE', 'not-yet-valid'],
    ['KOS_PKI_CERTIFICATE', 'issuer-validity'],
    ['KOS_PKI_LOCKED', 'principal'],
  ]
  for (const [code, rule] of agreed) {
    assert.equal(judge(socket, {}, own(code, rule)), `${code} ${rule}`)
    assert.deepEqual(disagreements, [])
  }
})
