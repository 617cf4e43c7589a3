/** Rules of certificates and CRLs of any issuer that no whole chain is needed for. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { KosError, unixMs, utf8 } from '../../../../src/foundation/base/index.ts'
import {
  buildCrl,
  buildName,
  certificateSignerFromKey,
  type CrlFields,
  derInteger,
  derOid,
  derSequence,
  derTlv,
  importPkixKey,
  MAX_CRL_BYTES,
  NAME_OID,
  parseCrl,
  parsePkixCertificate,
  peekPkixSubject,
  verifyPkixSignature,
} from '../../../../src/foundation/codec/index.ts'
import { derSetOf } from '../../../../src/foundation/codec/der-writer.ts'
import { readPkixSignature } from '../../../../src/foundation/codec/x509-pkix-signatures.ts'
import {
  crlEntry,
  encodePkix,
  encodePkixCrl,
  nameStep,
  PKIX_END,
  PKIX_NOW,
  PKIX_START,
  type PkixCrlParts,
  pkixKey,
  pkixName,
  type PkixParts,
  pssIdentifier,
  rawExtension,
} from '../../../kit/pkix.ts'
import { leafExtensions, policies } from '../../../kit/pkix-chain.ts'

const ca = pkixKey('P-256', 'ca')
const key = pkixKey('P-256', 'leaf')
const hex = (text: string): Uint8Array => Buffer.from(text, 'hex')

function encode(changes: Partial<PkixParts> = {}): Uint8Array {
  const parts = {
    issuer: pkixName('Test', 'CA'),
    subject: pkixName('Test', 'leaf'),
    spki: key.spki,
    extensions: [...leafExtensions(key, ca).values()],
  }
  return encodePkix({ ...parts, ...changes }, ca)
}

function refuses(run: () => unknown, rule: string): void {
  assert.throws(run, (error: unknown) => {
    assert.ok(error instanceof KosError)
    assert.equal(error.code, 'KOS_CODEC_X509')
    assert.equal(error.details['rule'], rule)
    return true
  })
}

describe('certificates of any issuer', () => {
  it('read every field that was written', () => {
    const der = Buffer.from(encode({ serial: hex('020300ff01') }))
    const parsed = parsePkixCertificate(der)
    der.fill(0)
    assert.equal(parsed.serialHex, 'ff01')
    assert.equal(parsed.notBefore, PKIX_START)
    assert.equal(parsed.notAfter, PKIX_END)
    assert.equal(parsed.publicKey.algorithm, 'P-256')
    assert.equal(parsed.selfIssued, false)
    assert.deepEqual(parsed.subjectAltNames?.dnsNames, ['leaf.example.com'])
    assert.deepEqual(parsed.certificatePolicies, ['1.3.6.1.4.1.99999.1'])
    assert.equal(peekPkixSubject(parsed.der), parsed.subject.key)
    const publicKey = parsePkixCertificate(encode({ spki: ca.spki })).publicKey
    assert.ok(verifyPkixSignature(parsed, publicKey, importPkixKey(publicKey)))
  })

  it('refuse what is too large, and peek at nothing of it', () => {
    refuses(() => parsePkixCertificate(new Uint8Array(16_385)), 'size')
    assert.equal(peekPkixSubject(new Uint8Array(16_385)), undefined)
    assert.equal(peekPkixSubject(Uint8Array.of(0x30, 0x80)), undefined)
  })

  it('compare names of several attributes in one step whatever their order', () => {
    const attribute = (oid: string, value: string): Uint8Array =>
      derSequence(derOid(oid), derTlv(12, utf8(value)))
    const name = (a: string, b: string): Uint8Array =>
      derSequence(derSetOf(attribute('2.5.4.3', a), attribute('2.5.4.10', b)))
    const one = parsePkixCertificate(encode({ subject: name('x', 'LONGER') }))
    const other = parsePkixCertificate(encode({ subject: name('X', 'longer') }))
    assert.equal(one.subject.key, other.subject.key)
    // Two steps of one attribute are another name than one step of two.
    const steps = derSequence(nameStep('2.5.4.3', 'x'), nameStep('2.5.4.10', 'longer'))
    assert.notEqual(parsePkixCertificate(encode({ subject: steps })).subject.key, one.subject.key)
  })

  const base = (name: Uint8Array): Partial<PkixParts> => ({ subject: name })
  const altName = (...names: readonly Uint8Array[]): Partial<PkixParts> => ({
    extensions: [rawExtension('2.5.29.17', derSequence(...names))],
  })
  const withExtension = (oid: string, value: Uint8Array, critical = false): Partial<PkixParts> => ({
    extensions: [rawExtension(oid, value, critical)],
  })
  const spki = (oid: string, parameters: Uint8Array, bits: Uint8Array): Partial<PkixParts> => ({
    spki: derSequence(
      derSequence(derOid(oid), parameters),
      derTlv(3, Buffer.concat([hex('00'), bits])),
    ),
  })
  const NULL = hex('0500')
  const RSA = '1.2.840.113549.1.1.1'
  const EC = '1.2.840.10045.2.1'
  const evenModulus = derSequence(derTlv(2, Buffer.alloc(256, 0x40)), derInteger(65_537))
  const hugeModulus = derSequence(derTlv(2, Buffer.alloc(1025, 0x41)), derInteger(65_537))
  const cases: readonly (readonly [rule: string, changes: Partial<PkixParts>])[] = [
    ['name-size', base(derSequence(...Array.from({ length: 33 }, () => nameStep('2.5.4.3', 'x'))))],
    ['name-size', base(derSequence(derTlv(0x31, new Uint8Array())))],
    ['name-value', base(derSequence(nameStep('2.5.4.3', '')))],
    ['name-value', base(derSequence(nameStep('2.5.4.3', 'x'.repeat(1025))))],
    ['names-count', altName(...Array.from({ length: 513 }, () => derTlv(0x82, utf8('a'))))],
    ['names-uri', altName(derTlv(0x86, utf8('a:')))],
    ['names-uri', altName(derTlv(0x86, utf8(`a:${'b'.repeat(2048)}`)))],
    ['names-email', altName(derTlv(0x81, utf8('a@b@c')))],
    ['names-email', altName(derTlv(0x81, utf8('a@*.c')))],
    [
      'key-id',
      withExtension(
        '2.5.29.35',
        derSequence(derTlv(0xa1, derTlv(0x82, utf8('a'))), derTlv(0x82, new Uint8Array())),
      ),
    ],
    ['der-missing', withExtension('2.5.29.35', derSequence(derTlv(0xa1, derTlv(0x82, utf8('a')))))],
    [
      'policies-count',
      { extensions: [policies(Array.from({ length: 65 }, (_, i) => `1.2.${i}`))] },
    ],
    [
      'der-trailing',
      withExtension(
        '2.5.29.32',
        derSequence(
          derSequence(derOid('1.2.3'), derSequence(derSequence(derOid('1.2'), NULL)), NULL),
        ),
      ),
    ],
    [
      'mappings-count',
      withExtension(
        '2.5.29.33',
        derSequence(...Array.from({ length: 65 }, () => derSequence(derOid('1.2'), derOid('1.3')))),
      ),
    ],
    ['policy-constraints', withExtension('2.5.29.36', derSequence(derTlv(0x80, hex('ff'))))],
    ['policy-constraints', withExtension('2.5.29.36', derSequence(derTlv(0x81, hex('0001'))))],
    ['policy-constraints', withExtension('2.5.29.36', derSequence(derTlv(0x81, hex(''))))],
    ['ca-only', withExtension('2.5.29.54', derInteger(0))],
    [
      'subtrees-count',
      withExtension(
        '2.5.29.30',
        derSequence(
          derTlv(
            0xa0,
            Buffer.concat(Array.from({ length: 129 }, () => derSequence(derTlv(0x82, utf8('a'))))),
          ),
        ),
      ),
    ],
    [
      'names-dns',
      withExtension('2.5.29.30', derSequence(derTlv(0xa0, derSequence(derTlv(0x82, utf8('*.a')))))),
    ],
    [
      'names-uri',
      withExtension('2.5.29.30', derSequence(derTlv(0xa0, derSequence(derTlv(0x86, utf8('')))))),
    ],
    [
      'names-email',
      withExtension('2.5.29.30', derSequence(derTlv(0xa0, derSequence(derTlv(0x81, utf8('@a')))))),
    ],
    ['spki', spki(RSA, new Uint8Array(), evenModulus)],
    ['rsa-modulus', spki(RSA, NULL, evenModulus)],
    ['der-integer-size', spki(RSA, NULL, hugeModulus)],
    ['curve-parameters', spki(EC, new Uint8Array(), new Uint8Array(65))],
    ['curve-parameters', spki(EC, NULL, new Uint8Array(65))],
    ['spki', spki(EC, derOid('1.2.840.10045.3.1.7'), new Uint8Array(33).fill(2))],
    ['spki', spki(EC, derOid('1.3.132.0.34'), new Uint8Array(97))],
    ['spki', spki('1.3.101.112', NULL, new Uint8Array(32))],
    ['spki', spki('1.3.101.112', new Uint8Array(), new Uint8Array(31))],
    [
      'pss-parameters',
      spki(
        '1.2.840.113549.1.1.10',
        hex('3000'),
        derSequence(derTlv(2, Buffer.alloc(256, 0x41)), derInteger(65_537)),
      ),
    ],
    [
      'subject',
      { subject: derSequence(), extensions: [rawExtension('2.5.29.19', hex('30030101ff'), true)] },
    ],
  ]
  for (const [i, [rule, changes]] of cases.entries()) {
    it(`refuse ${rule} (${i})`, () => refuses(() => parsePkixCertificate(encode(changes)), rule))
  }

  it('take an RSASSA-PSS key without parameters, and qualifiers that inform', () => {
    const rsa = derSequence(derTlv(2, Buffer.alloc(256, 0x41)), derInteger(65_537))
    const parsed = parsePkixCertificate(
      encode(spki('1.2.840.113549.1.1.10', new Uint8Array(), rsa)),
    )
    assert.deepEqual(
      [parsed.publicKey.algorithm, parsed.publicKey.modulusBits, parsed.publicKey.pssDigest],
      ['RSA-PSS', 2047, undefined],
    )
    const cps = derSequence(derOid('1.3.6.1.5.5.7.2.1'), derTlv(22, utf8('https://a')))
    const value = derSequence(derSequence(derOid('1.2.3'), derSequence(cps)))
    const changes = withExtension('2.5.29.32', value, true)
    assert.deepEqual(parsePkixCertificate(encode(changes)).certificatePolicies, ['1.2.3'])
  })
})

describe('signature identifiers', () => {
  const signature = derSequence(derInteger(1), derInteger(1))
  it('say their algorithm', () => {
    const algorithm = (oid: string, ...rest: readonly Uint8Array[]): Uint8Array =>
      derSequence(derOid(oid), ...rest)
    assert.equal(readPkixSignature(algorithm('1.2.840.10045.4.3.4'), signature), 'ES512')
    const rsa = '1.2.840.113549.1.1.13'
    assert.equal(readPkixSignature(algorithm(rsa), signature), 'RS512')
    assert.equal(readPkixSignature(algorithm(rsa, hex('0500')), signature), 'RS512')
    assert.equal(readPkixSignature(pssIdentifier(), signature), 'PS256')
    const rule = 'signature-algorithm'
    refuses(() => readPkixSignature(algorithm(rsa, derInteger(1)), signature), rule)
    refuses(() => readPkixSignature(algorithm('1.2.840.10045.4.3.4', hex('0500')), signature), rule)
    refuses(
      () => readPkixSignature(algorithm('1.2.840.113549.1.1.5', hex('0500')), signature),
      rule,
    )
    refuses(
      () => readPkixSignature(algorithm('1.2.840.113549.1.1.10'), signature),
      'pss-parameters',
    )
    refuses(() => readPkixSignature(algorithm('1.3.101.112'), new Uint8Array(63)), 'signature-size')
  })

  it('bind a key that restricts itself to one digest', () => {
    const pss = pkixKey('RSA-PSS', 'root')
    const parsed = parsePkixCertificate(encode({ spki: pss.spki }))
    assert.equal(parsed.publicKey.pssDigest, 'sha256')
    const imported = importPkixKey(parsed.publicKey)
    const tbs = utf8('signed')
    const signed = { tbs, signature: pss.sign(tbs), signatureAlgorithm: 'PS256' } as const
    assert.ok(verifyPkixSignature(signed, parsed.publicKey, imported))
    const other = { ...signed, signatureAlgorithm: 'PS384' } as const
    assert.ok(!verifyPkixSignature(other, parsed.publicKey, imported))
    const pkcs1 = { ...signed, signatureAlgorithm: 'RS256' } as const
    assert.ok(!verifyPkixSignature(pkcs1, parsed.publicKey, imported))
  })
})

describe('lists of any issuer', () => {
  const extensions = [
    rawExtension('2.5.29.35', derSequence(derTlv(0x80, hex('01')))),
    rawExtension('2.5.29.20', derInteger(1)),
  ]
  const list = (changes: Partial<PkixCrlParts> = {}): Uint8Array =>
    encodePkixCrl({ issuer: pkixName('Test', 'CA'), extensions, ...changes }, ca)
  const entry = (...more: Parameters<typeof rawExtension>): Partial<PkixCrlParts> => ({
    entries: [crlEntry(derInteger(7), rawExtension(...more))],
  })

  it('take an invalidity date and unknown extensions that are not critical', () => {
    const date = rawExtension('2.5.29.24', derTlv(0x18, utf8('20260101000000Z')))
    const unknown = rawExtension('1.2.3', hex('0500'))
    const parsed = parseCrl(
      list({
        entries: [crlEntry(derInteger(7), date, unknown)],
        extensions: [...extensions, unknown],
      }),
    )
    assert.equal(parsed.revoked.get('07')?.reason, 'unspecified')
    assert.deepEqual(parsed.unhandledCritical, [])
  })

  it('name each critical extension once', () => {
    const unknown = rawExtension('1.2.3', hex('0500'), true)
    const entries = [7, 8].map((serial) => crlEntry(derInteger(serial), unknown))
    const parsed = parseCrl(list({ entries, extensions: [...extensions, unknown] }))
    assert.deepEqual(parsed.unhandledCritical, ['1.2.3'])
  })

  const cases: readonly (readonly [rule: string, changes: Partial<PkixCrlParts>])[] = [
    ['version', { version: derInteger(2) }],
    ['der-unexpected', { version: new Uint8Array() }],
    ['signature-algorithm-mismatch', { innerIdentifier: derSequence(derOid('1.2.3')) }],
    ['issuer', { issuer: derSequence() }],
    ['validity', { nextUpdate: derTlv(0x17, utf8('200101000000Z')) }],
    ['der-unexpected', { nextUpdate: new Uint8Array(), entries: [crlEntry(derInteger(1))] }],
    ['der-missing', { entries: [derSequence()] }],
    ['serial-negative', { entries: [crlEntry(hex('020185'))] }],
    ['crl-reason', entry('2.5.29.21', hex('0a0107'))],
    ['crl-reason', entry('2.5.29.21', hex('0a020001'))],
    ['der-unexpected', entry('2.5.29.21', hex('020101'))],
    ['crl-date', entry('2.5.29.24', derTlv(0x18, utf8('2026')))],
    ['der-missing', { extensions: [] }],
    ['crl-critical', { extensions: [...extensions, rawExtension('2.5.29.28', hex('3000'))] }],
    ['crl-critical', { extensions: [...extensions, rawExtension('2.5.29.27', derInteger(1))] }],
    [
      'der-trailing',
      {
        extensions: [
          extensions[0] ?? rawExtension('1.2', hex('')),
          rawExtension('2.5.29.20', hex('0201010500')),
        ],
      },
    ],
    [
      'der-integer-size',
      { extensions: [rawExtension('2.5.29.20', derTlv(2, Buffer.alloc(21, 1)))] },
    ],
    ['extension-twice', { extensions: [...extensions, ...extensions] }],
  ]
  for (const [i, [rule, changes]] of cases.entries()) {
    it(`refuse ${rule} (${i})`, () => refuses(() => parseCrl(list(changes)), rule))
  }

  it('refuse what is too large', () => {
    refuses(() => parseCrl(new Uint8Array(MAX_CRL_BYTES + 1)), 'size')
  })
})

describe('the writer of lists', () => {
  const fields: CrlFields = {
    issuer: buildName([{ oid: NAME_OID.commonName, value: 'CA' }]),
    authorityKeyId: hex('01'),
    crlNumber: 1,
    thisUpdate: PKIX_NOW,
    nextUpdate: PKIX_NOW,
    revoked: [],
  }
  const signer = certificateSignerFromKey(ca.privateKey)
  const one = (serialHex: string): CrlFields['revoked'] => [
    { serialHex, revokedAt: PKIX_NOW, reason: 'superseded' },
  ]
  const cases: readonly (readonly [rule: string, changes: Partial<CrlFields>])[] = [
    ['validity', { nextUpdate: unixMs(PKIX_NOW - 1) }],
    ['serial-twice', { revoked: [...one('01'), ...one('01')] }],
    ['serial', { revoked: one('') }],
    ['serial', { revoked: one('0000') }],
    ['serial', { revoked: one('xy') }],
    ['serial', { revoked: one('80'.repeat(20)) }],
  ]
  for (const [i, [rule, changes]] of cases.entries()) {
    it(`refuses ${rule} (${i})`, () =>
      refuses(() => buildCrl({ ...fields, ...changes }, signer), rule))
  }
})
