/**
 * Attack: a peer with a good certificate connects to a node and stalls, after each step of the way to
 * a session. Each time it is cut within the limit of that step, and others are served meanwhile.
 */
import assert from 'node:assert/strict'
import { connect } from 'node:net'
import { test, type TestContext } from 'node:test'
import { memberSelf, openMember, type RunningNode } from '../../src/apps/node/index.ts'
import { isRefusal, systemClock, systemRandom } from '../../src/foundation/base/index.ts'
import { createAdmission } from '../../src/network/admission/index.ts'
import { HEADER_BYTES } from '../../src/network/session/frames.ts'
import { HandshakeMachine } from '../../src/network/session/handshake-machine.ts'
import { SESSION_LIMITS } from '../../src/network/session/index.ts'
import {
  createDialler,
  DEFAULT_HANDSHAKE_TIMEOUT_MS,
  type SecureChannel,
} from '../../src/network/transport/index.ts'
import { eventually, startFabric, type TestFabric } from '../kit/fabric.ts'

/** A connection that stalls, as the attacker sees it. */
interface Stalled {
  readonly closed: Promise<unknown>
}

/** Connects with TCP alone. */
async function afterTcp({ address }: RunningNode, localAddress: string): Promise<Stalled> {
  const { promise: connected, resolve } = Promise.withResolvers<void>()
  const { promise: closed, resolve: resolveClosed } = Promise.withResolvers<void>()
  const socket = connect({ ...address, localAddress }, resolve)
  socket.on('error', () => socket.destroy()).on('close', () => resolveClosed())
  await connected
  return { closed }
}

/** Connects as a member, with the key and certificate of its folder. */
async function dialAs(
  context: TestContext,
  folder: string,
  at: { readonly node: RunningNode; readonly localAddress: string },
): Promise<{ readonly channel: SecureChannel; readonly machine: HandshakeMachine }> {
  const member = openMember({ clock: systemClock, random: systemRandom }, { folder })
  assert.ok(member)
  context.after(() => member.close())
  const self = memberSelf(member)
  const admission = createAdmission({ clock: systemClock, onRefusals: () => undefined })
  const dialler = createDialler(
    { admission, clock: systemClock, verifyPeer: self.verifyPeer },
    { profile: self.profile, identity: () => self.certificateIdentity() },
  )
  assert.ok(!isRefusal(dialler))
  const { node, localAddress } = at
  const channel = await dialler.dial({ ...node.address, localAddress, timeoutMs: 30_000 })
  assert.ok(!isRefusal(channel), JSON.stringify(channel))
  const machine = new HandshakeMachine(
    { clock: systemClock, random: systemRandom, authenticator: self.authenticator() },
    {
      role: 'dialler',
      transport: self.profile,
      peerLeafDer: channel.peerLeafDer,
      localLeafHash: channel.localLeafSpkiSha256,
      exporter: (label, bound, length) => channel.exporter(label, bound, length),
      state: self.helloState(),
      limits: SESSION_LIMITS,
    },
  )
  return { channel, machine }
}

function firstFrame(frames: Uint8Array): Uint8Array {
  return frames.subarray(0, HEADER_BYTES + Buffer.from(frames).readUIntBE(0, 3))
}

/** Goes on until it has sent HELLO, or AUTH, or nothing at all; then it only listens. */
async function afterStep(
  context: TestContext,
  step: 'tls' | 'hello' | 'auth',
  at: { readonly folder: string; readonly node: RunningNode; readonly localAddress: string },
): Promise<Stalled> {
  const { channel, machine } = await dialAs(context, at.folder, at)
  const { promise: closed, resolve: resolveClosed } = Promise.withResolvers<unknown>()
  const heard = Promise.withResolvers<void>()
  const hello = machine.start()
  let hasAuthenticated = false
  channel.attach({
    onData: (bytes) => {
      heard.resolve()
      if (step !== 'auth' || hasAuthenticated) return
      // The answer to HELLO is HELLO and AUTH; ours is AUTH and READY, of which READY never leaves.
      const { send, end } = machine.receive(bytes)
      assert.equal(end, undefined)
      if (send.length > 0) channel.write(firstFrame(send))
      hasAuthenticated ||= send.length > 0
    },
    onDrain: () => undefined,
    onClose: resolveClosed,
  })
  if (step !== 'tls') channel.write(hello)
  // A listener says nothing before it was asked.
  if (step !== 'tls') await heard.promise
  if (step === 'auth') await eventually(() => hasAuthenticated, 'AUTH was sent')
  return { closed }
}

/** Others are served while it stalls, and it is gone when its time is over. */
async function assertCut(fabric: TestFabric, connection: Stalled, limitMs: number): Promise<void> {
  fabric.clock.advance(limitMs / 2)
  const ran = await fabric.kosctl(['exec', 'camera-1', 'calc', '1+2'])
  assert.deepEqual([ran.code, ran.out], [0, '3\n'], ran.err)
  fabric.clock.advance(limitMs)
  await connection.closed
}

test('a peer that stalls is cut, whatever it has proven so far', async (context) => {
  const fabric = await startFabric(context)
  const { running: node } = await fabric.addNode('camera-1')
  const { folder } = await fabric.addNode('camera-2')
  const sessions = node.sessions.size
  const tcp = await afterTcp(node, '127.0.66.1')
  await assertCut(fabric, tcp, DEFAULT_HANDSHAKE_TIMEOUT_MS)
  for (const [index, step] of (['tls', 'hello', 'auth'] as const).entries()) {
    const localAddress = `127.0.66.${index + 2}`
    const connection = await afterStep(context, step, { folder, node, localAddress })
    await assertCut(fabric, connection, SESSION_LIMITS.handshakeTimeoutMs)
  }
  // None of them ever counted as a session.
  await eventually(() => node.sessions.size === sessions)
  await node.audit.flush()
  const records = await node.audit.entries(0, 1000)
  const opened = records.filter(({ event }) => event.action === 'session.opened')
  const member = openMember({ clock: systemClock, random: systemRandom }, { folder })
  member?.close()
  assert.ok(opened.every(({ event }) => event.actor !== member?.membership.principal.uri))
})
