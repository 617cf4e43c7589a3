/**
 * A client keeps a session ticket and offers it again: a resumed session would bypass revocation, pins
 * and renewed trust. Node cannot keep the ticket messages back, so the attempt itself is tested.
 */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { test, type TestContext } from 'node:test'
import {
  connect as connectTls,
  type ConnectionOptions,
  createServer,
  type TLSSocket,
} from 'node:tls'
import { PROFILES } from '../../src/foundation/profiles/index.ts'
import { tlsServerOptions } from '../../src/network/transport/index.ts'
import { createTestTlsFleet } from '../kit/tls.ts'
import { must, startTestListener, until } from '../kit/transport.ts'

async function session(
  context: TestContext,
  options: ConnectionOptions,
): Promise<{ readonly socket: TLSSocket; readonly session: Buffer | undefined }> {
  const socket = connectTls(options)
  context.after(() => socket.destroy())
  let kept: Buffer | undefined
  socket.on('session', (bytes: Buffer) => {
    kept = bytes
  })
  socket.on('error', () => undefined)
  await once(socket, 'secureConnect')
  socket.write('ping')
  // The tickets come before the first answer.
  await once(socket, 'data')
  return { socket, session: kept ?? socket.getSession() }
}

test('a session that a listener has seen is not resumed', async (context) => {
  const server = await startTestListener(context)
  const first = await session(context, server.clientOptions())
  assert.ok(first.session)
  first.socket.destroy()
  const again = await session(context, { ...server.clientOptions(), session: first.session })
  assert.equal(again.socket.isSessionReused(), false)
  await until(() => server.accepted.length === 2)
  // Had the session been resumed, this end would have no certificate of it.
  assert.ok(server.accepted[1]?.channel.peerLeafDer)
})

test('the attack works against a server that issues tickets', async (context) => {
  const fleet = createTestTlsFleet()
  const { tls } = must(tlsServerOptions(PROFILES['SEC-2'], fleet.identity('listener')))
  const weak = createServer({ ...tls, secureOptions: 0 }, (socket) => {
    socket.on('error', () => undefined)
    socket.pipe(socket)
  })
  weak.listen(0, '127.0.0.1')
  await once(weak, 'listening')
  context.after(() => weak.close())
  const address = weak.address()
  assert.ok(typeof address === 'object' && address)
  const server = await startTestListener(context, { fleet })
  const options = { ...server.clientOptions(), port: address.port }
  const first = await session(context, options)
  const again = await session(context, { ...options, session: first.session })
  assert.equal(again.socket.isSessionReused(), true)
})
