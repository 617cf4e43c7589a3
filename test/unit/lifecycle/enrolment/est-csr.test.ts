/** Certificate requests of EST clients: what is looked at, and what is only a wish. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import {
  buildName,
  derOctetString,
  derTlv,
  extensionRequest,
  keyUsageExtension,
  subjectAltNamesExtension,
} from '../../../../src/foundation/codec/index.ts'
import { verifyEstCsr } from '../../../../src/lifecycle/enrolment/est-csr.ts'
import { accepted, assertRefused } from '../../../kit/enrolment.ts'
import { BINDING, estCsr } from '../../../kit/est.ts'
import { testKey } from '../../../kit/x509.ts'

const key = testKey()
const challenge = (text: string) => ({
  oid: '1.2.840.113549.1.9.7',
  values: [derTlv(0x13, Buffer.from(text))],
})

test('a P-256 key that signed it is enough', () => {
  const { tlsSpki, extensions } = accepted(verifyEstCsr(estCsr(key), BINDING))
  assert.deepEqual(Buffer.from(tlsSpki), Buffer.from(key.spki))
  assert.deepEqual(extensions, [])
})

test('names and known extensions are wishes; unknown ones too, unless critical', () => {
  const wishes = [
    keyUsageExtension(['keyCertSign']),
    subjectAltNamesExtension({ dnsNames: ['bank.example'] }),
    { oid: '1.2.3.4', critical: false, value: derOctetString(Uint8Array.of(1)) },
  ]
  const subject = buildName([{ oid: '2.5.4.3', value: 'bank.example' }])
  const attributes = [extensionRequest(wishes), { oid: '1.2.3', values: [Uint8Array.of(5, 0)] }]
  accepted(verifyEstCsr(estCsr(key, { subject, attributes }), BINDING))
})

describe('the binding to the connection', () => {
  test('is not demanded, since clients of TLS 1.3 have no tls-unique; the right one is taken', () => {
    const right = challenge(Buffer.from(BINDING).toString('base64'))
    accepted(verifyEstCsr(estCsr(key, { attributes: [right] }), BINDING))
  })

  test('that is a wrong one is refused', () => {
    for (const text of ['x', Buffer.from(new Uint8Array(32)).toString('base64')]) {
      const csr = estCsr(key, { attributes: [challenge(text)] })
      assertRefused(verifyEstCsr(csr, BINDING), 'KOS_ENROLMENT_PROOF', 'proof/challenge-password')
    }
  })
})

test('other keys, points off the curve and other forms are refused', () => {
  const other = verifyEstCsr(estCsr(testKey('ed25519')), BINDING)
  assertRefused(other, 'KOS_ENROLMENT_CSR', 'csr/key-algorithm')
  const off = Buffer.from(estCsr(key))
  const at = off.indexOf(Buffer.from(key.spki).subarray(-64))
  off.fill(1, at, at + 64)
  assertRefused(verifyEstCsr(off, BINDING), 'KOS_ENROLMENT_CSR', 'csr/spki')
  const cut = estCsr(key).subarray(0, 100)
  assertRefused(verifyEstCsr(cut, BINDING), 'KOS_ENROLMENT_CSR', 'csr/der-cut')
})
