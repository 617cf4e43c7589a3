/** Frames: any bytes in any chunks are cut alike, and what is written is read back. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { FRAME, FrameParser, FrameWriter } from '../../src/network/session/frames.ts'
import { fuzz } from '../kit/fuzz.ts'

interface Cut {
  readonly frames: readonly string[]
  readonly stop: string
  readonly waiting: number
}

/** What a parser makes of bytes in chunks of these sizes, which repeat. */
function cut(bytes: Uint8Array, sizes: readonly number[]): Cut {
  const parser = new FrameParser()
  const frames: string[] = []
  let stop = 'more'
  for (let at = 0, index = 0; at < bytes.length && stop === 'more'; index += 1) {
    const size = sizes[index % sizes.length] ?? 1
    const lent = Uint8Array.from(bytes.subarray(at, at + size))
    at += size
    parser.push(lent)
    for (;;) {
      const status = parser.next()
      if (status !== 'frame') {
        stop = status
        break
      }
      const { type, flags, stream, buffer, payloadStart, payloadEnd } = parser
      frames.push(`${type} ${flags} ${stream} ${buffer.toString('hex', payloadStart, payloadEnd)}`)
      // Some frames are kept for a while, as those before a SEAL are.
      if (type !== FRAME.PING) parser.release()
    }
    parser.settle()
    lent.fill(0xee)
  }
  return { frames, stop, waiting: stop === 'more' ? parser.waitingBytes : 0 }
}

const sizes = fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 8 })

/** Bytes that are mostly frames, so that the parser gets past the first one. */
const frameLike = fc
  .array(
    fc.oneof(
      {
        weight: 8,
        arbitrary: fc.record({
          type: fc.constantFrom(...Object.values(FRAME)),
          size: fc.integer({ min: 0, max: 60 }),
          stream: fc.constantFrom(0, 1, 2, 2 ** 32 - 1),
          flags: fc.constantFrom(0, 0, 1, 3, 4),
        }),
      },
      { weight: 1, arbitrary: fc.uint8Array({ maxLength: 12 }) },
    ),
    { maxLength: 12 },
  )
  .map((parts) => {
    const writer = new FrameWriter()
    const all: Uint8Array[] = []
    for (const part of parts) {
      if (part instanceof Uint8Array) {
        all.push(writer.take(), part)
      } else {
        const size = [FRAME.PING, FRAME.PONG].includes(part.type as 0x20) ? 8 : part.size
        writer.frame(part.type | (part.flags << 8), part.stream, new Uint8Array(size).fill(size))
      }
    }
    return Buffer.concat([...all, writer.take()])
  })

test('any bytes are cut alike over any chunks, and nothing throws', () => {
  fuzz(
    fc.property(fc.oneof(frameLike, fc.uint8Array({ maxLength: 300 })), sizes, (bytes, chunks) => {
      const whole = cut(bytes, [bytes.length + 1])
      assert.deepEqual(cut(bytes, chunks), whole)
    }),
  )
})

test('frames are read back as they were written', () => {
  const frame = fc.record({
    stream: fc.integer({ min: 1, max: 2 ** 32 - 1 }),
    flags: fc.constantFrom(0, 1, 2, 3),
    payload: fc.uint8Array({ maxLength: 2000 }),
  })
  fuzz(
    fc.property(fc.array(frame, { maxLength: 20 }), sizes, (frames, chunks) => {
      const writer = new FrameWriter()
      for (const { stream, flags, payload } of frames) {
        writer.frame(FRAME.DATA | (flags << 8), stream, payload)
      }
      const expected = frames.map(
        ({ stream, flags, payload }) =>
          `${FRAME.DATA} ${flags} ${stream} ${Buffer.from(payload).toString('hex')}`,
      )
      assert.deepEqual(cut(writer.take(), chunks).frames, expected)
    }),
  )
})
