/** Wire and signature formats: deterministic CBOR, COSE, strict DER, X.509. */
export { codecErrors } from './errors.ts'
