import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect as connectTcp } from 'node:net'
import { describe, test } from 'node:test'
import { sha256, silentLog, systemClock, unixMs } from '../../../../src/foundation/base/index.ts'
import { parseCertificate } from '../../../../src/foundation/codec/index.ts'
import { Connected } from '../../../../src/foundation/pipeline/index.ts'
import { PROFILES } from '../../../../src/foundation/profiles/index.ts'
import { createAdmission } from '../../../../src/network/admission/index.ts'
import { createListener, type ListenerIdentity } from '../../../../src/network/transport/index.ts'
import { createTestTlsFleet, leafDerOf } from '../../../kit/tls.ts'
import {
  closed,
  echoed,
  must,
  mustRefuse,
  startTestListener,
  tlsAttempt,
  until,
} from '../../../kit/transport.ts'

for (const profile of ['SEC-2', 'SEC-3', 'SEC-4'] as const) {
  test(`two peers talk over ${profile}`, async (context) => {
    const identities = createTestTlsFleet()
    const own = identities.identity('listener')
    const peer = identities.identity('peer')
    const options = { profile, fleet: identities, identity: () => own }
    const server = await startTestListener(context, options)
    const near = must(await server.dialFrom('127.0.0.77', server.dialler(peer)))
    assert.equal(await echoed(near, 'hello'), 'hello')
    const far = server.accepted[0]?.channel
    assert.ok(far)
    assert.deepEqual(near.peerLeafDer, leafDerOf(own))
    assert.deepEqual(far.peerLeafDer, leafDerOf(peer))
    assert.deepEqual(near.localLeafSpkiSha256, parseCertificate(leafDerOf(peer)).spkiSha256)
    assert.deepEqual(far.localLeafSpkiSha256, parseCertificate(leafDerOf(own)).spkiSha256)
    assert.equal(near.pskHandle, undefined)
    const nonce = sha256(Buffer.from('context'))
    const label = 'EXPORTER-Channel-Binding'
    assert.deepEqual(near.exporter(label, nonce, 32), far.exporter(label, nonce, 32))
    assert.notDeepEqual(near.exporter(label, nonce, 32), near.exporter('EXPORTER-x', nonce, 32))
    far.forgetLeaf()
    assert.equal(far.peerLeafDer, undefined)
    near.destroy('test over')
  })
}

test('both ends hold the first stage of every request', async (context) => {
  const server = await startTestListener(context)
  const near = must(await server.dialFrom('127.0.0.77'))
  await until(() => server.accepted.length === 1)
  const far = server.accepted[0]?.channel
  assert.ok(far && Connected.is(far.connected) && Connected.is(near.connected))
  assert.equal(far.connected.connection.sourceAddress, '127.0.0.77')
  assert.ok(far.connected.connection.sourcePort > 0)
  assert.equal(far.connected.connection.direction, 'inbound')
  assert.equal(far.connected.connection.listener, PROFILES['SEC-2'])
  assert.equal(near.connected.connection.sourceAddress, '127.0.0.1')
  assert.equal(near.connected.connection.sourcePort, server.port)
  assert.equal(near.connected.connection.direction, 'outbound')
  near.destroy('test over')
})

test('the self-test passes for every certificate profile and leaves no trace', async (context) => {
  for (const profile of ['SEC-2', 'SEC-3', 'SEC-4'] as const) {
    const server = await startTestListener(context, { profile })
    assert.equal(await server.listener.selfTest(), undefined)
    assert.deepEqual(server.refusals(), {})
    assert.equal(server.admission.stats.connections, 0)
    assert.equal(server.accepted.length, 0)
    assert.equal(server.clock.pendingTimers, 0)
  }
})

describe('the gate', () => {
  test('counts half-open until the ticket is ready', async (context) => {
    const server = await startTestListener(context, { onChannel: () => undefined })
    must(await server.dialFrom('127.0.0.77'))
    await until(() => server.accepted.length === 1)
    assert.equal(server.admission.stats.halfOpen, 1)
    assert.equal(server.accepted[0]?.ticket.ready('device'), undefined)
    assert.deepEqual([server.admission.stats.halfOpen, server.admission.stats.connections], [0, 1])
  })

  test('frees every count and timer when a connection ends', async (context) => {
    const server = await startTestListener(context)
    const near = must(await server.dialFrom('127.0.0.77'))
    await until(() => server.accepted.length === 1)
    near.destroy('test over')
    await until(() => server.admission.stats.connections === 0)
    assert.deepEqual([server.admission.stats.halfOpen, server.admission.stats.devices], [0, 0])
    assert.equal(server.clock.pendingTimers, 0)
    assert.deepEqual(server.refusals(), {})
  })

  test('drops a refused source without a byte', async (context) => {
    const lists = { block: ['127.0.0.66'], allow: [], allowOnly: false }
    const server = await startTestListener(context, { admission: { lists } })
    const socket = await server.tcpFrom('127.0.0.66')
    let bytes = 0
    socket.on('data', (chunk) => (bytes += chunk.length))
    await closed(socket)
    assert.equal(bytes, 0)
    assert.deepEqual(server.refusals(), { KOS_ADMISSION_BLOCKED: 1 })
  })
})

