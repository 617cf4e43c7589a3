import assert from 'node:assert/strict'
import { createHmac } from 'node:crypto'
import { describe, test } from 'node:test'
import { FRAME, FrameWriter, HEADER_BYTES } from '../../../../src/network/session/frames.ts'
import { DirectionKeys, transcriptHash } from '../../../../src/network/session/key-schedule.ts'
import { SealReader, SealWriter } from '../../../../src/network/session/seal.ts'
import { testExporter } from '../../../kit/session-pair.ts'

const KEY_ID = new Uint8Array(32).fill(7)
const TIME = 1_767_225_600_000
const SENDER = { role: 'dialler', keyId: KEY_ID } as const
const derive = (context = new Uint8Array(32)): ReturnType<typeof DirectionKeys.derive> =>
  DirectionKeys.derive(testExporter(), context)

/** One sealed batch of a PING, taken apart. */
function sealedPing(writer: SealWriter): { readonly frames: Buffer; readonly seal: Buffer } {
  const out = new FrameWriter()
  out.frame(FRAME.PING, 0, new Uint8Array(8))
  const end = out.length
  writer.seal(out, TIME)
  const bytes = writer.take(out)
  return { frames: bytes.subarray(0, end), seal: bytes.subarray(end + HEADER_BYTES) }
}

test('both ends derive the same keys, one per direction', () => {
  const [a, b] = [derive(), derive()]
  assert.ok(a.dialler.key.equals(b.dialler.key))
  assert.ok(!a.dialler.key.equals(a.listener.key))
  assert.ok(!a.dialler.key.equals(derive(new Uint8Array(32).fill(1)).dialler.key))
})

test('the next key follows from the last and is another one', () => {
  const [a, b] = [derive().dialler, derive().dialler]
  const first = a.key
  a.advance()
  assert.ok(!a.key.equals(first))
  assert.equal(a.epoch, 1)
  b.advance()
  assert.ok(a.key.equals(b.key))
  a[Symbol.dispose]()
  assert.throws(() => a.advance())
})

test('the transcript covers all four frames in their order', () => {
  const [w, x, y, z] = [1, 2, 3, 4].map((byte) => Uint8Array.of(byte))
  assert.ok(w && x && y && z)
  const all = { diallerHello: w, listenerHello: x, diallerAuth: y, listenerAuth: z }
  const hash = transcriptHash(all)
  for (const changed of [
    { ...all, diallerHello: x },
    { ...all, listenerHello: w },
    { ...all, diallerAuth: z },
    { ...all, listenerAuth: y },
  ]) {
    assert.notDeepEqual(transcriptHash(changed), hash)
  }
})

test('a SEAL is time and HMAC-SHA256 over key id, direction, epoch, time, number and frames', () => {
  const keys = derive().dialler
  const { frames, seal } = sealedPing(new SealWriter(keys, SENDER))
  const context = Buffer.concat([KEY_ID, Buffer.of(1), Buffer.alloc(4), Buffer.alloc(16)])
  context.writeBigUInt64BE(BigInt(TIME), 37)
  const mac = createHmac('sha256', keys.key).update(context).update(frames).digest()
  assert.equal(seal.readBigUInt64BE(0), BigInt(TIME))
  assert.deepEqual(seal.subarray(8), mac)
})

test('a SEAL covers only the frames since the last one', () => {
  const writer = new SealWriter(derive().dialler, SENDER)
  const reader = new SealReader(derive().dialler, SENDER)
  const out = new FrameWriter()
  out.frame(FRAME.PING, 0, new Uint8Array(8))
  assert.equal(writer.pending(out), 17)
  writer.seal(out, TIME)
  assert.equal(writer.pending(out), 0)
  out.frame(FRAME.PONG, 0, new Uint8Array(8))
  writer.seal(out, TIME + 1)
  const bytes = writer.take(out)
  assert.equal(reader.verify(bytes.subarray(0, 17), bytes.subarray(26, 66)), TIME)
  assert.equal(reader.verify(bytes.subarray(66, 83), bytes.subarray(92)), TIME + 1)
  assert.equal(reader.count, 2)
  assert.equal(writer.count, 2)
})

describe('a SEAL does not fit', () => {
  const refuses = (
    title: string,
    change: (batch: { frames: Buffer; seal: Buffer }) => void,
  ): void => {
    test(title, () => {
      const batch = sealedPing(new SealWriter(derive().dialler, SENDER))
      change(batch)
      assert.equal(
        new SealReader(derive().dialler, SENDER).verify(batch.frames, batch.seal),
        undefined,
      )
    })
  }
  refuses('another payload', ({ frames }) => void (frames[12] = 1))
  refuses('another header', ({ frames }) => void (frames[3] = FRAME.PONG))
  refuses('another time', ({ seal }) => void (seal[7] = 1))
  refuses('another MAC', ({ seal }) => void (seal[39] = (seal[39] ?? 0) ^ 1))
  refuses('a time beyond 2^53', ({ seal }) => void (seal[0] = 1))

  test('another number: replay', () => {
    const { frames, seal } = sealedPing(new SealWriter(derive().dialler, SENDER))
    const reader = new SealReader(derive().dialler, SENDER)
    assert.equal(reader.verify(frames, seal), TIME)
    assert.equal(reader.verify(frames, seal), undefined)
  })

  test('another direction, key id or epoch', () => {
    const { frames, seal } = sealedPing(new SealWriter(derive().dialler, SENDER))
    const fits = (reader: SealReader): boolean => reader.verify(frames, seal) !== undefined
    assert.equal(fits(new SealReader(derive().listener, SENDER)), false)
    assert.equal(fits(new SealReader(derive().dialler, { ...SENDER, role: 'listener' })), false)
    const keyId = new Uint8Array(32)
    assert.equal(fits(new SealReader(derive().dialler, { ...SENDER, keyId })), false)
    const later = new SealReader(derive().dialler, SENDER)
    later.rekey()
    assert.equal(later.epoch, 1)
    assert.equal(fits(later), false)
  })
})

test('both ends move to the next key together; a closed one cannot', () => {
  const writer = new SealWriter(derive().dialler, SENDER)
  const reader = new SealReader(derive().dialler, SENDER)
  writer.rekey()
  reader.rekey()
  assert.equal(writer.epoch, 1)
  const { frames, seal } = sealedPing(writer)
  assert.equal(reader.verify(frames, seal), TIME)
  writer[Symbol.dispose]()
  reader[Symbol.dispose]()
  assert.throws(() => writer.rekey())
  assert.throws(() => reader.rekey())
})
