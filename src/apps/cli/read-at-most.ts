import { closeSync, openSync, readSync } from 'node:fs'

/**
 * Reads a file, or what a shell makes of `<(…)`, as far as it may be long: a device that never ends fills
 * no memory.
 *
 * @returns the bytes, which are the caller's to wipe; `undefined`: there are more
 * @throws the error of the file system
 */
export function readAtMost(path: string, maxBytes: number): Uint8Array | undefined {
  const descriptor = openSync(path, 'r')
  try {
    const bytes = new Uint8Array(maxBytes + 1)
    let length = 0
    for (;;) {
      const count = readSync(descriptor, bytes, length, bytes.length - length, null)
      length += count
      if (count === 0 || length === bytes.length) break
    }
    if (length < bytes.length) return bytes.subarray(0, length)
    bytes.fill(0)
    return undefined
  } finally {
    closeSync(descriptor)
  }
}
