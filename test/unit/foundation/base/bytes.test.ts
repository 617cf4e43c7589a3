import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import {
  concatBytes,
  equalBytes,
  equalConstantTime,
  fromBase64Url,
  fromHex,
  sha256,
  toBase32,
  toBase64Url,
  toHex,
  utf8,
} from '../../../../src/foundation/base/index.ts'

/** Plain views, because deepEqual tells a Buffer from a Uint8Array. */
const plain = (bytes: Uint8Array | undefined): Uint8Array | undefined =>
  bytes && new Uint8Array(bytes)

describe('base32', () => {
  // RFC 4648 section 10, in lower case and without padding.
  const vectors = [
    ['', ''],
    ['f', 'my'],
    ['fo', 'mzxq'],
    ['foo', 'mzxw6'],
    ['foob', 'mzxw6yq'],
    ['fooba', 'mzxw6ytb'],
    ['foobar', 'mzxw6ytboi'],
  ] as const
  for (const [text, encoded] of vectors) {
    test(`"${text}"`, () => assert.equal(toBase32(utf8(text)), encoded))
  }

  test('all bits set', () => {
    assert.equal(toBase32(new Uint8Array(16).fill(255)), '77777777777777777777777774')
  })
})

describe('base64url', () => {
  // RFC 4648 section 10, without padding.
  const vectors = [
    ['', ''],
    ['f', 'Zg'],
    ['fo', 'Zm8'],
    ['foo', 'Zm9v'],
    ['foobar', 'Zm9vYmFy'],
  ] as const
  for (const [text, encoded] of vectors) {
    test(`"${text}" there and back`, () => {
      assert.equal(toBase64Url(utf8(text)), encoded)
      assert.deepEqual(plain(fromBase64Url(encoded)), plain(utf8(text)))
    })
  }

  test('uses the alphabet for file names', () => {
    assert.equal(toBase64Url(Uint8Array.of(0xfb, 0xff)), '-_8')
  })

  for (const text of ['Zg==', 'Zh', 'Zg ', '+/8', 'Z', 'Zm9vé']) {
    test(`refuses "${text}"`, () => assert.equal(fromBase64Url(text), undefined))
  }
})

describe('hexadecimal', () => {
  test('there and back', () => {
    assert.equal(toHex(Uint8Array.of(0, 1, 0xab, 255)), '0001abff')
    assert.deepEqual(plain(fromHex('0001abff')), Uint8Array.of(0, 1, 0xab, 255))
    assert.deepEqual(plain(fromHex('')), new Uint8Array())
  })

  for (const text of ['0', 'AB', '0g', '0x00', ' 00', '00\n']) {
    test(`refuses ${JSON.stringify(text)}`, () => assert.equal(fromHex(text), undefined))
  }
})

describe('bytes', () => {
  test('a view into a larger buffer is encoded alone', () => {
    const view = new Uint8Array([9, 1, 2, 9]).subarray(1, 3)
    assert.equal(toHex(view), '0102')
    assert.ok(equalBytes(view, Uint8Array.of(1, 2)))
  })

  test('joining copies', () => {
    const part = Uint8Array.of(1)
    const joined = concatBytes(part, Uint8Array.of(2, 3))
    part[0] = 7
    assert.deepEqual(plain(joined), Uint8Array.of(1, 2, 3))
  })

  for (const equal of [equalBytes, equalConstantTime]) {
    test(`${equal.name} tells bytes apart`, () => {
      assert.ok(equal(Uint8Array.of(1, 2), Buffer.of(1, 2)))
      assert.ok(equal(new Uint8Array(), new Uint8Array()))
      assert.ok(!equal(Uint8Array.of(1, 2), Uint8Array.of(1, 3)))
      assert.ok(!equal(Uint8Array.of(1, 2), Uint8Array.of(1)))
    })
  }

  test('SHA-256 of "abc"', () => {
    // FIPS 180-4, NIST example.
    assert.equal(
      toHex(sha256(utf8('abc'))),
      'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad',
    )
  })
})
