/** What certificate requests carry beside names and key. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import {
  type CertificateRequest,
  challengePassword,
  type CsrAttribute,
  derOctetString,
  derOid,
  derSequence,
  derTlv,
  extensionRequest,
  parseCsr,
  requestedExtensions,
} from '../../../../src/foundation/codec/index.ts'
import { estCsr } from '../../../kit/est.ts'
import { testKey } from '../../../kit/x509.ts'

const key = testKey()
const withAttributes = (...attributes: readonly CsrAttribute[]): CertificateRequest =>
  parseCsr(estCsr(key, { attributes }))
const rule = (name: string) => ({ code: 'KOS_CODEC_X509', details: { rule: name } })
const text = (tag: number, value: string): Uint8Array => derTlv(tag, Buffer.from(value))
const challenge = (...values: readonly Uint8Array[]): CsrAttribute => ({
  oid: '1.2.840.113549.1.9.7',
  values,
})

describe('requested extensions', () => {
  const value = derOctetString(Uint8Array.of(1))

  test('are read in order, with their flags', () => {
    const asked = [
      { oid: '2.5.29.14', critical: false, value },
      { oid: '1.2.3.4', critical: true, value },
    ]
    const read = requestedExtensions(withAttributes(extensionRequest(asked)))
    assert.deepEqual(
      read.map(({ oid, critical }) => [oid, critical]),
      [
        ['2.5.29.14', false],
        ['1.2.3.4', true],
      ],
    )
  })

  test('are none where none is asked for', () => {
    assert.deepEqual(requestedExtensions(withAttributes()), [])
  })

  test('in another form are refused', () => {
    const one = { oid: '1.2.3.4', critical: false, value }
    const twice = extensionRequest([one, one])
    assert.throws(() => requestedExtensions(withAttributes(twice)), rule('extension-twice'))
    const { oid, values } = extensionRequest([one])
    const two = { oid, values: [...values, derSequence(derOid('1.2.3'))] }
    assert.throws(() => requestedExtensions(withAttributes(two)), rule('attribute-values'))
    const both = [extensionRequest([one]), extensionRequest([{ ...one, critical: true }])]
    assert.throws(() => requestedExtensions(withAttributes(...both)), rule('attribute-values'))
    const none = { oid, values: [derSequence()] }
    assert.throws(() => requestedExtensions(withAttributes(none)), rule('der-missing'))
  })
})

describe('the challenge password', () => {
  test('is a PrintableString or a UTF8String', () => {
    assert.equal(challengePassword(withAttributes(challenge(text(0x13, 'ab+/=')))), 'ab+/=')
    assert.equal(challengePassword(withAttributes(challenge(text(0x0c, 'é')))), 'é')
    assert.equal(challengePassword(withAttributes()), undefined)
  })

  test('in another form is refused', () => {
    const refused: readonly (readonly [CsrAttribute, string])[] = [
      [challenge(text(0x13, '')), 'challenge'],
      [challenge(text(0x0c, 'x'.repeat(256))), 'challenge'],
      [challenge(text(0x16, 'ia5')), 'der-unexpected'],
      [challenge(text(0x13, 'a'), text(0x13, 'b')), 'attribute-values'],
    ]
    for (const [attribute, name] of refused) {
      assert.throws(() => challengePassword(withAttributes(attribute)), rule(name), name)
    }
  })
})
