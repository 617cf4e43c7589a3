/** COSE: examples of the standard, and recorded messages, against node:crypto by hand. */
import assert from 'node:assert/strict'
import { createHmac, createPrivateKey, createPublicKey, verify } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { isRefusal, Secret, sha256 } from '../../../src/foundation/base/index.ts'
import {
  CborTag,
  type CborValue,
  type CoseAlgorithm,
  coseSignerFromKey,
  coseVerifierFromSpki,
  decodeCbor,
  encodeCbor,
  macCose0,
  signCose1,
  verifyCose,
  verifyCose1,
  verifyCoseMac0,
} from '../../../src/foundation/codec/index.ts'

interface Vectors {
  readonly standard: {
    readonly key11: { readonly x: string; readonly y: string }
    readonly ourSecret: string
    readonly payload: string
    readonly sign1: string
    readonly sign: string
    readonly mac0: string
  }
  readonly recorded: {
    readonly payload: string
    readonly externalAad: string
    readonly keys: Readonly<Record<CoseAlgorithm, { spki: string; pkcs8?: string }>>
    readonly macKeyId: string
    readonly macSecret: string
    readonly sign1: Readonly<Record<CoseAlgorithm, string>>
    readonly sign1ContentType: string
    readonly signPair: string
    readonly mac0: string
  }
}

const { standard, recorded } = JSON.parse(
  readFileSync(join(import.meta.dirname, '../../vectors/cose.json'), 'utf8'),
) as Vectors
const hex = (text: string): Uint8Array => new Uint8Array(Buffer.from(text, 'hex'))
const base64 = (text: string): Uint8Array => new Uint8Array(Buffer.from(text, 'base64'))
const coordinate = (text: string): string => Buffer.from(text, 'hex').toString('base64url')

/** The four elements of a message, and its tag. */
function open(message: Uint8Array): { tag: number; parts: readonly CborValue[] } {
  const decoded = decodeCbor(message, { allowedTags: [17, 18, 98] })
  assert.ok(decoded instanceof CborTag && Array.isArray(decoded.value))
  return { tag: decoded.tag, parts: decoded.value as readonly CborValue[] }
}

function bytesOf(value: CborValue | undefined): Uint8Array {
  assert.ok(value instanceof Uint8Array)
  return value
}

describe('RFC 9052 appendix C', () => {
  const { x, y } = standard.key11
  const jwk = { kty: 'EC', crv: 'P-256', x: coordinate(x), y: coordinate(y) }
  const key = createPublicKey({ format: 'jwk', key: jwk })
  const spki = key.export({ type: 'spki', format: 'der' })
  const none = new Uint8Array(0)

  test('C.2.1: the Sig_structure of COSE_Sign1 verifies', () => {
    const { tag, parts } = open(hex(standard.sign1))
    assert.equal(tag, 18)
    const signed = encodeCbor(['Signature1', bytesOf(parts[0]), none, bytesOf(parts[2])])
    const options = { key, dsaEncoding: 'ieee-p1363' } as const
    assert.ok(verify('sha256', signed, options, bytesOf(parts[3])))
    assert.deepEqual(bytesOf(parts[2]), hex(standard.payload))
  })

  test('C.1.1: the Sig_structure of COSE_Sign verifies', () => {
    const { tag, parts } = open(hex(standard.sign))
    assert.equal(tag, 98)
    const [entry] = parts[3] as readonly (readonly CborValue[])[]
    const [header, , signature] = entry ?? []
    const structure = ['Signature', bytesOf(parts[0]), bytesOf(header), none, bytesOf(parts[2])]
    const options = { key, dsaEncoding: 'ieee-p1363' } as const
    assert.ok(verify('sha256', encodeCbor(structure), options, bytesOf(signature)))
  })

  test('HMAC 256/256: the MAC_structure gives the tag', () => {
    const { tag, parts } = open(hex(standard.mac0))
    assert.equal(tag, 17)
    const structure = ['MAC0', bytesOf(parts[0]), none, bytesOf(parts[2])]
    const mac = createHmac('sha256', hex(standard.ourSecret)).update(encodeCbor(structure)).digest()
    assert.deepEqual(Uint8Array.from(mac), parts[3])
  })

  test('as messages they are refused: their key id is missing or not protected', () => {
    const verifier = coseVerifierFromSpki(spki)
    const check = { externalAad: none, maxBytes: 4096 }
    const secret = Secret.copy(hex(standard.ourSecret))
    const results = [
      verifyCose1(hex(standard.sign1), { ...check, verifier }),
      verifyCose(hex(standard.sign), { ...check, verifiers: [verifier] }),
      verifyCoseMac0(hex(standard.mac0), { ...check, key: { keyId: hex('01'), secret } }),
    ]
    for (const result of results) assert.ok(isRefusal(result) && result.rule.startsWith('format: '))
  })
})

