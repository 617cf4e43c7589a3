/** A frame announces more than its type may carry, to make the receiver wait or allocate. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FRAME } from '../../src/network/session/frames.ts'
import { adversary, handshakePair } from '../kit/session-pair.ts'

const LIMITS: readonly (readonly [string, number, number, number])[] = [
  ['OPEN', FRAME.OPEN, 1, 16 * 1024],
  ['RESULT', FRAME.RESULT, 2, 16 * 1024],
  ['DATA', FRAME.DATA, 1, 64 * 1024],
  ['CREDIT', FRAME.CREDIT, 0, 4],
  ['PING', FRAME.PING, 0, 8],
  ['SEAL', FRAME.SEAL, 0, 40],
]

const header = (length: number, type: number, stream: number): Buffer => {
  const bytes = Buffer.alloc(9)
  bytes.writeUIntBE(length, 0, 3)
  bytes.writeUInt8(type, 3)
  bytes.writeUInt32BE(stream, 5)
  return bytes
}

for (const [name, type, stream, maxBytes] of LIMITS) {
  test(`${name} above ${maxBytes} bytes closes by its header alone`, () => {
    for (const length of [maxBytes + 1, 0xff_ff_ff]) {
      const { victim } = adversary()
      victim.machine.receive(header(length, type, stream))
      assert.equal(victim.closed?.rule, 'frame: length')
    }
  })
}

test('HELLO above 4 KiB and AUTH above what is left of 16 KiB never come in', () => {
  const hello = handshakePair()
  hello.listener.start()
  const refused = hello.listener.receive(header(4097, FRAME.HELLO, 0)).end
  assert.ok(refused && 'allow' in refused && refused.rule === 'frame: length')
  const auth = handshakePair()
  auth.listener.start()
  auth.listener.receive(auth.dialler.start())
  const bytes = Buffer.concat([header(16 * 1024, FRAME.AUTH, 0), Buffer.alloc(16 * 1024)])
  const late = auth.listener.receive(bytes).end
  assert.ok(late && 'allow' in late && late.rule === 'handshake: too long')
})
