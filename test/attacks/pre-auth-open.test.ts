/** A client that proved nothing yet sends calls, hoping one is acted on early. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FRAME, FLAG_END } from '../../src/network/session/frames.ts'
import { handshakePair, openPayload, rawFrame } from '../kit/session-pair.ts'

const OPEN = rawFrame(
  FRAME.OPEN | (FLAG_END << 8),
  1,
  openPayload({ deadlineMs: 10_000, timeMs: 1_767_225_600_000, arguments: null }),
)
const OTHERS = [
  OPEN,
  rawFrame(FRAME.PING, 0, new Uint8Array(8)),
  rawFrame(FRAME.GOAWAY, 0, new Uint8Array(10)),
  rawFrame(FRAME.CREDIT, 0, new Uint8Array(4)),
  rawFrame(FRAME.RESUME, 0, new Uint8Array(8)),
]

test('nothing but HELLO is taken first, nothing but AUTH second', () => {
  for (const frame of OTHERS) {
    const first = handshakePair()
    first.listener.start()
    const { end, send } = first.listener.receive(frame)
    assert.ok(end && 'allow' in end && end.code === 'KOS_SESSION_PROTOCOL')
    assert.equal(send.length, 0)
    const second = handshakePair()
    second.listener.start()
    second.listener.receive(second.dialler.start())
    const late = second.listener.receive(frame).end
    assert.ok(late && 'allow' in late && late.code === 'KOS_SESSION_PROTOCOL')
  }
})

test('nor is anything but a sealed READY taken after AUTH', () => {
  for (const frame of OTHERS) {
    const { dialler, listener } = handshakePair()
    const hello = dialler.start()
    const auth = dialler.receive(listener.start()).send
    assert.equal(listener.receive(Buffer.concat([hello, auth])).end, undefined)
    const { end } = listener.receive(frame)
    assert.ok(end && 'allow' in end && end.code === 'KOS_SESSION_PROTOCOL')
  }
})

test('HELLO and OPEN in one chunk are refused without an answer', () => {
  const { dialler, listener } = handshakePair()
  listener.start()
  const { end, send } = listener.receive(Buffer.concat([dialler.start(), OPEN]))
  assert.ok(end && 'allow' in end)
  assert.equal(send.length, 0)
})
