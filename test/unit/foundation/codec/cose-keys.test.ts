import assert from 'node:assert/strict'
import { createPublicKey, generateKeyPairSync, verify } from 'node:crypto'
import { test } from 'node:test'
import { concatBytes, sha256 } from '../../../../src/foundation/base/index.ts'
import {
  coseSignerFromKey,
  coseVerifierFromSpki,
  isLowS,
  toLowS,
} from '../../../../src/foundation/codec/index.ts'
import { cosePair } from '../../../kit/cose.ts'

const refused = { name: 'KosError', code: 'KOS_CODEC_COSE' }
const ORDER = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n
const HALF = ORDER >> 1n
const ONE = Buffer.from('1'.padStart(64, '0'), 'hex')

function withS(s: bigint): Uint8Array {
  return concatBytes(ONE, Buffer.from(s.toString(16).padStart(64, '0'), 'hex'))
}

test('low s is s up to half the order, and the high one is turned into it', () => {
  assert.ok(isLowS(withS(1n)))
  assert.ok(isLowS(withS(HALF)))
  assert.ok(!isLowS(withS(HALF + 1n)))
  assert.ok(!isLowS(withS(ORDER - 1n)))
  assert.deepEqual(toLowS(withS(HALF + 1n)), Uint8Array.from(withS(HALF)))
  assert.deepEqual(toLowS(withS(ORDER - 1n)), Uint8Array.from(withS(1n)))
  assert.deepEqual(toLowS(withS(5n)), Uint8Array.from(withS(5n)))
})

test('ES256 signatures are low in every case, and valid', () => {
  const { signer, verifier } = cosePair('ES256')
  const bytes = Buffer.from('bytes')
  for (let round = 0; round < 32; round += 1) {
    const signature = signer.sign(bytes)
    assert.equal(signature.length, 64)
    assert.ok(isLowS(signature))
    const options = { key: verifier.key, dsaEncoding: 'ieee-p1363' } as const
    assert.ok(verify('sha256', bytes, options, signature))
  }
})

test('the key decides the algorithm', () => {
  for (const algorithm of ['ES256', 'EdDSA', 'ML-DSA-44', 'ML-DSA-65'] as const) {
    const { signer, verifier, spki } = cosePair(algorithm)
    assert.equal(signer.algorithm, algorithm)
    assert.equal(verifier.algorithm, algorithm)
    assert.deepEqual(verifier.keyId, sha256(spki))
  }
})

test('keys of other kinds and curves are refused', () => {
  const id = new Uint8Array(32)
  const pairs = [
    generateKeyPairSync('ec', { namedCurve: 'P-384' }),
    generateKeyPairSync('x25519'),
    generateKeyPairSync('ml-dsa-87'),
  ]
  for (const { privateKey, publicKey } of pairs) {
    assert.throws(() => coseSignerFromKey(privateKey, id), refused)
    const spki = publicKey.export({ type: 'spki', format: 'der' })
    assert.throws(() => coseVerifierFromSpki(spki), refused)
  }
  const { verifier } = cosePair('ES256')
  assert.throws(() => coseSignerFromKey(verifier.key, id), refused)
})

test('an SPKI has one accepted encoding', () => {
  const { spki } = cosePair('ES256')
  assert.throws(() => coseVerifierFromSpki(spki.subarray(1)), refused)
  assert.throws(() => coseVerifierFromSpki(concatBytes(spki, Uint8Array.of(0))), refused)
  // The compressed point (SEC 1 section 2.3.3) is the same key with other bytes.
  const point = spki.subarray(-64)
  const prefix = Buffer.from('3039301306072a8648ce3d020106082a8648ce3d030107032200', 'hex')
  const parity = Uint8Array.of(2 + ((point[63] ?? 0) & 1))
  const compressed = concatBytes(prefix, parity, point.subarray(0, 32))
  const same = createPublicKey({ key: Buffer.from(compressed), format: 'der', type: 'spki' })
  assert.equal(same.asymmetricKeyDetails?.namedCurve, 'prime256v1')
  assert.throws(() => coseVerifierFromSpki(compressed), refused)
  // The hybrid form has the length of the uncompressed one.
  const hybrid = Uint8Array.from(spki)
  hybrid[26] = 6 + ((point[63] ?? 0) & 1)
  assert.throws(() => coseVerifierFromSpki(hybrid), refused)
})
