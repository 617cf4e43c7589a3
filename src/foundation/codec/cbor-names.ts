/** Longest text that is remembered, in bytes. */
const MAX_NAME = 32
const SLOTS = 512

/** The last name of each hash: bounded, holds nothing but short texts that were read before. */
const names: string[] = Array.from({ length: SLOTS }, () => '')

/**
 * A short ASCII text, taken from the names read before when it is among them: map keys and command
 * names come again and again, and comparing is cheaper than making and hashing a new string.
 *
 * @param buffer - the encoding
 * @param start - first byte of the text
 * @param end - behind its last byte, at most the buffer's length
 * @returns the text, or `undefined` when it is empty, longer than 32 bytes or not ASCII
 */
export function readName(buffer: Buffer, start: number, end: number): string | undefined {
  const length = end - start
  if (length === 0 || length > MAX_NAME) return undefined
  let hash = 0
  for (let index = start; index < end; index += 1) {
    const byte = buffer[index] ?? 0
    if (byte >= 0x80) return undefined
    hash = (Math.imul(hash, 31) + byte) | 0
  }
  const slot = hash & (SLOTS - 1)
  const known = names[slot] ?? ''
  if (known.length === length && isSame(known, buffer, start)) return known
  const name = buffer.toString('latin1', start, end)
  names[slot] = name
  return name
}

function isSame(known: string, buffer: Buffer, start: number): boolean {
  for (let index = 0; index < known.length; index += 1) {
    if (known.charCodeAt(index) !== buffer[start + index]) return false
  }
  return true
}
