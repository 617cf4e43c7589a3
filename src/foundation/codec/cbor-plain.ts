import { cborError, CborTag, type CborValue } from './cbor-types.ts'

/**
 * Turns a decoded value into plain data for a schema: maps become objects without a prototype.
 *
 * @param value - what {@link decodeCbor} returned
 * @returns plain objects, arrays, scalars and byte arrays
 * @throws KOS_CODEC_CBOR when a map has a key that is not text or is `__proto__`, or at a tag
 */
export function cborToPlain(value: CborValue): unknown {
  if (typeof value !== 'object' || value === null || value instanceof Uint8Array) return value
  if (value instanceof CborTag) throw cborError('plain: tag')
  if (value instanceof Map) return mapToPlain(value)
  return Array.from(value as readonly CborValue[], cborToPlain)
}

function mapToPlain(map: ReadonlyMap<unknown, CborValue>): Record<string, unknown> {
  const object = Object.create(null) as Record<string, unknown>
  for (const [key, value] of map) {
    if (typeof key !== 'string') throw cborError('plain: key is not text')
    if (key === '__proto__') throw cborError('plain: forbidden key')
    object[key] = cborToPlain(value)
  }
  return object
}