describe('recorded messages', () => {
  const payload = hex(recorded.payload)
  const externalAad = hex(recorded.externalAad)
  const check = { externalAad, maxBytes: 16_384 }

  for (const [algorithm, text] of Object.entries(recorded.sign1)) {
    test(`COSE_Sign1 by ${algorithm} verifies, here and by hand`, () => {
      const spki = base64(recorded.keys[algorithm as CoseAlgorithm].spki)
      const verifier = coseVerifierFromSpki(spki)
      const result = verifyCose1(base64(text), { ...check, verifier })
      assert.deepEqual(result, { payload, keyId: Uint8Array.from(sha256(spki)) })

      const { parts } = open(base64(text))
      const signed = encodeCbor(['Signature1', bytesOf(parts[0]), externalAad, payload])
      const digest = algorithm === 'ES256' ? 'sha256' : null
      const key = createPublicKey({ key: Buffer.from(spki), format: 'der', type: 'spki' })
      const options = { key, dsaEncoding: 'ieee-p1363' } as const
      assert.ok(verify(digest, signed, options, bytesOf(parts[3])))
    })
  }

  test('EdDSA messages come out equal, with and without a content type', () => {
    const { spki, pkcs8 } = recorded.keys.EdDSA
    const der = Buffer.from(base64(pkcs8 ?? ''))
    const privateKey = createPrivateKey({ key: der, format: 'der', type: 'pkcs8' })
    const signer = coseSignerFromKey(privateKey, sha256(base64(spki)))
    assert.deepEqual(signCose1({ payload, externalAad }, signer), base64(recorded.sign1.EdDSA))
    const contentType = 'application/cbor'
    const typed = signCose1({ payload, externalAad, contentType }, signer)
    assert.deepEqual(typed, base64(recorded.sign1ContentType))
  })

  test('COSE_Sign by ES256 and ML-DSA-65 verifies, here and by hand', () => {
    const algorithms = ['ES256', 'ML-DSA-65'] as const
    const verifiers = algorithms.map((name) =>
      coseVerifierFromSpki(base64(recorded.keys[name].spki)),
    )
    const message = base64(recorded.signPair)
    assert.deepEqual(verifyCose(message, { ...check, verifiers }), { payload })

    const { parts } = open(message)
    const entries = parts[3] as readonly (readonly CborValue[])[]
    assert.equal(entries.length, 2)
    for (const [header, unprotected, signature] of entries) {
      assert.deepEqual(unprotected, new Map())
      const facts = decodeCbor(bytesOf(header))
      assert.ok(facts instanceof Map)
      const isEs256 = facts.get(1) === -7
      const structure = ['Signature', bytesOf(parts[0]), bytesOf(header), externalAad, payload]
      const { spki } = recorded.keys[isEs256 ? 'ES256' : 'ML-DSA-65']
      const key = createPublicKey({ key: Buffer.from(base64(spki)), format: 'der', type: 'spki' })
      const digest = isEs256 ? 'sha256' : null
      const options = { key, dsaEncoding: 'ieee-p1363' } as const
      assert.ok(verify(digest, encodeCbor(structure), options, bytesOf(signature)))
    }
  })

  test('COSE_Mac0 comes out equal and verifies', () => {
    const key = { keyId: hex(recorded.macKeyId), secret: Secret.copy(hex(recorded.macSecret)) }
    assert.deepEqual(macCose0({ payload, externalAad }, key), base64(recorded.mac0))
    assert.deepEqual(verifyCoseMac0(base64(recorded.mac0), { ...check, key }), { payload })
  })
})
