/** A reader asks for streams and stops to read, at its program or at its socket: memory stays flat. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { CallRequest } from '../../src/foundation/pipeline/index.ts'
import type { SessionCallOutcome, SessionStats } from '../../src/network/session/index.ts'
import { startTlsSessions, steady, until } from '../kit/tls-sessions.ts'

const KIB = 1024
const WINDOW = 256 * KIB
const PIECE = 64 * KIB

interface Streamer {
  sent: number
  aborted: string[]
  readonly onCall: (call: CallRequest) => Promise<SessionCallOutcome>
}

/** A handler that streams without end, paced by its reader alone. */
function endless(): Streamer {
  const streamer: Streamer = {
    sent: 0,
    aborted: [],
    onCall: async (call) => {
      const { emit, signal } = call
      if (!emit) return { status: 'ok', value: 'small' }
      signal.addEventListener('abort', () => streamer.aborted.push(String(signal.reason)))
      const piece = new Uint8Array(PIECE)
      while (await emit(piece)) streamer.sent += piece.length
      return { status: 'ok', value: 'end' }
    },
  }
  return streamer
}

const held = (stats: SessionStats | undefined): number =>
  (stats?.streamBytesWaiting ?? 0) + (stats?.streamBytesKept ?? 0) + (stats?.bytesWaiting ?? 0)

test('a program that takes one piece and no more: its sender stops within a window', async (context) => {
  const streamer = endless()
  const sessions = await startTlsSessions(context, { onCall: { listener: streamer.onCall } })
  const { dialler, listener } = await sessions.connect()
  const { promise, resolve } = Promise.withResolvers<void>()
  let taken = 0
  const stalled = dialler.call('stream', null, {
    onData: (bytes) => {
      taken += bytes.length
      return promise
    },
  })
  assert.equal(await steady(() => streamer.sent), WINDOW)
  assert.equal(taken, WINDOW)
  // What waits is one piece, what is kept one window.
  assert.ok(held(listener.stats) <= WINDOW + PIECE, String(held(listener.stats)))
  // Others on the connection notice nothing.
  for (let count = 0; count < 20; count += 1) {
    assert.equal((await dialler.call('small', null)).status, 'ok')
  }
  // The deadline counts from the last byte that moved; then it is over, and the handler knows.
  sessions.clock.advance(10_000)
  const result = await stalled
  assert.equal(result.status === 'failed' && result.code, 'KOS_SESSION_DEADLINE')
  await until('the handler is told', () => streamer.aborted.length === 1)
  assert.equal((await steady(() => held(listener.stats))) <= WINDOW, true)
  resolve()
})

test('many stalled streams of one peer: no more than a window of the connection', async (context) => {
  const streamer = endless()
  const sessions = await startTlsSessions(context, { onCall: { listener: streamer.onCall } })
  const { dialler, listener } = await sessions.connect()
  const never = new Promise<void>(() => undefined)
  const calls = Array.from({ length: 30 }, () =>
    dialler.call('stream', null, { onData: () => never }),
  )
  assert.equal(await steady(() => Math.floor(streamer.sent / PIECE)), 16)
  assert.ok(held(listener.stats) <= 1024 * KIB + 30 * PIECE, String(held(listener.stats)))
  assert.equal((await dialler.call('small', null)).status, 'ok')
  dialler.close('enough')
  await Promise.all(calls)
  await until('all handlers are told', () => streamer.aborted.length === 30)
})

test('a socket that nobody reads: the sender waits for it, and stops reading itself', async (context) => {
  const streamer = endless()
  const sessions = await startTlsSessions(context, { onCall: { listener: streamer.onCall } })
  const { dialler, listener, channels } = await sessions.connect()
  const calls = Array.from({ length: 8 }, () =>
    dialler.call('stream', null, { onData: () => undefined }),
  )
  await until('bytes flow', () => streamer.sent > 4 * 1024 * KIB)
  channels.dialler.pause()
  const sent = await steady(() => streamer.sent)
  assert.ok(held(listener.stats) <= 3 * 1024 * KIB, String(held(listener.stats)))
  channels.dialler.resume()
  await until('bytes flow again', () => streamer.sent > sent + 4 * 1024 * KIB)
  dialler.close('enough')
  await Promise.all(calls)
})

test('a slow reader: megabytes pass, and never more is held than a window', async (context) => {
  const streamer = endless()
  const sessions = await startTlsSessions(context, { onCall: { listener: streamer.onCall } })
  const { dialler, listener } = await sessions.connect()
  const controller = new AbortController()
  let [taken, most] = [0, 0]
  const call = dialler.call('stream', null, {
    signal: controller.signal,
    onData: async (bytes) => {
      taken += bytes.length
      most = Math.max(most, held(listener.stats), streamer.sent - taken)
      await new Promise((resolve) => setTimeout(resolve, 1))
    },
  })
  await until('16 MiB were read', () => taken > 16 * 1024 * KIB)
  assert.ok(most <= 3 * WINDOW, String(most))
  controller.abort()
  const result = await call
  assert.equal(result.status === 'failed' && result.code, 'KOS_SESSION_CANCELLED')
  await until('the handler is told', () => streamer.aborted.length === 1)
  assert.equal(streamer.aborted[0], 'KOS_SESSION_CANCELLED')
})
