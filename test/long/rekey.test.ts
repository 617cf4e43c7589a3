/**
 * Scenario: one stream of 2 GiB between two members while its TLS keys are replaced five times, by
 * limits that are small. It arrives whole, in order and once, and memory stays flat.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { eventually } from '../kit/fabric.ts'
import { startRecycled, stream, streamHash } from '../kit/recycled.ts'

const MIB = 1024 * 1024
const STREAM_BYTES = 2048 * MIB
const RECYCLE_BYTES = 380 * MIB
const REKEYS = 5
/** The runtime takes its memory in the first part of the stream. */
const WARM_BYTES = 256 * MIB
/** What the runtime may take and give back; the stream is twenty times that. */
const SLACK_BYTES = 96 * MIB
const SAMPLE_BYTES = 16 * MIB

test('2 GiB through five rekeys', async (context) => {
  const ends = await startRecycled(context, { limits: { recycleBytes: RECYCLE_BYTES } })
  const open = await ends.dial()
  const connections = new Set<string>()
  let [warmBytes, peakBytes, nextBytes] = [0, 0, 0]
  const startedMs = performance.now()
  const streamed = await stream(open, STREAM_BYTES, (arrived) => {
    if (arrived < nextBytes) return
    nextBytes += SAMPLE_BYTES
    connections.add(open.authenticated.sessionId)
    const { rss } = process.memoryUsage()
    if (arrived < WARM_BYTES) warmBytes = Math.max(warmBytes, rss)
    else peakBytes = Math.max(peakBytes, rss)
  })
  const seconds = (performance.now() - startedMs) / 1000
  context.diagnostic(`${Math.round(STREAM_BYTES / MIB / seconds)} MiB/s`)
  context.diagnostic(`grew by ${Math.round((peakBytes - warmBytes) / MIB)} MiB`)
  assert.deepEqual(
    [streamed.status, streamed.code, streamed.bytes],
    ['ok', undefined, STREAM_BYTES],
  )
  assert.equal(streamed.sha256, streamHash(STREAM_BYTES))
  assert.equal(connections.size, REKEYS + 1)
  assert.deepEqual([...new Set(ends.executed.values())], [1])
  assert.ok(peakBytes - warmBytes < SLACK_BYTES, `grew by ${peakBytes - warmBytes} bytes`)
  await eventually(() => ends.ofClient().length === 1 && ends.ofServer().length === 1)
})
