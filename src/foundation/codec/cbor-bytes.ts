const SHORT = 48

/** Copies a range into a new array that shares no memory; a loop beats `set` for short ranges. */
export function copyBytes(source: Uint8Array, start: number, end: number): Uint8Array {
  const length = end - start
  const copy = new Uint8Array(length)
  if (length > SHORT) copy.set(source.subarray(start, end))
  else for (let index = 0; index < length; index += 1) copy[index] = source[start + index] ?? 0
  return copy
}
