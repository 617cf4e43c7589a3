import assert from 'node:assert/strict'
import { X509Certificate as NodeCertificate } from 'node:crypto'
import { describe, it } from 'node:test'
import { KosError, sha256, toHex, unixMs } from '../../../../src/foundation/base/index.ts'
import {
  authorityKeyIdExtension,
  basicConstraintsExtension,
  buildCertificate,
  buildName,
  type CertificateFields,
  derBitString,
  derInteger,
  derOctetString,
  derOid,
  derSequence,
  derTlv,
  EXTENSION_OID,
  extendedKeyUsageExtension,
  KEY_PURPOSE,
  keyUsageExtension,
  NAME_OID,
  parseCertificate,
  permittedUriHostsExtension,
  subjectAltNamesExtension,
  subjectKeyIdExtension,
  verifyCertificateSignature,
  type X509Extension,
} from '../../../../src/foundation/codec/index.ts'
import { leafFields, TEST_TIME, testCa, testKey } from '../../../kit/x509.ts'

const ca = testKey()
const leafKey = testKey()
const fields = leafFields(leafKey.spki)
const issue = (changes: Partial<CertificateFields> = {}): Uint8Array =>
  buildCertificate({ ...fields, ...changes }, ca.signer)
const withExtensions = (...extensions: readonly X509Extension[]): Uint8Array =>
  issue({ extensions })
const raw = (oid: string, value: Uint8Array, critical: boolean = false): X509Extension => ({
  oid,
  critical,
  value,
})

function refuses(run: () => unknown, rule: string): void {
  assert.throws(run, (error: unknown) => {
    assert.ok(error instanceof KosError)
    assert.equal(error.code, 'KOS_CODEC_X509')
    assert.equal(error.details['rule'], rule)
    return true
  })
}

