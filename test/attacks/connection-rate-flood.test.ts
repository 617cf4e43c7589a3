/** One address connects and hangs up as fast as it can; it is slowed down, then locked out for a while. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { echoed, must, startTestListener, until } from '../kit/transport.ts'

const ATTACKER = '127.0.0.66'

test('connections beyond rate and burst are dropped before TLS', async (context) => {
  // Penalties are off to show the rate alone.
  const penaltyMs = { abandoned: 0, authentication: 0, handshake: 0, protocol: 0, timeout: 0 }
  const server = await startTestListener(context, { admission: { limits: { penaltyMs } } })
  for (let n = 0; n < 40; n++) {
    const socket = await server.tcpFrom(ATTACKER)
    socket.destroy()
    await until(() => server.admission.stats.halfOpen === 0)
  }
  assert.equal(server.refusals()['KOS_ADMISSION_RATE'], 30)
  const channel = must(await server.dialFrom('127.0.0.77'))
  assert.equal(await echoed(channel, 'hello'), 'hello')
  // One second later the attacker has five places again, no more.
  server.clock.advance(1000)
  for (let n = 0; n < 8; n++) {
    const socket = await server.tcpFrom(ATTACKER)
    socket.destroy()
    await until(() => server.admission.stats.halfOpen === 0)
  }
  assert.equal(server.refusals()['KOS_ADMISSION_RATE'], 33)
})

test('a source that only ever hangs up is locked out, for ten minutes at most', async (context) => {
  const server = await startTestListener(context)
  for (let n = 0; n < 400; n++) {
    const socket = await server.tcpFrom(ATTACKER)
    socket.destroy()
    await until(() => server.admission.stats.halfOpen === 0)
    server.clock.advance(200)
  }
  const refused = server.refusals()
  const locked = refused['KOS_ADMISSION_PENALTY'] ?? 0
  assert.ok(locked > 200, `locked out ${locked} times`)
  server.clock.advance(600_000)
  must(await server.dialFrom(ATTACKER))
})
