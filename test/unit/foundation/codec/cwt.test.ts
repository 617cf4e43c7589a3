/** CBOR Web Tokens: what is signed is read, and every other form is refused. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { concatBytes, equalBytes, isRefusal, utf8 } from '../../../../src/foundation/base/index.ts'
import {
  type CborInput,
  type CwtClaims,
  encodeCbor,
  signCose1,
  signCwt,
  verifyCwt,
} from '../../../../src/foundation/codec/index.ts'
import { cosePair } from '../../../kit/cose.ts'

const issuer = cosePair('ES256')
const resolve = (keyId: Uint8Array) =>
  equalBytes(keyId, issuer.verifier.keyId) ? issuer.verifier : undefined

const CLAIMS: CwtClaims = {
  issuer: 'a',
  subject: 'b',
  audience: 'c',
  expiresAt: 600,
  notBefore: 0,
  issuedAt: 0,
  id: Uint8Array.of(1),
  confirmationKeyId: new Uint8Array(32).fill(2),
}

const TAG = Uint8Array.of(0xd8, 0x3d)

function ruleOf(token: Uint8Array): string {
  const verified = verifyCwt(token, resolve)
  assert.ok(isRefusal(verified))
  assert.equal(verified.code, 'KOS_CODEC_COSE')
  return verified.rule
}

/** A token of other claims, signed by the issuer. */
function signedMap(entries: readonly (readonly [number, CborInput])[]): Uint8Array {
  const payload = encodeCbor(new Map(entries))
  return concatBytes(TAG, signCose1({ payload, externalAad: new Uint8Array(0) }, issuer.signer))
}

test('claims come back as they were signed', () => {
  const verified = verifyCwt(signCwt(CLAIMS, issuer.signer), resolve)
  assert.deepEqual(verified, CLAIMS)
})

test('other tags, keys, contexts and lengths are refused', () => {
  const token = signCwt(CLAIMS, issuer.signer)
  assert.equal(ruleOf(token.subarray(2)), 'format: tag')
  assert.equal(ruleOf(new Uint8Array(0)), 'format: tag')
  assert.equal(ruleOf(concatBytes(TAG, token)), 'format: tag: not allowed here')
  assert.equal(ruleOf(signCwt(CLAIMS, cosePair('ES256').signer)), 'key id')
  const payload = encodeCbor(1)
  const context = { payload, externalAad: utf8('kos-directory') }
  assert.equal(ruleOf(concatBytes(TAG, signCose1(context, issuer.signer))), 'signature')
  assert.equal(ruleOf(new Uint8Array(3000)), 'format: too long')
  const changed = Uint8Array.from(token)
  changed[changed.length - 1] = (changed[changed.length - 1] ?? 0) ^ 1
  assert.equal(ruleOf(changed), 'signature')
})

test('claims that are missing, unknown, of other types or lengths are refused', () => {
  const good: readonly (readonly [number, CborInput])[] = [
    [1, 'a'],
    [2, 'b'],
    [3, 'c'],
    [4, 600],
    [5, 0],
    [6, 0],
    [7, Uint8Array.of(1)],
    [8, new Map([[3, new Uint8Array(32)]])],
  ]
  assert.ok(!isRefusal(verifyCwt(signedMap(good), resolve)))
  for (let at = 0; at < good.length; at++) {
    const missing = good.filter((_, index) => index !== at)
    assert.equal(ruleOf(signedMap(missing)), 'claims: number')
    assert.equal(ruleOf(signedMap([...missing, [9, 0]])), 'claims: unknown')
    const otherType = good.map(([key, value], index) => [key, index === at ? [] : value] as const)
    assert.match(ruleOf(signedMap(otherType)), /^(?:format: |claims: )/)
  }
  assert.equal(ruleOf(signedMap([...good, [9, 0]])), 'claims: number')
  const lengths: readonly (readonly [number, CborInput])[] = [
    [7, new Uint8Array(0)],
    [7, new Uint8Array(65)],
    [8, new Map([[3, new Uint8Array(16)]])],
    [8, new Map([[2, new Uint8Array(32)]])],
    [8, new Map()],
  ]
  for (const [key, value] of lengths) {
    const changed = good.map((entry) => (entry[0] === key ? ([key, value] as const) : entry))
    assert.match(ruleOf(signedMap(changed)), /^(?:format: trailing|claims: length)/)
  }
  const text = good.map((entry) => (entry[0] === 2 ? ([2, 'x'.repeat(513)] as const) : entry))
  assert.match(ruleOf(signedMap(text)), /^format: /)
})
