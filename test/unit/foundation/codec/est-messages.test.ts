/** Certs-only CMS messages and CSR attributes, byte by byte and as openssl reads them. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import {
  buildCertificate,
  buildCertsOnly,
  buildCsrAttributes,
  DerReader,
  MAX_CERTIFICATE_BYTES,
} from '../../../../src/foundation/codec/index.ts'
import { findOpenssl } from '../../../kit/openssl.ts'
import { leafFields, testKey } from '../../../kit/x509.ts'

const { openssl, skip } = findOpenssl()

function certificates(count: number): Uint8Array[] {
  const key = testKey()
  return Array.from({ length: count }, (_, index) =>
    buildCertificate({ ...leafFields(key.spki), serial: Uint8Array.of(1, index) }, key.signer),
  )
}

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')
const rule = (name: string) => ({ code: 'KOS_CODEC_X509', details: { rule: name } })

describe('certs-only', () => {
  test('is SignedData of version 1 without digests, content and signers', () => {
    const [certificate = new Uint8Array()] = certificates(1)
    const outer = new DerReader(buildCertsOnly([certificate]))
    const info = outer.sequence()
    outer.end()
    assert.equal(info.objectIdentifier(), '1.2.840.113549.1.7.2')
    const wrapped = info.enter(0xa0)
    info.end()
    const signed = wrapped.sequence()
    wrapped.end()
    assert.equal(signed.smallInteger(), 1)
    assert.deepEqual(signed.setOf(), [])
    const content = signed.sequence()
    assert.equal(content.objectIdentifier(), '1.2.840.113549.1.7.1')
    content.end()
    assert.equal(hex(signed.content(0xa0)), hex(certificate))
    assert.deepEqual(signed.setOf(), [])
    signed.end()
  })

  test('is the same for every order, as DER demands of sets', () => {
    const some = certificates(5)
    const message = buildCertsOnly(some)
    assert.equal(hex(buildCertsOnly(some.toReversed())), hex(message))
    const [first = new Uint8Array()] = some.toSorted((a, b) => Buffer.compare(a, b))
    assert.ok(hex(message).includes(`${hex(first)}`))
  })

  test('openssl prints every certificate', { skip }, () => {
    const some = certificates(3)
    const printed = openssl.run(['pkcs7', '-inform', 'DER', '-in', '{p7}', '-print_certs'], {
      p7: buildCertsOnly(some),
    })
    assert.equal(printed.match(/BEGIN CERTIFICATE/g)?.length, 3)
  })

  test('no certificates, too many, and what is too large for one are misuse', () => {
    const one = new Uint8Array(8)
    assert.throws(() => buildCertsOnly([]), rule('certs-only-count'))
    assert.throws(
      () => buildCertsOnly(Array.from({ length: 33 }, () => one)),
      rule('certs-only-count'),
    )
    const large = new Uint8Array(MAX_CERTIFICATE_BYTES + 1)
    assert.throws(() => buildCertsOnly([one, large]), rule('certs-only-size'))
  })
})

test('the attributes of requests are a P-256 key and ECDSA with SHA-256', () => {
  assert.equal(
    hex(buildCsrAttributes()),
    '3021' +
      // id-ecPublicKey { secp256r1 }
      '3015' +
      '06072a8648ce3d0201' +
      '310a' +
      '06082a8648ce3d030107' +
      // ecdsa-with-SHA256
      '06082a8648ce3d040302',
  )
})
