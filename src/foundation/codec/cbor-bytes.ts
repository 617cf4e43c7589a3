const SHORT = 48
/** Arrays up to this size live in V8's heap; each larger one costs an allocation outside of it. */
const HEAP_BYTES = 64
const SLAB_BYTES = 8192
const SLAB_SHARE = 1024

let slab = new ArrayBuffer(SLAB_BYTES)
let slabAt = 0

/**
 * Copies a range into a new array whose bytes nothing else writes.
 *
 * Arrays of middle size are views into shared slabs, as with `Buffer.from`: one allocation for many
 * messages. Their `buffer` must therefore never be transferred.
 */
export function copyBytes(source: Uint8Array, start: number, end: number): Uint8Array {
  const length = end - start
  const copy = allocate(length)
  if (length > SHORT) copy.set(source.subarray(start, end))
  else for (let index = 0; index < length; index += 1) copy[index] = source[start + index] ?? 0
  return copy
}

function allocate(length: number): Uint8Array {
  if (length <= HEAP_BYTES || length > SLAB_SHARE) return new Uint8Array(length)
  if (slabAt + length > SLAB_BYTES) {
    slab = new ArrayBuffer(SLAB_BYTES)
    slabAt = 0
  }
  const view = new Uint8Array(slab, slabAt, length)
  slabAt += length
  return view
}
