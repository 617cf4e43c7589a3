/** Randomness that repeats: a test that failed once fails again. */
import { createHash } from 'node:crypto'
import type { Random } from '../../src/foundation/base/index.ts'

/**
 * Makes a seeded {@link Random}: SHA-256 in counter mode over the seed.
 *
 * **Security:** predictable by design; for tests only.
 *
 * @param seed - any text; the same seed gives the same bytes
 */
export function createTestRandom(seed: string = 'kos'): Random {
  let counter = 0
  let block = Buffer.alloc(0)
  const take = (length: number): Buffer => {
    const parts = [block]
    let have = block.length
    while (have < length) {
      const next = createHash('sha256').update(`${seed}/${counter}`).digest()
      counter += 1
      parts.push(next)
      have += next.length
    }
    const all = Buffer.concat(parts)
    block = all.subarray(length)
    return Buffer.from(all.subarray(0, length))
  }
  return {
    bytes: (length: number): Uint8Array => take(length),
    uuidv7(): string {
      const bytes = take(16)
      // RFC 9562 section 5.7: version 7, variant 10.
      bytes.writeUInt8((bytes.readUInt8(6) & 0x0f) | 0x70, 6)
      bytes.writeUInt8((bytes.readUInt8(8) & 0x3f) | 0x80, 8)
      const hex = bytes.toString('hex')
      return [
        hex.slice(0, 8),
        hex.slice(8, 12),
        hex.slice(12, 16),
        hex.slice(16, 20),
        hex.slice(20),
      ].join('-')
    },
    fraction: (): number => take(4).readUInt32BE() / 2 ** 32,
  }
}
