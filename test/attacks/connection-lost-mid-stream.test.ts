/** The network cuts connections in the middle of streams, again and again: resumed, or failed once. */
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { test } from 'node:test'
import type { CallRequest } from '../../src/foundation/pipeline/index.ts'
import type { PeerSession, SessionCallOutcome } from '../../src/network/session/index.ts'
import { startTlsSessions, type TlsSessions, until } from '../kit/tls-sessions.ts'

const BYTES = 6 * 1024 * 1024
const block = Uint8Array.from({ length: 50_021 }, (_, index) => (index * 31) % 256)
const expected = (() => {
  const hash = createHash('sha256')
  for (let at = 0; at < BYTES; at += block.length) hash.update(block.subarray(0, BYTES - at))
  return hash.digest('hex')
})()

interface Runs {
  readonly runs: Map<string, number>
  readonly aborted: string[]
  readonly onCall: (call: CallRequest) => Promise<SessionCallOutcome>
}

/** Streams the same bytes to everybody and counts who ran how often. */
function streaming(): Runs {
  const runs = new Map<string, number>()
  const aborted: string[] = []
  return {
    runs,
    aborted,
    onCall: async ({ callId, emit, signal }) => {
      runs.set(callId, (runs.get(callId) ?? 0) + 1)
      signal.addEventListener('abort', () => aborted.push(String(signal.reason)))
      for (let at = 0; at < BYTES; at += block.length) {
        if (!(await emit?.(block.subarray(0, BYTES - at)))) break
      }
      return { status: 'ok', value: 'done' }
    },
  }
}

/** A reader and what it got. */
function read(
  session: PeerSession,
  onBytes: (total: number) => void = () => undefined,
): Promise<string> {
  const hash = createHash('sha256')
  let total = 0
  const result = session.call('stream', null, {
    deadlineMs: 60_000,
    onData: async (bytes) => {
      hash.update(bytes)
      total += bytes.length
      onBytes(total)
      await new Promise((resolve) => setImmediate(resolve))
    },
  })
  return result.then((end) =>
    end.status === 'ok' ? `${String(end.value)} ${total} ${hash.digest('hex')}` : end.code,
  )
}

/** Cuts whenever this many more bytes were read, and connects again. */
async function cutting(sessions: TlsSessions, times: number): Promise<string[]> {
  const { dialler, listener } = await sessions.connect()
  let [read1, cuts] = [0, 0]
  const there = read(dialler, (total) => {
    read1 = total
  })
  const ends = [there, read(listener), read(dialler)]
  let over = false
  const all = Promise.all(ends).finally(() => {
    over = true
  })
  while (cuts < times && !over) {
    const goal = ((cuts + 1) * BYTES) / (times + 2)
    await until('more was read', () => over || read1 >= goal)
    sessions.cut()
    cuts += 1
    await until(
      'both ends know',
      () => sessions.stores.dialler.size + sessions.stores.listener.size >= 2,
    )
    await sessions.connect()
  }
  return all
}

test('streams in both directions, cut five times: every byte once, every handler once', async (context) => {
  const [there, back] = [streaming(), streaming()]
  const onCall = { listener: there.onCall, dialler: back.onCall }
  const sessions = await startTlsSessions(context, { onCall })
  const whole = `done ${BYTES} ${expected}`
  assert.deepEqual(await cutting(sessions, 5), [whole, whole, whole])
  assert.deepEqual([...there.runs.values(), ...back.runs.values()], [1, 1, 1])
  assert.deepEqual([...there.aborted, ...back.aborted], [])
})

test('the dialler alone notices, and comes back while the old connection seems to live', async (context) => {
  const { onCall, runs } = streaming()
  const sessions = await startTlsSessions(context, { onCall: { listener: onCall } })
  const first = await sessions.connect()
  let total = 0
  const end = read(first.dialler, (bytes) => {
    total = bytes
  })
  await until('bytes flow', () => total > BYTES / 4)
  first.channels.dialler.destroy('cable pulled')
  await sessions.connect()
  assert.equal(await end, `done ${BYTES} ${expected}`)
  assert.deepEqual([...runs.values()], [1])
})

test('nobody comes back in time: both ends fail once, the command is told to stop', async (context) => {
  const { onCall, runs, aborted } = streaming()
  const sessions = await startTlsSessions(context, { onCall: { listener: onCall } })
  const { dialler, listener } = await sessions.connect()
  let total = 0
  const end = read(dialler, (bytes) => {
    total = bytes
  })
  await until('bytes flow', () => total > BYTES / 4)
  sessions.cut()
  await Promise.all([dialler.closed, listener.closed])
  assert.deepEqual(aborted, [])
  sessions.clock.advance(30_000)
  assert.equal(await end, 'KOS_SESSION_LOST')
  assert.deepEqual(aborted, ['KOS_SESSION_LOST'])
  // Whoever comes later gets nothing twice.
  await sessions.connect()
  assert.deepEqual([...runs.values()], [1])
})
