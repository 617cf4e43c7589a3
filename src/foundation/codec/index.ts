/** Wire and signature formats: deterministic CBOR, COSE, strict DER, X.509. */
export { cborToPlain } from './cbor-plain.ts'
export { type CborKind, CborReader, decodeCbor } from './cbor-reader.ts'
export {
  type CborInput,
  type CborKey,
  type CborLimits,
  type CborMap,
  CborTag,
  type CborValue,
  compareCborKeys,
  DEFAULT_CBOR_LIMITS,
} from './cbor-types.ts'
export { CborWriter, encodeCbor } from './cbor-writer.ts'
export { codecErrors } from './errors.ts'