describe('renewal', () => {
  test('a new identity serves new connections; open ones keep the old', async (context) => {
    const fleet = createTestTlsFleet()
    const [first, second] = [fleet.identity('one'), fleet.identity('two')]
    let current: ListenerIdentity = first
    const server = await startTestListener(context, { fleet, identity: () => current })
    const before = must(await server.dialFrom('127.0.0.77'))
    current = second
    server.listener.updateIdentity()
    const after = must(await server.dialFrom('127.0.0.78'))
    assert.deepEqual(before.peerLeafDer, leafDerOf(first))
    assert.deepEqual(after.peerLeafDer, leafDerOf(second))
    await until(() => server.accepted.length === 2)
    assert.deepEqual(
      server.accepted.map(({ channel }) => channel.localLeafSpkiSha256),
      [first, second].map((identity) => parseCertificate(leafDerOf(identity)).spkiSha256),
    )
    assert.equal(await echoed(before, 'still here'), 'still here')
    // A rebuilt context must not fall back to Node's defaults.
    assert.equal(await server.listener.selfTest(), undefined)
  })

  test('an unusable identity is refused and the old one stays', async (context) => {
    const fleet = createTestTlsFleet()
    const [good, other] = [fleet.identity('one'), fleet.identity('two')]
    let current: ListenerIdentity = good
    const server = await startTestListener(context, { fleet, identity: () => current })
    current = { ...good, privateKeyPem: other.privateKeyPem }
    assert.throws(() => server.listener.updateIdentity(), { code: 'KOS_TRANSPORT_IDENTITY' })
    current = { kind: 'psk', keyOf: () => undefined }
    assert.throws(() => server.listener.updateIdentity(), { code: 'KOS_TRANSPORT_CREDENTIALS' })
    const channel = must(await server.dialFrom('127.0.0.77'))
    assert.deepEqual(channel.peerLeafDer, leafDerOf(good))
    await until(() => server.accepted.length === 1)
    assert.deepEqual(
      server.accepted[0]?.channel.localLeafSpkiSha256,
      parseCertificate(leafDerOf(good)).spkiSha256,
    )
  })
})

describe('what a listener refuses to be', () => {
  const fleet = createTestTlsFleet()
  const make = (profile: 'SEC-0' | 'SEC-1' | 'SEC-2', identity: ListenerIdentity) =>
    startable(profile, () => identity)

  test('one of a profile without sessions', () => {
    const refusal = mustRefuse(make('SEC-0', fleet.identity('x')))
    assert.equal(refusal.code, 'KOS_TRANSPORT_PROFILE')
  })

  test('one with credentials of the wrong kind', () => {
    const wrong = mustRefuse(make('SEC-1', fleet.identity('x')))
    assert.equal(wrong.code, 'KOS_TRANSPORT_CREDENTIALS')
    const alsoWrong = mustRefuse(make('SEC-2', { kind: 'psk', keyOf: () => undefined }))
    assert.equal(alsoWrong.code, 'KOS_TRANSPORT_CREDENTIALS')
  })

  test('one with a certificate that is none, or a key of another', () => {
    const [good, other] = [fleet.identity('x'), fleet.identity('y')]
    const unusable = { code: 'KOS_TRANSPORT_IDENTITY' }
    assert.throws(() => make('SEC-2', { ...good, certificateChainPem: 'nothing' }), unusable)
    assert.throws(() => make('SEC-2', { ...good, privateKeyPem: other.privateKeyPem }), unusable)
  })

  test('one on a port that is taken', async (context) => {
    const server = await startTestListener(context)
    const second = must(startable('SEC-2', () => fleet.identity('x'), server.port))
    const refusal = mustRefuse(await second.listen())
    assert.deepEqual([refusal.code, refusal.rule], ['KOS_TRANSPORT_BIND', 'EADDRINUSE'])
    await second.close()
  })

  test('one that listens twice or again after its end', async () => {
    const listener = must(startable('SEC-2', () => fleet.identity('x')))
    must(await listener.listen())
    assert.throws(() => listener.listen(), { code: 'KOS_TRANSPORT_CLOSED' })
    await listener.close()
    assert.throws(() => listener.listen(), { code: 'KOS_TRANSPORT_CLOSED' })
  })
})

