/** A blocked address tries again and again; nothing is spent on it, and one record tells of it. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { closed, echoed, must, startTestListener } from '../kit/transport.ts'

const lists = { block: ['127.0.0.64/27'], allow: ['127.0.0.66'], allowOnly: false }

test('a blocked source never reaches TLS, even when it is also allowed', async (context) => {
  const server = await startTestListener(context, { admission: { lists } })
  for (let n = 0; n < 20; n++) {
    const socket = await server.tcpFrom('127.0.0.66')
    await closed(socket)
  }
  assert.equal(server.admission.stats.trackedSources, 0)
  assert.deepEqual(server.refusals(), { KOS_ADMISSION_BLOCKED: 20 })
  const neighbour = must(await server.dialFrom('127.0.0.97'))
  assert.equal(await echoed(neighbour, 'hello'), 'hello')
})

test('a source can be blocked and unblocked while the listener serves', async (context) => {
  const server = await startTestListener(context)
  const before = must(await server.dialFrom('127.0.0.66'))
  assert.equal(await echoed(before, 'hello'), 'hello')
  server.admission.setLists(lists)
  await closed(await server.tcpFrom('127.0.0.66'))
  assert.deepEqual(server.refusals(), { KOS_ADMISSION_BLOCKED: 1 })
  server.admission.setLists({ block: [], allow: ['127.0.0.66'], allowOnly: true })
  must(await server.dialFrom('127.0.0.66'))
  await closed(await server.tcpFrom('127.0.0.77'))
  assert.equal(server.refusals()['KOS_ADMISSION_NOT_ALLOWED'], 1)
})
