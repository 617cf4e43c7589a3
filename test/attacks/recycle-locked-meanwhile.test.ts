/**
 * A device is removed while a stream to it runs and its connection is due to be replaced. The new
 * connection is refused, nothing moves, and the stream ends with the old one.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isRefusal } from '../../src/foundation/base/index.ts'
import { FABRIC } from '../../src/apps/node/index.ts'
import { eventually } from '../kit/fabric.ts'
import { startRecycled, stream } from '../kit/recycled.ts'

const MIB = 1024 * 1024

test('one who is locked while a replacement is due gets none, and its streams end', async (context) => {
  const limits = { recycleBytes: 2 * MIB }
  const ends = await startRecycled(context, { limits, serverLimits: {} })
  const open = await ends.dial()
  const first = open.authenticated.sessionId
  const removed = await ends.fabric.kosctl(['devices', 'remove', 'client'])
  assert.equal(removed.code, 0, removed.err)
  // The server learns of it, and has not looked at its open sessions yet.
  for (const kind of ['locks', 'directory'] as const) {
    const result = await ends.server.authority.session.call(FABRIC.object, { kind })
    assert.equal(result.status, 'ok')
    const { signed } = result.value as { readonly signed: Uint8Array }
    assert.equal(ends.server.member.fabric.apply(kind, signed), 'newer')
  }
  const streamed = stream(open, 3 * MIB)
  assert.equal((await streamed).status, 'ok')
  assert.equal(open.authenticated.sessionId, first)
  const running = open.session.call('wait', {}, { deadlineMs: 60_000 })
  const flooding = stream(open, 64 * MIB)
  await eventually(() => ends.waiting.length === 1)

  assert.equal(ends.server.runtime.recheckSessions(), 1)
  for (const { status } of [await running, await flooding]) assert.equal(status, 'failed')
  await open.session.closed
  await eventually(() => ends.ofServer().length === 0 && ends.ofClient().length === 0)
  ends.waiting[0]?.({ status: 'ok', value: {} })
  await assert.rejects(ends.dial())
  assert.ok(isRefusal(await open.session.closed))
})