function startable(
  profile: 'SEC-0' | 'SEC-1' | 'SEC-2',
  identity: () => ListenerIdentity,
  port = 0,
): ReturnType<typeof createListener> {
  const deps = {
    admission: createAdmission({ clock: systemClock, onRefusals: () => undefined }),
    clock: systemClock,
    log: silentLog,
    verifyPeer: () => undefined,
  }
  return createListener(deps, {
    host: '127.0.0.1',
    port,
    profile: PROFILES[profile],
    identity,
    onChannel: () => undefined,
  })
}

describe('ending', () => {
  test('drain stops accepting, ends handshakes and leaves channels', async (context) => {
    const server = await startTestListener(context)
    const channel = must(await server.dialFrom('127.0.0.77'))
    const halfOpen = await server.tcpFrom('127.0.0.78')
    await until(() => server.admission.stats.halfOpen === 1)
    server.listener.drain()
    await closed(halfOpen)
    const late = connectTcp({ host: '127.0.0.1', port: server.port })
    assert.match(String(await once(late, 'error')), /ECONNREFUSED/)
    assert.equal(await echoed(channel, 'alive'), 'alive')
  })

  test('close ends channels too', async (context) => {
    const server = await startTestListener(context)
    must(await server.dialFrom('127.0.0.77'))
    await until(() => server.accepted.length === 1)
    const far = server.accepted[0]?.channel
    await server.listener.close()
    assert.equal(far?.closed, true)
    await until(() => server.admission.stats.connections === 0)
    await server.listener.close()
  })
})

test('leaves that OpenSSL accepts but our own check refuses are refused at both ends', async (context) => {
  const fleet = createTestTlsFleet()
  const foreign = fleet.foreignIntermediate().identity('peer')
  const server = await startTestListener(context, { fleet })
  // OpenSSL at the listener is content: the foreign intermediate hangs below the trusted root.
  await tlsAttempt(context, { ...server.clientOptions(foreign), localAddress: '127.0.0.66' })
  await until(() => server.admission.stats.connections === 0)
  assert.deepEqual(server.refusalsOf('127.0.0.66/32'), { KOS_TRANSPORT_VERDICT: 1 })
  const found = { openssl: 'ok', own: 'issuer' }
  assert.deepEqual(server.disagreements, [{ ...found, source: '127.0.0.66', purpose: 'client' }])

  const rogue = await startTestListener(context, { fleet, identity: () => foreign })
  const refusal = mustRefuse(await rogue.dialFrom('127.0.0.77'))
  assert.equal(refusal.code, 'KOS_TRANSPORT_VERDICT')
  assert.deepEqual(rogue.disagreements, [{ ...found, source: '127.0.0.1', purpose: 'server' }])
})

test('leaves that only our own check accepts are refused', async (context) => {
  const fleet = createTestTlsFleet()
  const verifyPeer = (): undefined => undefined
  const server = await startTestListener(context, { fleet, verifyPeer })
  const cases = [
    [
      fleet.identity('a', { notAfter: unixMs(Date.now() - 60_000) }),
      'KOS_TRANSPORT_UNTRUSTED',
      'expired',
    ],
    [fleet.identity('c', { usage: ['serverAuth'] }), 'KOS_TRANSPORT_VERDICT', 'not for clients'],
    [createTestTlsFleet('Other').identity('d'), 'KOS_TRANSPORT_VERDICT', 'another fleet'],
  ] as const
  for (const [identity, code, title] of cases) {
    const before = server.refusals()[code] ?? 0
    await tlsAttempt(context, server.clientOptions(identity))
    await until(() => server.admission.stats.connections === 0)
    assert.equal(server.refusals()[code], before + 1, title)
    // Only what is refused is of interest here, not the penalty that follows.
    server.clock.advance(700_000)
  }
  assert.equal(server.accepted.length, 0)
  // Time is no matter of alarm: the two read different clocks.
  const alarms = server.disagreements.map(({ openssl, own }) => [openssl, own])
  assert.equal(alarms.length, 2)
  assert.ok(alarms.every(([openssl, own]) => openssl !== 'ok' && own === 'ok'))
})

test('further certificates in the presented chain change nothing', async (context) => {
  const fleet = createTestTlsFleet()
  const other = createTestTlsFleet('Other')
  const server = await startTestListener(context, { fleet })
  const chains = {
    none: '',
    'root too': fleet.intermediatePem + fleet.rootPem,
    strangers: other.intermediatePem + fleet.intermediatePem + other.rootPem,
  }
  for (const [title, chainPem] of Object.entries(chains)) {
    const dialler = server.dialler(fleet.identity('peer', { chainPem }))
    const channel = must(await server.dialFrom('127.0.0.77', dialler))
    assert.equal(await echoed(channel, title), title)
    channel.destroy('test over')
  }
})