describe('certificates', () => {
  it('reads back every field that was written', () => {
    const der = issue()
    const parsed = parseCertificate(der)
    assert.deepEqual(parsed.der, Buffer.from(der))
    assert.equal(parsed.serialHex, '810203')
    assert.equal(toHex(parsed.serial), '810203')
    assert.equal(parsed.signatureAlgorithm, 'ES256')
    assert.equal(parsed.keyAlgorithm, 'P-256')
    assert.equal(parsed.notBefore, TEST_TIME)
    assert.equal(parsed.notAfter, TEST_TIME + 86_400_000)
    assert.deepEqual(parsed.issuer.attributes, [
      { oid: NAME_OID.commonName, value: 'Test CA', type: 'utf8' },
    ])
    assert.deepEqual(parsed.subject.attributes, [
      { oid: NAME_OID.serialNumber, value: 'leaf-1', type: 'printable' },
    ])
    assert.equal(toHex(parsed.spki), toHex(leafKey.spki))
    assert.equal(toHex(parsed.spkiSha256), toHex(sha256(leafKey.spki)))
    assert.deepEqual(parsed.basicConstraints, { ca: false })
    assert.deepEqual(parsed.keyUsage, ['digitalSignature'])
    assert.deepEqual(parsed.extendedKeyUsage, [KEY_PURPOSE.clientAuth, KEY_PURPOSE.serverAuth])
    assert.deepEqual(parsed.subjectAltNames, {
      uris: ['spiffe://kos.internal/device/leaf-1'],
      dnsNames: ['leaf-1.kos.internal'],
      ipAddresses: ['127.0.0.1', '2001:db8::1'],
    })
    assert.deepEqual(parsed.unhandledCritical, [])
    assert.ok(verifyCertificateSignature(parsed, ca.spki))
    assert.ok(verifyCertificateSignature(parsed, ca.publicKey))
    assert.ok(!verifyCertificateSignature(parsed, leafKey.spki))
  })

  it('keeps its own copy of the bytes', () => {
    const der = Buffer.from(issue())
    const parsed = parseCertificate(der)
    der.fill(0)
    assert.ok(verifyCertificateSignature(parsed, ca.spki))
  })

  it('agrees with the certificate reader of node:crypto', () => {
    const node = new NodeCertificate(issue())
    assert.equal(node.serialNumber, '810203')
    assert.equal(node.subject, 'serialNumber=leaf-1')
    assert.equal(node.issuer, 'CN=Test CA')
    assert.equal(node.validFromDate.getTime(), TEST_TIME)
    assert.equal(node.validToDate.getTime(), TEST_TIME + 86_400_000)
    assert.match(node.subjectAltName ?? '', /URI:spiffe:\/\/kos\.internal\/device\/leaf-1/)
    assert.ok(node.checkIP('127.0.0.1'))
    assert.ok(node.checkIP('2001:db8::1'))
    assert.equal(node.checkHost('leaf-1.kos.internal'), 'leaf-1.kos.internal')
    assert.ok(!node.ca)
    assert.ok(node.verify(ca.publicKey))
    const root = new NodeCertificate(testCa(ca))
    assert.ok(root.ca)
    assert.ok(node.checkIssued(root))
  })

  for (const type of ['ed25519', 'ml-dsa-44', 'ml-dsa-65'] as const) {
    it(`signs and verifies with ${type}`, () => {
      const key = testKey(type)
      const der = testCa(key)
      const parsed = parseCertificate(der)
      assert.ok(verifyCertificateSignature(parsed, key.spki))
      assert.ok(verifyCertificateSignature(parsed, key.publicKey))
      assert.ok(new NodeCertificate(der).verify(key.publicKey))
      // A key of another algorithm is a "no", in both forms.
      assert.ok(!verifyCertificateSignature(parsed, ca.spki))
      assert.ok(!verifyCertificateSignature(parsed, ca.publicKey))
    })
  }

  it('reads key ids, name constraints and path length of a CA', () => {
    const der = withExtensions(
      basicConstraintsExtension({ ca: true, pathLength: 0 }),
      keyUsageExtension(['cRLSign', 'keyCertSign']),
      subjectKeyIdExtension(Uint8Array.of(1, 2)),
      authorityKeyIdExtension(Uint8Array.of(3)),
      permittedUriHostsExtension(['kos.internal']),
    )
    const parsed = parseCertificate(der)
    assert.deepEqual(parsed.basicConstraints, { ca: true, pathLength: 0 })
    assert.deepEqual(parsed.keyUsage, ['keyCertSign', 'cRLSign'])
    assert.equal(toHex(parsed.subjectKeyId ?? new Uint8Array()), '0102')
    assert.equal(toHex(parsed.authorityKeyId ?? new Uint8Array()), '03')
    assert.deepEqual(parsed.nameConstraints, {
      permitted: { uriHosts: ['kos.internal'], dnsNames: [] },
    })
  })

  it('reads excluded DNS subtrees', () => {
    const subtree = derSequence(derTlv(0x82, Buffer.from('example.org')))
    const parsed = parseCertificate(
      withExtensions(
        basicConstraintsExtension({ ca: true }),
        raw(EXTENSION_OID.nameConstraints, derSequence(derTlv(0xa1, subtree)), true),
      ),
    )
    assert.deepEqual(parsed.nameConstraints, {
      excluded: { uriHosts: [], dnsNames: ['example.org'] },
    })
  })

  it('names the critical extensions it does not interpret and keeps the others opaque', () => {
    const parsed = parseCertificate(
      withExtensions(raw('2.25.7', Uint8Array.of(9), true), raw('2.25.8', Uint8Array.of(8))),
    )
    assert.deepEqual(parsed.unhandledCritical, ['2.25.7'])
    assert.deepEqual(
      parsed.extensions.map(({ oid, critical }) => [oid, critical]),
      [
        ['2.25.7', true],
        ['2.25.8', false],
      ],
    )
  })

  it('accepts an empty subject with critical alternative names', () => {
    const parsed = parseCertificate(
      issue({
        subject: buildName([]),
        extensions: [subjectAltNamesExtension({ uris: ['a:b'] }, true)],
      }),
    )
    assert.deepEqual(parsed.subject.attributes, [])
  })
})

describe('what the certificate writer refuses', () => {
  const cases: readonly (readonly [rule: string, run: () => unknown])[] = [
    ['serial', () => issue({ serial: new Uint8Array(3) })],
    ['serial', () => issue({ serial: new Uint8Array(20).fill(0x80) })],
    ['serial', () => issue({ serial: new Uint8Array(21).fill(1) })],
    ['validity', () => issue({ notAfter: unixMs(TEST_TIME - 1) })],
    ['validity', () => issue({ notBefore: unixMs(Number.NaN) })],
    ['extensions-count', () => issue({ extensions: [] })],
    ['spki', () => issue({ spki: Uint8Array.of(1) })],
    ['path-length', () => basicConstraintsExtension({ ca: false, pathLength: 1 })],
    ['key-usage', () => keyUsageExtension([])],
    ['key-purposes', () => extendedKeyUsageExtension([])],
    ['key-purposes', () => extendedKeyUsageExtension(Array<string>(17).fill('1.2.3'))],
    ['names-count', () => subjectAltNamesExtension({})],
    ['names-count', () => subjectAltNamesExtension({ uris: Array<string>(65).fill('a:b') })],
    ['names-uri', () => subjectAltNamesExtension({ uris: [''] })],
    ['names-dns', () => subjectAltNamesExtension({ dnsNames: ['a..b'] })],
    ['names-ip', () => subjectAltNamesExtension({ ipAddresses: ['1.2.3'] })],
    ['names-ip', () => subjectAltNamesExtension({ ipAddresses: ['fe80::1%eth0'] })],
    ['subtrees-count', () => permittedUriHostsExtension([])],
  ]
  for (const [rule, run] of cases) it(`refuses ${rule}`, () => refuses(run, rule))
})

