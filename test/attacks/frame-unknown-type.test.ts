/** A frame of a type or with a flag the protocol does not know. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FRAME } from '../../src/network/session/frames.ts'
import { adversary, handshakePair, rawFrame } from '../kit/session-pair.ts'

const KNOWN: readonly number[] = Object.values(FRAME)

test('every unknown type closes, sealed or not, before and after the handshake', () => {
  for (let type = 0; type < 256; type += 1) {
    if (KNOWN.includes(type)) continue
    const { victim } = adversary()
    victim.machine.receive(rawFrame(type, 0, Buffer.of(1)))
    assert.equal(victim.closed?.rule, 'frame: type')
    const { listener } = handshakePair()
    listener.start()
    const { end } = listener.receive(rawFrame(type, 0, Buffer.of(1)))
    assert.ok(end && 'allow' in end && end.rule === 'frame: type')
  }
})

test('every unknown flag closes', () => {
  for (let flag = 0; flag < 8; flag += 1) {
    for (const type of [FRAME.OPEN, FRAME.RESULT, FRAME.DATA, FRAME.PING]) {
      const allowed = type === FRAME.OPEN ? 0x05 : type === FRAME.DATA ? 0x03 : 0
      if ((allowed & (1 << flag)) !== 0) continue
      const { victim } = adversary()
      const stream = type === FRAME.PING ? 0 : 1
      victim.machine.receive(rawFrame(type | (1 << (flag + 8)), stream, new Uint8Array(8)))
      assert.equal(victim.closed?.rule, 'frame: flags')
    }
  }
})
