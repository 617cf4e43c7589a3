/** Connections are replaced under running calls: nobody who calls sees anything of it. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { eventually } from '../../../kit/fabric.ts'
import { startRecycled, stream, streamHash } from '../../../kit/recycled.ts'

const MIB = 1024 * 1024

test('streams of both directions and calls beside them go on over many replacements', async (context) => {
  const ends = await startRecycled(context, { limits: { recycleBytes: MIB } })
  const open = await ends.dial()
  await eventually(() => ends.ofServer().length === 1)
  const [inbound] = ends.ofServer()
  assert.ok(inbound)
  const ids = new Set([open.authenticated.sessionId])
  const bytes = 6 * MIB + 4711
  let [isStreaming, calls] = [true, 0]
  const calling = async (): Promise<void> => {
    while (isStreaming) {
      const result = await open.session.call('echo', { text: 'x' })
      const isRate = result.status !== 'ok' && result.code === 'KOS_SESSION_RATE'
      assert.ok(result.status === 'ok' || isRate, JSON.stringify(result))
      ids.add(open.authenticated.sessionId)
      calls += 1
      await new Promise((resolve) => setTimeout(resolve, 5))
    }
  }
  const streaming = Promise.all([stream(open, bytes), stream(inbound, bytes)])
  const [streams] = await Promise.all([
    streaming.finally(() => {
      isStreaming = false
    }),
    calling(),
  ])
  for (const streamed of streams) {
    assert.deepEqual(streamed, {
      status: 'ok',
      code: undefined,
      bytes,
      sha256: streamHash(bytes),
    })
  }
  assert.ok(ids.size > 3, `${ids.size} connections`)
  assert.ok(calls > 0)
  assert.deepEqual([...new Set(ends.executed.values())], [1])
  await eventually(() => ends.ofClient().length === 1 && ends.ofServer().length === 1)
  assert.equal(ends.ofClient()[0], open)
})

test('a connection is replaced by its age, and its tokens with it', async (context) => {
  const ends = await startRecycled(context, { limits: { recycleMs: 30_000 } })
  const open = await ends.dial()
  await eventually(() => ends.ofServer().length === 1)
  const [before] = ends.ofServer()
  const handle = open.session.receivedToken?.handle
  const first = open.authenticated.sessionId
  const running = open.session.call('wait', {}, { deadlineMs: 60_000 })
  await eventually(() => ends.waiting.length === 1)
  ends.fabric.clock.advance(15_000)
  assert.equal((await open.session.call('echo', {})).status, 'ok')
  ends.fabric.clock.advance(11_000)
  assert.equal((await open.session.call('echo', {})).status, 'ok')
  assert.equal(open.authenticated.sessionId, first)
  ends.fabric.clock.advance(7500)
  await eventually(() => open.authenticated.sessionId !== first)
  await before?.session.closed
  const [after, ...more] = ends.ofServer()
  assert.equal(more.length, 0)
  assert.notDeepEqual(open.session.receivedToken?.handle, handle)
  const issued = after?.session.issuedToken?.handle ?? []
  assert.deepEqual([...(open.session.receivedToken?.handle ?? [])], [...issued])
  ends.waiting[0]?.({ status: 'ok', value: {} })
  assert.equal((await running).status, 'ok')
  assert.deepEqual([...new Set(ends.executed.values())], [1])
})

test('a connection is replaced before it expires', async (context) => {
  const ends = await startRecycled(context, { limits: { sessionLifeMs: 30_000 } })
  const open = await ends.dial()
  let id = open.authenticated.sessionId
  const running = open.session.call('wait', {}, { deadlineMs: 200_000 })
  await eventually(() => ends.waiting.length === 1)
  for (let life = 0; life < 4; life += 1) {
    ends.fabric.clock.advance(13_000)
    assert.equal((await open.session.call('echo', {})).status, 'ok')
    ends.fabric.clock.advance(13_000)
    await eventually(() => open.authenticated.sessionId !== id)
    id = open.authenticated.sessionId
    assert.equal((await open.session.call('echo', {})).status, 'ok')
  }
  ends.waiting[0]?.({ status: 'ok', value: {} })
  assert.equal((await running).status, 'ok')
})

test('while no other connection can be had, the old one goes on', async (context) => {
  const ends = await startRecycled(context, { limits: { recycleBytes: MIB } })
  const open = await ends.dial()
  const first = open.authenticated.sessionId
  const bytes = MIB + 300_000
  ends.proxy.refuse(true)
  const streamed = await stream(open, bytes)
  assert.deepEqual([streamed.status, streamed.sha256], ['ok', streamHash(bytes)])
  assert.equal((await open.session.call('echo', {})).status, 'ok')
  assert.equal(open.authenticated.sessionId, first)
  ends.proxy.refuse(false)
  await eventually(() => {
    ends.fabric.clock.advance(100)
    return open.authenticated.sessionId !== first
  })
  assert.equal((await open.session.call('echo', {})).status, 'ok')
})

test('both ends want another connection at once: the one who dialled makes it, one', async (context) => {
  const ends = await startRecycled(context, { limits: { recycleBytes: 100_000 } })
  const open = await ends.dial()
  await eventually(() => ends.ofServer().length === 1)
  const [inbound] = ends.ofServer()
  const first = open.authenticated.sessionId
  const running = open.session.call('wait', {})
  await eventually(() => ends.waiting.length === 1)
  // The server says GOAWAY while calls are on their way and the client counts its bytes.
  const streamed = stream(open, 90_000)
  inbound?.session.goaway('recycle')
  const calls = Array.from({ length: 20 }, () => open.session.call('echo', {}))
  ends.waiting[0]?.({ status: 'ok', value: {} })
  const ran = await running
  assert.equal(ran.status, 'ok', JSON.stringify(ran))
  assert.deepEqual((await streamed).code, undefined)
  for (const result of await Promise.all(calls)) {
    assert.equal(result.status, 'ok', JSON.stringify(result))
  }
  assert.notEqual(open.authenticated.sessionId, first)
  await eventually(() => ends.ofClient().length === 1 && ends.ofServer().length === 1)
  assert.deepEqual([...new Set(ends.executed.values())], [1])
})

test('where calls cannot move they end on their connection, new ones begin on the other', async (context) => {
  const limits = { recycleBytes: MIB }
  const ends = await startRecycled(context, { limits, clientResumes: false })
  const open = await ends.dial()
  const first = open.authenticated.sessionId
  const running = open.session.call('wait', {})
  await eventually(() => ends.waiting.length === 1)
  const bytes = MIB + 100_000
  const streamed = await stream(open, bytes)
  assert.deepEqual([streamed.status, streamed.sha256], ['ok', streamHash(bytes)])
  await eventually(() => open.authenticated.sessionId !== first)
  assert.equal(ends.ofClient().length, 2)
  assert.equal((await open.session.call('echo', {})).status, 'ok')
  ends.fabric.clock.advance(1000)
  ends.waiting[0]?.({ status: 'ok', value: {} })
  assert.equal((await running).status, 'ok')
  await eventually(() => {
    ends.fabric.clock.advance(1000)
    return ends.ofClient().length === 1
  })
})

test('a session that was closed is not brought back by a connection on its way', async (context) => {
  const ends = await startRecycled(context, { limits: { recycleBytes: 100_000 } })
  const open = await ends.dial()
  const streamed = stream(open, 300_000)
  await eventually(() => (open.session.stats?.bytesReceived ?? 0) > 100_000)
  open.session.close('enough')
  assert.equal((await streamed).status, 'failed')
  await open.session.closed
  await eventually(() => ends.ofClient().length === 0 && ends.ofServer().length === 0)
  const late = await open.session.call('echo', {})
  assert.equal(late.status, 'failed')
})
