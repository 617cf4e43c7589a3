import assert from 'node:assert/strict'
import { it } from 'node:test'
import fc from 'fast-check'
import { equalBytes, KosError } from '../../src/foundation/base/index.ts'
import {
  importPkixKey,
  parseCrl,
  parsePkixCertificate,
  peekPkixSubject,
  verifyPkixSignature,
} from '../../src/foundation/codec/index.ts'
import { PATH_REASONS, validatePath } from '../../src/trust/pki/index.ts'
import { fuzz } from '../kit/fuzz.ts'
import { crlEntry } from '../kit/pkix.ts'
import { chainInput, signChain, validChain } from '../kit/pkix-chain.ts'

const spec = validChain()
spec.crls.leaf.parts.entries = [crlEntry(Buffer.from('02020102', 'hex'))]
const signed = signChain(spec)
const input = chainInput(spec, signed)
const crl = Buffer.from(signed.crls[2] ?? [])
const original = parseCrl(crl)
const issuer = parsePkixCertificate(signed.second).publicKey
const issuerKey = importPkixKey(issuer)

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

const edits = (length: number): fc.Arbitrary<readonly Edit[]> =>
  fc.array(
    fc.record({
      at: fc.nat(length - 1),
      remove: fc.nat(20),
      insert: fc.uint8Array({ maxLength: 20 }),
    }),
    { minLength: 1, maxLength: 3 },
  )
interface Edit {
  readonly at: number
  readonly remove: number
  readonly insert: Uint8Array
}

function edited(der: Uint8Array, changes: readonly Edit[]): Uint8Array {
  let bytes = Buffer.from(der)
  for (const { at, remove, insert } of changes) {
    bytes = Buffer.concat([bytes.subarray(0, at), insert, bytes.subarray(at + remove)])
  }
  return bytes
}

it('every single flipped bit of a list is refused or no longer verifies', () => {
  for (let bit = 0; bit < crl.length * 8; bit++) {
    const flipped = Buffer.from(crl)
    flipped[bit >> 3] = (flipped[bit >> 3] ?? 0) ^ (1 << (bit & 7))
    const parsed = attempt(() => parseCrl(flipped))
    if (!parsed) continue
    const sameTbs = equalBytes(parsed.tbs, original.tbs)
    // Verification costs most of the time: always for the tail, sampled for the signed part.
    if (sameTbs || bit % 8 === 0) assert.ok(!verifyPkixSignature(parsed, issuer, issuerKey))
  }
})

it('cut, spliced and overwritten lists are refused with KOS_CODEC_X509', () => {
  fuzz(
    fc.property(edits(crl.length), (changes) => {
      const bytes = edited(crl, changes)
      const parsed = attempt(() => parseCrl(bytes))
      if (parsed && !equalBytes(bytes, crl)) {
        assert.ok(!verifyPkixSignature(parsed, issuer, issuerKey))
      }
    }),
  )
})

it('random bytes are refused with a KosError', () => {
  fuzz(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
      assert.equal(
        attempt(() => parseCrl(bytes)),
        undefined,
      )
      assert.equal(
        attempt(() => parsePkixCertificate(bytes)),
        undefined,
      )
      assert.equal(peekPkixSubject(bytes), undefined)
    }),
  )
})

it('a validation of edited certificates throws nothing and accepts nothing else', () => {
  const place = fc.constantFrom('leaf', 'second', 'first', 'crl')
  fuzz(
    fc.property(place, edits(crl.length), (which, changes) => {
      const change = (name: string, der: Uint8Array): Uint8Array =>
        name === which ? edited(der, changes) : der
      const target = change('leaf', signed.leaf)
      const candidates = [change('first', signed.first), change('second', signed.second)]
      const crls = [...signed.crls.slice(0, 2), change('crl', crl)]
      const result = validatePath({ ...input, target, candidates, crls })
      if (!result.allow) assert.ok(Object.hasOwn(PATH_REASONS, result.rule))
      else {
        assert.ok(equalBytes(result.certificates[0]?.der ?? new Uint8Array(), signed.leaf))
        assert.ok(equalBytes(crls[2] ?? new Uint8Array(), crl))
      }
    }),
  )
})
