import { generateKeyPairSync, type KeyObject } from 'node:crypto'
import { sha256, utf8 } from '../../src/foundation/base/index.ts'
import {
  type CborValue,
  type CoseAlgorithm,
  coseSignerFromKey,
  type CoseSigner,
  type CoseVerifier,
  coseVerifierFromSpki,
  CborTag,
  decodeCbor,
  encodeCbor,
} from '../../src/foundation/codec/index.ts'

/** A signer with its verifier. */
export interface CosePair {
  readonly privateKey: KeyObject
  readonly signer: CoseSigner
  readonly verifier: CoseVerifier
  readonly spki: Uint8Array
}

/** Makes a key pair for an algorithm. */
export function cosePair(algorithm: CoseAlgorithm): CosePair {
  const { privateKey, publicKey } = generatePair(algorithm)
  const spki = Uint8Array.from(publicKey.export({ type: 'spki', format: 'der' }))
  const signer = coseSignerFromKey(privateKey, sha256(spki))
  return { privateKey, signer, verifier: coseVerifierFromSpki(spki), spki }
}

function generatePair(algorithm: CoseAlgorithm): { privateKey: KeyObject; publicKey: KeyObject } {
  if (algorithm === 'ES256') return generateKeyPairSync('ec', { namedCurve: 'P-256' })
  if (algorithm === 'EdDSA') return generateKeyPairSync('ed25519')
  return algorithm === 'ML-DSA-44'
    ? generateKeyPairSync('ml-dsa-44')
    : generateKeyPairSync('ml-dsa-65')
}

/** Takes a COSE message apart, changes its array, and puts it together again. */
export function editCose(
  message: Uint8Array,
  edit: (parts: CborValue[], tag: number) => CborValue,
): Uint8Array {
  const decoded = decodeCbor(message, { allowedTags: [17, 18, 98] })
  if (!(decoded instanceof CborTag) || !Array.isArray(decoded.value)) {
    throw new TypeError('not a COSE message')
  }
  return encodeCbor(edit([...(decoded.value as readonly CborValue[])], decoded.tag))
}

/** External data for tests. */
export const TEST_AAD: Uint8Array = utf8('kos-test-v1')