/** Rebuilds a certificate from the parts of its signed part, resigned. */
function rebuild(change: (parts: Uint8Array[]) => readonly Uint8Array[]): Uint8Array {
  const parsed = parseCertificate(issue())
  const identifier = derSequence(derOid('1.2.840.10045.4.3.2'))
  const parts = [
    derTlv(0xa0, derInteger(2)),
    derInteger(77),
    identifier,
    parsed.issuer.der,
    derSequence(utcTime('260101000000Z'), utcTime('270101000000Z')),
    parsed.subject.der,
    parsed.spki,
    derTlv(0xa3, derSequence(extensionDer(EXTENSION_OID.keyUsage, '03020780'))),
  ]
  const tbs = derSequence(...change(parts))
  return derSequence(tbs, identifier, derBitString(ca.signer.sign(tbs)))
}

const utcTime = (text: string): Uint8Array => derTlv(0x17, Buffer.from(text))

function extensionDer(oid: string, hex: string, flag: Uint8Array = new Uint8Array()): Uint8Array {
  return derSequence(derOid(oid), flag, derOctetString(Buffer.from(hex, 'hex')))
}

const extensionsDer = (...list: readonly Uint8Array[]): Uint8Array =>
  derTlv(0xa3, derSequence(...list))

describe('what the certificate reader refuses', () => {
  it('takes the rebuilt certificate itself', () => {
    const parsed = parseCertificate(rebuild((parts) => parts))
    assert.ok(verifyCertificateSignature(parsed, ca.spki))
  })

  const { basicConstraints, keyUsage, extendedKeyUsage, subjectAltNames } = EXTENSION_OID
  const { subjectKeyId, authorityKeyId, nameConstraints } = EXTENSION_OID
  const CA = '30030101ff'
  const caExtension = extensionDer(basicConstraints, CA, Buffer.from('0101ff', 'hex'))
  const critical = Buffer.from('0101ff', 'hex')
  const changed: readonly (readonly [rule: string, at: number, part: Uint8Array])[] = [
    ['version', 0, derTlv(0xa0, derInteger(1))],
    ['der-trailing', 0, derTlv(0xa0, Buffer.from('0201020500', 'hex'))],
    ['der-unexpected', 0, new Uint8Array()],
    ['serial', 1, derInteger(0)],
    ['der-integer-negative', 1, derTlv(2, Buffer.from('ff', 'hex'))],
    ['serial', 1, derTlv(2, Buffer.concat([Buffer.of(0), Buffer.alloc(20, 0x80)]))],
    ['der-integer-size', 1, derTlv(2, Buffer.alloc(21, 1))],
    ['signature-algorithm-mismatch', 2, derSequence(derOid('1.3.101.112'))],
    ['issuer', 3, derSequence()],
    ['validity', 4, derSequence(utcTime('260101000001Z'), utcTime('260101000000Z'))],
    ['der-time', 4, derSequence(utcTime('2601010000Z'), utcTime('270101000000Z'))],
    ['subject', 5, derSequence()],
    ['spki', 6, derSequence(derOid('1.2.3'))],
    ['der-missing', 7, new Uint8Array()],
    ['der-unexpected', 7, derTlv(0x81, Buffer.of(0, 1))],
    ['der-missing', 7, extensionsDer()],
    ['extension-twice', 7, extensionsDer(extensionDer('1.2.3', ''), extensionDer('1.2.3', ''))],
    ['critical-default', 7, extensionsDer(extensionDer('1.2.3', '', Buffer.from('010100', 'hex')))],
    [
      'extensions-count',
      7,
      extensionsDer(...Array.from({ length: 33 }, (_, i) => extensionDer(`1.2.${i}`, ''))),
    ],
    ['ca-critical', 7, extensionsDer(extensionDer(basicConstraints, CA))],
    ['ca-default', 7, extensionsDer(extensionDer(basicConstraints, '3003010100', critical))],
    ['path-length', 7, extensionsDer(extensionDer(basicConstraints, '3003020100', critical))],
    ['path-length', 7, extensionsDer(extensionDer(basicConstraints, '30060101ff020111', critical))],
    ['der-trailing', 7, extensionsDer(extensionDer(basicConstraints, '30000500', critical))],
    ['key-usage', 7, extensionsDer(extensionDer(keyUsage, '030100'))],
    ['key-usage', 7, extensionsDer(extensionDer(keyUsage, '0303060040'))],
    ['key-usage-ca', 7, extensionsDer(extensionDer(keyUsage, '03020204'))],
    ['der-missing', 7, extensionsDer(extensionDer(extendedKeyUsage, '3000'))],
    [
      'key-purposes',
      7,
      extensionsDer(extensionDer(extendedKeyUsage, `3033${'06012a'.repeat(17)}`)),
    ],
    ['names-kind', 7, extensionsDer(extensionDer(subjectAltNames, '3000'))],
    ['names-kind', 7, extensionsDer(extensionDer(subjectAltNames, '3003810161'))],
    ['names-ip', 7, extensionsDer(extensionDer(subjectAltNames, '3003870101'))],
    ['names-dns', 7, extensionsDer(extensionDer(subjectAltNames, '300382012e'))],
    ['names-uri', 7, extensionsDer(extensionDer(subjectAltNames, '30028600'))],
    [
      'names-count',
      7,
      extensionsDer(extensionDer(subjectAltNames, `3081c3${'860161'.repeat(65)}`)),
    ],
    ['key-id', 7, extensionsDer(extensionDer(subjectKeyId, '0400'))],
    ['key-id', 7, extensionsDer(extensionDer(authorityKeyId, '30028000'))],
    ['der-unexpected', 7, extensionsDer(extensionDer(authorityKeyId, '3003810101'))],
    ['key-id-critical', 7, extensionsDer(extensionDer(subjectKeyId, '040101', critical))],
    ['key-id-critical', 7, extensionsDer(extensionDer(authorityKeyId, '3003800101', critical))],
    [
      'name-constraints',
      7,
      extensionsDer(extensionDer(nameConstraints, '3007a0053003820161', critical)),
    ],
    [
      'subtrees-count',
      7,
      extensionsDer(caExtension, extensionDer(nameConstraints, '3000', critical)),
    ],
    [
      'subtree',
      7,
      extensionsDer(
        caExtension,
        extensionDer(nameConstraints, '300aa0083006870401020304', critical),
      ),
    ],
    [
      'subtrees-count',
      7,
      extensionsDer(
        caExtension,
        extensionDer(nameConstraints, `3057a055${'3003820161'.repeat(17)}`, critical),
      ),
    ],
  ]
  for (const [rule, at, part] of changed) {
    it(`refuses ${rule} at part ${at}: ${toHex(part).slice(0, 32)}`, () => {
      refuses(() => parseCertificate(rebuild((parts) => parts.with(at, part))), rule)
    })
  }

  it('lets alternative names stand for the subject of a leaf, not of a CA', () => {
    const names = extensionDer(subjectAltNames, '3003820161', critical)
    const withoutSubject = (...list: readonly Uint8Array[]): Uint8Array =>
      rebuild((parts) => parts.with(5, derSequence()).with(7, extensionsDer(...list)))
    assert.equal(parseCertificate(withoutSubject(names)).subject.attributes.length, 0)
    refuses(() => parseCertificate(withoutSubject(caExtension, names)), 'subject')
  })

  it('refuses trailing and oversized input', () => {
    const der = issue()
    refuses(() => parseCertificate(Buffer.concat([der, Buffer.of(0)])), 'der-trailing')
    refuses(() => parseCertificate(new Uint8Array(16_385)), 'size')
    refuses(() => parseCertificate(new Uint8Array()), 'der-missing')
    refuses(() => parseCertificate(rebuild((parts) => [...parts, derInteger(1)])), 'der-trailing')
  })

  it('refuses unknown algorithms and signatures of the wrong form', () => {
    const parsed = parseCertificate(issue())
    const identifier = derSequence(derOid('1.2.840.10045.4.3.2'))
    const wrap = (signature: Uint8Array): Uint8Array =>
      derSequence(parsed.tbs, identifier, derBitString(signature))
    refuses(() => parseCertificate(wrap(Uint8Array.of(1))), 'der-unexpected')
    refuses(
      () => parseCertificate(wrap(derSequence(derInteger(1), derTlv(2, Buffer.alloc(33, 1))))),
      'der-integer-size',
    )
    const sha384 = derSequence(derOid('1.2.840.10045.4.3.3'))
    const other = Buffer.from(rebuild((parts) => parts.with(2, sha384)))
    refuses(() => parseCertificate(replaceLast(other, identifier, sha384)), 'signature-algorithm')
    const ed = testKey('ed25519')
    const short = buildCertificate(fields, { algorithm: 'EdDSA', sign: () => new Uint8Array(63) })
    refuses(() => parseCertificate(short), 'signature-size')
    assert.ok(parseCertificate(buildCertificate(fields, ed.signer)))
  })
})

function replaceLast(all: Buffer, from: Uint8Array, to: Uint8Array): Uint8Array {
  const at = all.lastIndexOf(from)
  return Buffer.concat([all.subarray(0, at), to, all.subarray(at + from.length)])
}
