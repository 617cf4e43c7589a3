/** CBOR Web Tokens: any bytes are refused, and so is any change of a token. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { concatBytes, isRefusal } from '../../src/foundation/base/index.ts'
import { signCose1, signCwt, verifyCwt } from '../../src/foundation/codec/index.ts'
import { cosePair } from '../kit/cose.ts'
import { fuzz } from '../kit/fuzz.ts'

const issuer = cosePair('EdDSA')
const resolve = () => issuer.verifier
const TAG = Uint8Array.of(0xd8, 0x3d)
const bytes = fc.uint8Array({ maxLength: 120 })

test('any bytes, and any signed bytes, are refused', () => {
  fuzz(
    fc.property(bytes, (some) => {
      assert.ok(isRefusal(verifyCwt(some, resolve)))
      const content = { payload: some, externalAad: new Uint8Array(0) }
      assert.ok(isRefusal(verifyCwt(concatBytes(TAG, signCose1(content, issuer.signer)), resolve)))
    }),
  )
})

test('a token is read as it was made, and no changed one is', () => {
  const uri = fc.string({ maxLength: 40, unit: 'binary' })
  const uris = fc.tuple(uri, uri, uri).filter((some) => some.every((text) => text.isWellFormed()))
  const time = fc.nat({ max: 2 ** 40 })
  const id = fc.uint8Array({ minLength: 1, maxLength: 64 })
  const claims = fc.record({ uris, expiresAt: time, notBefore: time, issuedAt: time, id })
  fuzz(
    fc.property(claims, fc.nat(), fc.integer({ min: 1, max: 255 }), (made, at, bits) => {
      const { uris: named, ...rest } = made
      const [issuedBy, subject, audience] = named
      const confirmationKeyId = new Uint8Array(32).fill(at)
      const all = { issuer: issuedBy, subject, audience, confirmationKeyId, ...rest }
      const token = signCwt(all, issuer.signer)
      assert.deepEqual(verifyCwt(token, resolve), all)
      const changed = Uint8Array.from(token)
      changed[at % changed.length] = (changed[at % changed.length] ?? 0) ^ bits
      assert.ok(isRefusal(verifyCwt(changed, resolve)))
    }),
  )
})
