/**
 * Attack: a machine in the middle ends TLS on both sides and passes HELLO and AUTH on, so that each
 * end proves itself to the other through it. It has valid certificates: its own, or even the stolen
 * TLS keys of both ends. AUTH covers the certificates and the TLS exporter of its own connection, so
 * no end takes what was signed for another one.
 */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect, createServer, type Server, type Socket } from 'node:net'
import { test, type TestContext } from 'node:test'
import { connect as connectTls, createServer as createTlsServer, type TLSSocket } from 'node:tls'
import { tlsOf } from '../kit/fabric.ts'
import { storedEntries } from '../kit/log-files.ts'
import { type Daemon, type Finished, Place } from '../kit/processes.ts'

/** What the one in the middle authenticates with. */
interface Middle {
  /** Folder of the principal it is to the caller. */
  readonly asListener: string
  /** Folder of the principal it is to the node. */
  readonly asDialler: string
}

/** What it has passed on. */
interface Traffic {
  connections: number
  fromCaller: number
  fromNode: number
}

const ALPN = { minVersion: 'TLSv1.3', ALPNProtocols: ['kos/1'] } as const

function end(one: Socket, other: Socket): void {
  for (const socket of [one, other]) {
    socket.on('error', () => socket.destroy())
    socket.on('close', () => {
      one.destroy()
      other.destroy()
    })
  }
}

/** Ends TLS, reads along, and passes everything on. */
function tlsProxy(to: () => { host: string; port: number }, middle: Middle): [Server, Traffic] {
  const traffic: Traffic = { connections: 0, fromCaller: 0, fromNode: 0 }
  const relay = (near: TLSSocket): void => {
    traffic.connections++
    const identity = tlsOf(middle.asDialler)
    const far = connectTls({ ...to(), ...ALPN, ...identity, rejectUnauthorized: false })
    end(near, far)
    near.on('data', (bytes) => {
      traffic.fromCaller += bytes.length
      far.write(bytes)
    })
    far.on('data', (bytes) => {
      traffic.fromNode += bytes.length
      near.write(bytes)
    })
  }
  const options = { ...ALPN, ...tlsOf(middle.asListener) }
  const tls = createTlsServer({ ...options, requestCert: true, rejectUnauthorized: false }, relay)
  tls.on('tlsClientError', (_error, socket) => socket.destroy())
  return [tls, traffic]
}

/** Passes the bytes of TLS itself on: no attack, but the same way. */
function tcpRelay(to: () => { host: string; port: number }): Server {
  return createServer((near) => {
    const far = connect(to())
    end(near, far)
    near.pipe(far)
    far.pipe(near)
  })
}

async function listenOn(server: Server, port: number): Promise<number> {
  server.unref().listen({ host: '127.0.0.1', port })
  await once(server, 'listening')
  const address = server.address()
  assert.ok(typeof address === 'object' && address)
  return address.port
}

/** A fabric whose directory leads to camera-1 by way of a port that the attacker listens on. */
interface Scene {
  readonly place: Place
  readonly node: Daemon
  readonly port: number
  readonly to: () => { host: string; port: number }
}

async function openScene(context: TestContext): Promise<Scene> {
  const place = new Place(context)
  await place.startAuthority()
  await place.join('mallory')
  const to = (): { host: string; port: number } => {
    const [host = '', port = ''] = place.addressOf('camera-1').split(':')
    return { host, port: Number(port) }
  }
  const relay = tcpRelay(to)
  const port = await listenOn(relay, 0)
  const line = await place.joinLine('camera-1')
  const args = ['--advertise', `127.0.0.1:${port}`]
  const node = await place.startNode('camera-1', { line, args })
  await place.eventually('camera-1 is reached by way of the relay', async () => {
    const { code, out } = await place.kosctl(['exec', 'camera-1', 'calc', '1+2'])
    return code === 0 && out === '3\n'
  })
  relay.close()
  await once(relay, 'close')
  return { place, node, port, to }
}

/** Runs a command by way of the one in the middle: it must fail. */
async function attack(scene: Scene, middle: Middle): Promise<Finished & Traffic> {
  const [proxy, traffic] = tlsProxy(scene.to, middle)
  await listenOn(proxy, scene.port)
  const ran = await scene.place.kosctl(['exec', 'camera-1', 'calc', '40+2'])
  proxy.close()
  assert.equal(ran.code, 4, ran.out + ran.err)
  assert.equal(ran.out, '')
  assert.ok(traffic.connections > 0, 'TLS was shaken hands on with the one in the middle')
  return { ...ran, ...traffic }
}

test('AUTH is of no use to a proxy that ends TLS, whatever keys it has', async (context) => {
  const scene = await openScene(context)
  const { place, node } = scene
  const [own, stolen] = [place.stateOf('mallory'), place.stateOf('camera-1')]
  const refusals = (code: string): number => node.err.split(`"code":"${code}"`).length - 1

  // A valid certificate of its own: who says HELLO is not whom the certificate names.
  await attack(scene, { asListener: own, asDialler: own })
  assert.ok(refusals('KOS_SESSION_IDENTITY') > 0)

  // The caller finds the node's certificate, but the node does not find the caller's.
  const before = refusals('KOS_SESSION_IDENTITY')
  await attack(scene, { asListener: stolen, asDialler: own })
  assert.ok(refusals('KOS_SESSION_IDENTITY') > before)
  assert.equal(refusals('KOS_SESSION_AUTH'), 0)

  // Both ends find the certificates that they expect; only the exporters differ.
  const both = await attack(scene, { asListener: stolen, asDialler: place.config })
  assert.ok(both.fromCaller > 0 && both.fromNode > 0)
  // The caller sees the node's AUTH first, and so never sends its own.
  assert.match(both.err, /rule +binding/)
  assert.equal(refusals('KOS_SESSION_AUTH'), 0)

  // Nothing but the call by way of the relay has arrived.
  await node.stop()
  const recorded = storedEntries(`${stolen}/node.sqlite`)
  const calls = recorded.filter(({ entry }) => Buffer.from(entry).includes('calc'))
  assert.equal(calls.length, 1)
})
