import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import {
  FLAG_END,
  FLAG_VALUE,
  FRAME,
  FrameParser,
  FrameWriter,
  HEADER_BYTES,
  MAX_CONTROL_BYTES,
  MAX_DATA_BYTES,
  readU32,
  readU64,
  writeU32,
  writeU64,
} from '../../../../src/network/session/frames.ts'

interface Seen {
  readonly type: number
  readonly flags: number
  readonly stream: number
  readonly payload: string
}

/** Everything a parser finds in these chunks, and how it stopped. */
function parse(chunks: readonly Uint8Array[]): { readonly seen: Seen[]; readonly stop: string } {
  const parser = new FrameParser()
  const seen: Seen[] = []
  let stop = 'more'
  for (const chunk of chunks) {
    // The chunk is lent: it is overwritten as soon as the parser settled.
    const lent = Uint8Array.from(chunk)
    parser.push(lent)
    for (let status = parser.next(); ; status = parser.next()) {
      if (status !== 'frame') {
        stop = status
        break
      }
      const { type, flags, stream, buffer, payloadStart, payloadEnd } = parser
      const payload = buffer.toString('hex', payloadStart, payloadEnd)
      seen.push({ type, flags, stream, payload })
      parser.release()
    }
    parser.settle()
    lent.fill(0xee)
    if (stop !== 'more') break
  }
  return { seen, stop }
}

/** A header: payload length, type plus flags × 256, stream. */
function header(length: number, kind: number, stream: number): Buffer {
  const bytes = Buffer.alloc(HEADER_BYTES)
  bytes.writeUIntBE(length, 0, 3)
  bytes[3] = kind
  bytes[4] = kind >>> 8
  bytes.writeUInt32BE(stream, 5)
  return bytes
}

test('the header is length u24, type u8, flags u8, stream u32', () => {
  const writer = new FrameWriter()
  writer.frame(FRAME.OPEN | (FLAG_END << 8), 0x01020305, Uint8Array.of(0xaa, 0xbb))
  assert.equal(writer.take().toString('hex'), '00000210010102' + '0305' + 'aabb')
})

test('frames are cut alike over any chunk boundary', () => {
  const writer = new FrameWriter()
  writer.frame(FRAME.OPEN | (FLAG_END << 8), 1, Uint8Array.of(1, 2, 3))
  writer.frame(FRAME.PING, 0, new Uint8Array(8))
  writer.frame(FRAME.DATA | (FLAG_VALUE << 8), 2 ** 32 - 1, new Uint8Array(5000))
  writer.frame(FRAME.DATA | (FLAG_END << 8), 7, new Uint8Array(0))
  const bytes = writer.take()
  const whole = parse([bytes])
  assert.equal(whole.seen.length, 4)
  assert.equal(whole.seen[2]?.stream, 2 ** 32 - 1)
  for (const size of [1, 2, 8, 9, 10, 11, 100, 4096]) {
    const chunks: Buffer[] = []
    for (let at = 0; at < bytes.length; at += size) chunks.push(bytes.subarray(at, at + size))
    assert.deepEqual(parse(chunks), whole, `chunks of ${size}`)
  }
})

test('a chunk without a rest is not copied, a kept batch stays in one piece', () => {
  const writer = new FrameWriter()
  writer.frame(FRAME.PING, 0, new Uint8Array(8))
  const frame = writer.take()
  const parser = new FrameParser()
  parser.push(frame)
  assert.equal(parser.next(), 'frame')
  assert.equal(parser.buffer, frame)
  assert.equal(parser.waitingBytes, frame.length)
  // Not released: the frame stays, and the next one is put behind it.
  parser.settle()
  assert.notEqual(parser.buffer, frame)
  parser.push(frame)
  assert.equal(parser.next(), 'frame')
  assert.equal(parser.next(), 'more')
  const kept = parser.buffer.subarray(parser.keptStart, parser.payloadEnd)
  assert.deepEqual(kept, Buffer.concat([frame, frame]))
  parser.release()
  assert.equal(parser.waitingBytes, 0)
  parser.settle()
  parser.trim()
})

test('an own buffer is compacted, reused and given back when it was large', () => {
  const parser = new FrameParser()
  const piece = header(8, FRAME.PING, 0)
  for (let round = 0; round < 3; round += 1) {
    parser.push(piece)
    assert.equal(parser.next(), 'more')
    parser.settle()
    parser.push(new Uint8Array(8))
    assert.equal(parser.next(), 'frame')
    parser.release()
    // A rest behind a released frame moves to the front.
    parser.push(piece.subarray(0, 5))
    parser.settle()
    parser.push(Buffer.concat([piece.subarray(5), new Uint8Array(8)]))
    assert.equal(parser.next(), 'frame')
    parser.release()
    parser.settle()
  }
  parser.push(header(MAX_DATA_BYTES, FRAME.DATA, 1))
  for (let sent = 0; sent < 8; sent += 1) {
    parser.push(new Uint8Array(MAX_DATA_BYTES))
    parser.push(header(MAX_DATA_BYTES, FRAME.DATA, 1))
    while (parser.next() === 'frame');
    parser.settle()
  }
  parser.push(new Uint8Array(MAX_DATA_BYTES))
  while (parser.next() === 'frame');
  parser.release()
  parser.settle()
  assert.equal(parser.buffer.length, 0)
})

