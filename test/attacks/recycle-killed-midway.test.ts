/**
 * Somebody on the path cuts every connection as soon as a replacement appears, again and again. The
 * stream goes on where it was, each call is executed once, and nothing is lost or repeated.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { eventually } from '../kit/fabric.ts'
import { startRecycled, stream, streamHash } from '../kit/recycled.ts'

const MIB = 1024 * 1024
const CUTS = 4

test('connections that are cut in the middle of a replacement lose nothing', async (context) => {
  const ends = await startRecycled(context, { limits: { recycleBytes: MIB } })
  const open = await ends.dial()
  const bytes = 8 * MIB + 99
  const running = open.session.call('wait', {}, { deadlineMs: 60_000 })
  await eventually(() => ends.waiting.length === 1)
  let cuts = 0
  let last = open.authenticated.sessionId
  const streaming = stream(open, bytes, () => {
    const now = ends.ofClient().at(-1)?.authenticated.sessionId
    if (cuts >= CUTS || now === undefined || now === last) return
    // The newest has just taken over.
    last = now
    cuts += 1
    setImmediate(() => ends.proxy.release())
  })
  let isOver = false
  const streamed = streaming.finally(() => {
    isOver = true
  })
  await eventually(() => {
    ends.fabric.clock.advance(isOver ? 0 : 20)
    return isOver
  })
  assert.deepEqual(await streamed, {
    status: 'ok',
    code: undefined,
    bytes,
    sha256: streamHash(bytes),
  })
  assert.ok(cuts > 0)
  ends.waiting[0]?.({ status: 'ok', value: {} })
  assert.equal((await running).status, 'ok')
  assert.deepEqual([...new Set(ends.executed.values())], [1])
})
