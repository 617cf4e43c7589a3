import assert from 'node:assert/strict'
import { it } from 'node:test'
import fc from 'fast-check'
import { equalBytes, KosError } from '../../src/foundation/base/index.ts'
import {
  buildCertificate,
  buildCsr,
  buildName,
  NAME_OID,
  parseCertificate,
  parseCsr,
  parseName,
  verifyCertificateSignature,
  verifyCsr,
} from '../../src/foundation/codec/index.ts'
import { fuzz } from '../kit/fuzz.ts'
import { leafFields, testKey } from '../kit/x509.ts'

const ca = testKey()
const leaf = testKey()
const der = Buffer.from(buildCertificate(leafFields(leaf.spki), ca.signer))
const original = parseCertificate(der)
const csrDer = Buffer.from(
  buildCsr(
    {
      subject: buildName([{ oid: NAME_OID.commonName, value: 'wish' }]),
      spki: leaf.spki,
    },
    leaf.signer,
  ),
)

/** Runs a parser; `undefined` when it refuses in the one allowed way. */
function attempt<T>(parse: () => T): T | undefined {
  try {
    return parse()
  } catch (error) {
    assert.ok(error instanceof KosError, String(error))
    assert.equal(error.code, 'KOS_CODEC_X509')
    return undefined
  }
}

function flip(bytes: Buffer, bit: number): Buffer {
  const flipped = Buffer.from(bytes)
  flipped[bit >> 3] = (flipped[bit >> 3] ?? 0) ^ (1 << (bit & 7))
  return flipped
}

it('every single flipped bit of a certificate is refused or no longer verifies', () => {
  for (let bit = 0; bit < der.length * 8; bit++) {
    const parsed = attempt(() => parseCertificate(flip(der, bit)))
    if (!parsed) continue
    const sameTbs = equalBytes(parsed.tbs, original.tbs)
    // Outside the signed part only the signature's value may differ, and then it must fail.
    if (sameTbs) assert.ok(!equalBytes(parsed.signature, original.signature))
    // Verification costs most of the time: always for the tail, sampled for the signed part.
    if (sameTbs || bit % 16 === 0) assert.ok(!verifyCertificateSignature(parsed, ca.publicKey))
  }
})

it('cut, spliced and overwritten certificates are refused with KOS_CODEC_X509', () => {
  const edit = fc.record({
    at: fc.nat(der.length - 1),
    remove: fc.nat(40),
    insert: fc.uint8Array({ maxLength: 40 }),
  })
  fuzz(
    fc.property(fc.array(edit, { minLength: 1, maxLength: 3 }), (edits) => {
      let bytes = der
      for (const { at, remove, insert } of edits) {
        bytes = Buffer.concat([bytes.subarray(0, at), insert, bytes.subarray(at + remove)])
      }
      const parsed = attempt(() => parseCertificate(bytes))
      if (parsed && !equalBytes(bytes, der)) {
        assert.ok(!equalBytes(parsed.der, original.der))
        assert.ok(!verifyCertificateSignature(parsed, ca.publicKey))
      }
    }),
  )
})

it('every single flipped bit of a request is refused or no longer verifies', () => {
  for (let bit = 0; bit < csrDer.length * 8; bit++) {
    const parsed = attempt(() => parseCsr(flip(csrDer, bit)))
    if (parsed && bit % 4 === 0) assert.equal(attempt(() => verifyCsr(parsed)) ?? false, false)
  }
})

it('random bytes are refused with a KosError', () => {
  fuzz(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
      assert.equal(
        attempt(() => parseCertificate(bytes)),
        undefined,
      )
      assert.equal(
        attempt(() => parseCsr(bytes)),
        undefined,
      )
    }),
  )
})

it('names survive a round trip', () => {
  const attribute = fc.record({
    oid: fc.constantFrom('2.5.4.3', '2.5.4.10'),
    value: fc.string({ unit: 'grapheme', minLength: 1, maxLength: 40 }),
  })
  fuzz(
    fc.property(fc.array(attribute, { maxLength: 8 }), (attributes) => {
      const name = buildName(attributes)
      assert.deepEqual(parseName(name.der).attributes, name.attributes)
    }),
  )
})