test('takeRest hands out what was not consumed and leaves the parser empty', () => {
  const parser = new FrameParser()
  parser.push(Buffer.concat([header(8, FRAME.PING, 0), new Uint8Array(8), Buffer.of(1, 2)]))
  assert.equal(parser.next(), 'frame')
  parser.release()
  assert.deepEqual([...parser.takeRest()], [1, 2])
  assert.equal(parser.waitingBytes, 0)
  assert.equal(parser.next(), 'more')
})

describe('a header is refused as soon as it is there, before its payload', () => {
  const faults: readonly (readonly [string, Buffer, string])[] = [
    ['type 0', header(1, 0x00, 0), 'frame: type'],
    ['an unknown type', header(1, 0x17, 1), 'frame: type'],
    ['type 255', header(1, 0xff, 1), 'frame: type'],
    ['an unknown flag of OPEN', header(1, FRAME.OPEN | (0x02 << 8), 1), 'frame: flags'],
    ['an unknown flag of DATA', header(1, FRAME.DATA | (0x04 << 8), 1), 'frame: flags'],
    ['a flag where none exists', header(8, FRAME.PING | (0x01 << 8), 0), 'frame: flags'],
    ['HELLO above 4 KiB', header(4097, FRAME.HELLO, 0), 'frame: length'],
    ['OPEN above 16 KiB', header(MAX_CONTROL_BYTES + 1, FRAME.OPEN, 1), 'frame: length'],
    ['DATA above 64 KiB', header(MAX_DATA_BYTES + 1, FRAME.DATA, 1), 'frame: length'],
    ['an empty OPEN', header(0, FRAME.OPEN, 1), 'frame: length'],
    ['a short CREDIT', header(3, FRAME.CREDIT, 1), 'frame: length'],
    ['a long SEAL', header(41, FRAME.SEAL, 0), 'frame: length'],
    ['OPEN on the connection', header(1, FRAME.OPEN, 0), 'frame: stream'],
    ['RESET on the connection', header(2, FRAME.RESET, 0), 'frame: stream'],
    ['PING on a stream', header(8, FRAME.PING, 1), 'frame: stream'],
  ]
  for (const [title, bytes, rule] of faults) {
    test(title, () => assert.deepEqual(parse([bytes]), { seen: [], stop: rule }))
  }

  test('every type takes its greatest length', () => {
    assert.equal(parse([header(MAX_DATA_BYTES, FRAME.DATA | (3 << 8), 9)]).stop, 'more')
    assert.equal(parse([header(MAX_CONTROL_BYTES, FRAME.RESULT, 9)]).stop, 'more')
    assert.equal(parse([header(4, FRAME.CREDIT, 0)]).stop, 'more')
    assert.equal(parse([header(4, FRAME.CREDIT, 5)]).stop, 'more')
  })
})

test('a writer gives back a buffer that grew, and trims when idle', () => {
  const writer = new FrameWriter()
  for (let index = 0; index < 5; index += 1) {
    writer.frame(FRAME.DATA, 1, new Uint8Array(MAX_DATA_BYTES))
  }
  assert.ok(writer.buffer.length > 256 * 1024)
  assert.equal(writer.take().length, 5 * (MAX_DATA_BYTES + HEADER_BYTES))
  assert.equal(writer.buffer.length, 0)
  writer.frame(FRAME.DATA, 1, new Uint8Array(2000))
  writer.trim()
  assert.ok(writer.buffer.length > 2000)
  writer.take()
  assert.ok(writer.buffer.length > 2000)
  writer.trim()
  assert.equal(writer.buffer.length, 0)
})

test('a writer keeps no buffer for a heartbeat, one of its own for anything larger', () => {
  const writer = new FrameWriter()
  writer.frame(FRAME.PING, 0, Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8))
  const first = writer.take()
  assert.equal(writer.buffer.length, 0)
  writer.frame(FRAME.PONG, 0, new Uint8Array(8))
  assert.equal(writer.take().length, 17)
  assert.equal(first.toString('hex'), '000008200000000000' + '0102030405060708')
  writer.frame(FRAME.PING, 0, new Uint8Array(8))
  writer.frame(FRAME.RESULT, 1, new Uint8Array(200))
  assert.equal(writer.take().length, 17 + 209)
  assert.equal(writer.buffer.length, 1024)
})

test('integers are big-endian; a u64 beyond 2^53 − 1 becomes infinity', () => {
  const bytes = Buffer.alloc(8)
  for (const value of [0, 1, 255, 0x80_00_00_00, 2 ** 32 - 1]) {
    writeU32(bytes, 0, value)
    assert.equal(bytes.readUInt32BE(0), value)
    assert.equal(readU32(bytes, 0), value)
  }
  for (const value of [0, 2 ** 32 - 1, 2 ** 32, 1_767_225_600_000, Number.MAX_SAFE_INTEGER]) {
    writeU64(bytes, 0, value)
    assert.equal(bytes.readBigUInt64BE(0), BigInt(value))
    assert.equal(readU64(bytes, 0), value)
  }
  bytes.writeBigUInt64BE(2n ** 53n)
  assert.equal(readU64(bytes, 0), Number.POSITIVE_INFINITY)
})
