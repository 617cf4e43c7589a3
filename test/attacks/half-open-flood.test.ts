/** One address opens a hundred sockets and says nothing; others still connect. */
import assert from 'node:assert/strict'
import type { Socket } from 'node:net'
import { test } from 'node:test'
import { echoed, must, startTestListener, until } from '../kit/transport.ts'

const ATTACKER = '127.0.0.66'
const FLOOD = 100

test('a hundred half-open sockets of one address do not stop another', async (context) => {
  const server = await startTestListener(context)
  const sockets: Socket[] = []
  for (let n = 0; n < FLOOD; n++) sockets.push(await server.tcpFrom(ATTACKER))
  await until(() => sockets.filter((socket) => socket.closed).length === FLOOD - 4)
  assert.equal(server.admission.stats.halfOpen, 4)

  for (let n = 0; n < 12; n++) {
    // The clock moves so that the honest address keeps its own rate; the flood stays half-open.
    server.clock.advance(200)
    const channel = must(await server.dialFrom('127.0.0.77'))
    assert.equal(await echoed(channel, 'hello'), 'hello')
    channel.destroy('test over')
  }
  const { KOS_ADMISSION_HALF_OPEN: refused } = server.refusalsOf(`${ATTACKER}/32`)
  assert.equal(refused, FLOOD - 4)
  assert.deepEqual(server.refusalsOf('127.0.0.77/32'), {})
})

test('many attackers fill the common places, not the lane of known-good sources', async (context) => {
  const server = await startTestListener(context)
  const before = must(await server.dialFrom('127.0.0.77'))
  assert.equal(await echoed(before, 'hello'), 'hello')
  before.destroy('seen once')
  await until(() => server.admission.stats.connections === 0)
  for (let n = 0; n < 16; n++) {
    for (let k = 0; k < 4; k++) await server.tcpFrom(`127.0.1.${n + 1}`)
  }
  await until(() => server.admission.stats.halfOpen === 64)
  const stranger = await server.dialFrom('127.0.0.88')
  assert.ok('allow' in stranger && stranger.code === 'KOS_TRANSPORT_UNREACHABLE')
  const known = must(await server.dialFrom('127.0.0.77'))
  assert.equal(await echoed(known, 'hello'), 'hello')
})
