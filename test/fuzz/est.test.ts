/**
 * What EST clients send: a good request is taken; changed or invented bytes are refused, never an error,
 * and no change gets another key certified than the one that signed.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { isRefusal, toHex } from '../../src/foundation/base/index.ts'
import { decodeEstBody, encodeEstBody, parseBasic } from '../../src/apps/authority/est-http.ts'
import { extensionRequest, subjectAltNamesExtension } from '../../src/foundation/codec/index.ts'
import { verifyEstCsr } from '../../src/lifecycle/enrolment/est-csr.ts'
import { BINDING, estCsr } from '../kit/est.ts'
import { fuzz } from '../kit/fuzz.ts'
import { testKey } from '../kit/x509.ts'

const key = testKey()
const names = subjectAltNamesExtension({ uris: ['spiffe://kos.internal/device/kdev-a'] })
const csr = estCsr(key, { attributes: [extensionRequest([names])] })

test('changed requests are refused, or are for the key that signed', () => {
  const change = fc.record({
    at: fc.nat(csr.length - 1),
    value: fc.nat(255),
    cut: fc.option(fc.nat(csr.length), { freq: 8 }),
  })
  fuzz(
    fc.property(fc.array(change, { minLength: 1, maxLength: 3 }), (changes) => {
      let bytes = Buffer.from(csr)
      for (const { at, value, cut } of changes) {
        if (at < bytes.length) bytes[at] = value
        if (cut !== null) bytes = bytes.subarray(0, cut)
      }
      const result = verifyEstCsr(bytes, BINDING)
      if (isRefusal(result)) assert.match(result.code, /^KOS_ENROLMENT_(?:CSR|PROOF)$/)
      else assert.equal(toHex(result.tlsSpki), toHex(key.spki))
    }),
  )
})

test('invented requests are refused', () => {
  fuzz(
    fc.property(fc.uint8Array({ maxLength: 600 }), (bytes) => {
      assert.ok(isRefusal(verifyEstCsr(bytes, BINDING)))
    }),
  )
})

test('bodies come back, whatever white space stands in them; others are refused', () => {
  fuzz(
    fc.property(fc.uint8Array({ minLength: 1, maxLength: 300 }), (bytes) => {
      const read = decodeEstBody(Buffer.from(encodeEstBody(bytes)))
      assert.ok(!isRefusal(read))
      assert.equal(toHex(read), toHex(bytes))
    }),
  )
  fuzz(
    fc.property(fc.string({ maxLength: 80 }), (text) => {
      const read = decodeEstBody(Buffer.from(text))
      const plain = text.replaceAll(/[ \t\r\n]/g, '')
      if (!isRefusal(read)) assert.equal(Buffer.from(read).toString('base64'), plain)
    }),
  )
})

test('credentials are read or not, never an error', () => {
  fuzz(
    fc.property(fc.string({ maxLength: 120 }), (text) => {
      const encoded = Buffer.from(text).toString('base64')
      assert.doesNotThrow(() => parseBasic(text))
      const read = parseBasic(`Basic ${encoded}`)
      if (read) assert.equal(`${read.user}:${read.password}`, Buffer.from(text).toString())
    }),
  )
})
