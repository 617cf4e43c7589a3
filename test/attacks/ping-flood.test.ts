/** A peer keeps this end busy with control frames that cost it little. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FRAME, writeU32 } from '../../src/network/session/frames.ts'
import { SESSION_LIMITS } from '../../src/network/session/index.ts'
import { adversary } from '../kit/session-pair.ts'

const one = Buffer.alloc(4)
writeU32(one, 0, 1)

test('PINGs above 100 per second close the session', () => {
  const enemy = adversary()
  for (let index = 0; index < 100; index += 1) enemy.frame(FRAME.PING, 0, new Uint8Array(8))
  enemy.send()
  assert.equal(enemy.victim.machine.closed, false)
  assert.equal(enemy.answers().filter(({ type }) => type === FRAME.PONG).length, 100)
  enemy.frame(FRAME.PING, 0, new Uint8Array(8))
  enemy.send()
  assert.equal(enemy.victim.closed?.code, 'KOS_SESSION_FLOOD')
  const [goaway] = enemy.answers()
  assert.equal(goaway?.payload.readUInt16BE(4), 6)
})

test('100 per second for a minute are fine, whatever kinds they are', () => {
  const enemy = adversary()
  enemy.victim.onCall = (call) => void call.respondBytes(new Uint8Array(10_000_000))
  enemy.open(1)
  enemy.send()
  enemy.victim.machine.take()
  for (let tick = 0; tick < 6000; tick += 1) {
    enemy.clock.advance(10)
    if (tick % 3 === 0) enemy.frame(FRAME.CREDIT, 0, one)
    else if (tick % 3 === 1) enemy.frame(FRAME.PING, 0, new Uint8Array(8))
    else enemy.frame(FRAME.BUSY, 0, Buffer.from([0, 0, 0, 0, 0]))
    enemy.send()
    enemy.victim.machine.take()
  }
  assert.equal(enemy.victim.machine.closed, false)
})

test('small credits, BUSY and GOAWAY share the same rate', () => {
  for (const [type, payload] of [
    [FRAME.CREDIT, one],
    [FRAME.BUSY, Buffer.from([0, 0, 0, 0, 0])],
    [FRAME.GOAWAY, Buffer.from([0, 0, 0, 9, 0, 1, 0, 0, 0, 0])],
  ] as const) {
    const enemy = adversary()
    enemy.victim.onCall = (call) => void call.respondBytes(new Uint8Array(1_000_000))
    enemy.open(1)
    enemy.send()
    enemy.victim.machine.take()
    for (let index = 0; index < 101; index += 1) enemy.frame(type, 0, payload)
    enemy.send()
    assert.equal(enemy.victim.closed?.code, 'KOS_SESSION_FLOOD')
    assert.equal(enemy.victim.closed?.rule, 'controls')
  }
})

test('large credits follow from data that was sent and are not counted', () => {
  const enemy = adversary()
  enemy.victim.onCall = (call) => void call.respondBytes(new Uint8Array(100_000_000))
  enemy.open(1)
  enemy.send()
  const half = Buffer.alloc(4)
  writeU32(half, 0, 131_072)
  for (let index = 0; index < 300; index += 1) {
    enemy.victim.machine.take()
    enemy.frame(FRAME.CREDIT, 1, half)
    if (index % 4 === 3) {
      const quarter = Buffer.alloc(4)
      writeU32(quarter, 0, 524_288)
      enemy.frame(FRAME.CREDIT, 0, quarter)
    }
    enemy.send()
  }
  assert.equal(enemy.victim.machine.closed, false)
})

test('a peer that grants tiny windows does not make every credit a large one', () => {
  for (const [stream, tiny] of [
    [1, { streamWindowBytes: 4 }],
    [0, { connectionWindowBytes: 4 }],
  ] as const) {
    const enemy = adversary('listener', {
      handshake: { dialler: { limits: { ...SESSION_LIMITS, ...tiny } } },
    })
    enemy.victim.onCall = (call) => void call.respondBytes(new Uint8Array(100_000))
    enemy.open(1)
    enemy.send()
    enemy.victim.machine.take()
    const four = Buffer.alloc(4)
    writeU32(four, 0, 4)
    for (let index = 0; index < 101; index += 1) {
      assert.equal(enemy.victim.machine.closed, false)
      enemy.frame(FRAME.CREDIT, stream, four)
      enemy.send()
      enemy.victim.machine.take()
    }
    assert.deepEqual(
      [enemy.victim.closed?.code, enemy.victim.closed?.rule],
      ['KOS_SESSION_FLOOD', 'controls'],
    )
  }
})

test('small windows are fine as long as their credit is worth a frame', () => {
  const enemy = adversary('listener', {
    handshake: { dialler: { limits: { ...SESSION_LIMITS, streamWindowBytes: 512 } } },
  })
  enemy.victim.onCall = (call) => void call.respondBytes(new Uint8Array(1_000_000))
  enemy.open(1)
  enemy.send()
  const half = Buffer.alloc(4)
  writeU32(half, 0, 256)
  for (let index = 0; index < 300; index += 1) {
    enemy.victim.machine.take()
    enemy.frame(FRAME.CREDIT, 1, half)
    enemy.send()
  }
  assert.equal(enemy.victim.machine.closed, false)
})
