import assert from 'node:assert/strict'
import { generateKeyPairSync } from 'node:crypto'
import { describe, it } from 'node:test'
import { KosError, toHex } from '../../../../src/foundation/base/index.ts'
import {
  buildCsr,
  buildName,
  certificateSignerFromKey,
  derBitString,
  derInteger,
  derOctetString,
  derOid,
  derSequence,
  derTlv,
  importSpki,
  NAME_OID,
  parseCsr,
  parseName,
  pemDecode,
  pemEncode,
  spkiAlgorithm,
  verifyCsr,
} from '../../../../src/foundation/codec/index.ts'
import { asX509 } from '../../../../src/foundation/codec/x509-errors.ts'
import {
  ipAddressBytes,
  ipAddressText,
} from '../../../../src/foundation/codec/x509-general-names.ts'
import { testKey } from '../../../kit/x509.ts'

function refuses(run: () => unknown, rule: string, code: string = 'KOS_CODEC_X509'): void {
  assert.throws(run, (error: unknown) => {
    assert.ok(error instanceof KosError)
    assert.equal(error.code, code)
    assert.equal(error.details['rule'], rule)
    return true
  })
}

const key = testKey()

describe('certificate requests', () => {
  const subject = buildName([{ oid: NAME_OID.commonName, value: 'wish' }])
  const attributes = [
    { oid: '1.2.840.113549.1.9.14', values: [derSequence(), derInteger(1)] },
    { oid: '1.2.840.113549.1.9.7', values: [derOctetString(Uint8Array.of(1))] },
  ]

  it('proves possession of the key it carries', () => {
    const csr = parseCsr(buildCsr({ subject, spki: key.spki, attributes }, key.signer))
    assert.ok(verifyCsr(csr))
    assert.equal(csr.keyAlgorithm, 'P-256')
    assert.equal(csr.signatureAlgorithm, 'ES256')
    assert.equal(toHex(csr.spki), toHex(key.spki))
    assert.deepEqual(csr.subject.attributes, [
      { oid: NAME_OID.commonName, value: 'wish', type: 'utf8' },
    ])
    // A SET OF stands in the order of its encodings: the shorter attribute first.
    assert.deepEqual(
      csr.attributes.map(({ oid, values }) => [oid, values.length]),
      [
        ['1.2.840.113549.1.9.7', 1],
        ['1.2.840.113549.1.9.14', 2],
      ],
    )
  })

  for (const type of ['ed25519', 'ml-dsa-44', 'ml-dsa-65'] as const) {
    it(`works with ${type}`, () => {
      const other = testKey(type)
      const csr = parseCsr(buildCsr({ subject, spki: other.spki }, other.signer))
      assert.ok(verifyCsr(csr))
    })
  }

  it('says no to a request signed by another key', () => {
    const other = testKey()
    assert.ok(!verifyCsr(parseCsr(buildCsr({ subject, spki: key.spki }, other.signer))))
    const edwards = testKey('ed25519')
    assert.ok(!verifyCsr(parseCsr(buildCsr({ subject, spki: key.spki }, edwards.signer))))
  })

  it('refuses other forms', () => {
    const identifier = derSequence(derOid('1.2.840.10045.4.3.2'))
    const request = (...parts: readonly Uint8Array[]): Uint8Array => {
      const tbs = derSequence(...parts)
      return derSequence(tbs, identifier, derBitString(key.signer.sign(tbs)))
    }
    const none = derTlv(0xa0, new Uint8Array())
    assert.ok(verifyCsr(parseCsr(request(derInteger(0), subject.der, key.spki, none))))
    refuses(() => parseCsr(new Uint8Array(16_385)), 'size')
    refuses(() => parseCsr(request(derInteger(1), subject.der, key.spki, none)), 'version')
    refuses(() => parseCsr(request(derInteger(0), subject.der, key.spki)), 'der-missing')
    const empty = derTlv(0xa0, derSequence(derOid('1.2.3'), derTlv(0x31, new Uint8Array())))
    refuses(() => parseCsr(request(derInteger(0), subject.der, key.spki, empty)), 'attribute-empty')
    const many = Array.from({ length: 17 }, (_, i) =>
      derSequence(derOid(`1.2.${i}`), derTlv(0x31, derInteger(1))),
    )
    const crowd = derTlv(0xa0, Buffer.concat(many))
    refuses(
      () => parseCsr(request(derInteger(0), subject.der, key.spki, crowd)),
      'attributes-count',
    )
    refuses(() => buildCsr({ subject, spki: Uint8Array.of(0) }, key.signer), 'spki')
  })
})

describe('keys', () => {
  it('knows the four algorithms by their SubjectPublicKeyInfo', () => {
    assert.equal(spkiAlgorithm(key.spki), 'P-256')
    assert.equal(spkiAlgorithm(testKey('ed25519').spki), 'Ed25519')
    assert.equal(spkiAlgorithm(testKey('ml-dsa-44').spki), 'ML-DSA-44')
    assert.equal(spkiAlgorithm(testKey('ml-dsa-65').spki), 'ML-DSA-65')
    assert.ok(importSpki(key.spki).equals(key.publicKey))
  })

  it('refuses other curves, explicit parameters and compressed points', () => {
    const p384 = generateKeyPairSync('ec', { namedCurve: 'P-384' })
    refuses(() => spkiAlgorithm(p384.publicKey.export({ type: 'spki', format: 'der' })), 'spki')
    const explicit = generateKeyPairSync('ec', { namedCurve: 'P-256', paramEncoding: 'explicit' })
    refuses(() => spkiAlgorithm(explicit.publicKey.export({ type: 'spki', format: 'der' })), 'spki')
    const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 })
    refuses(() => spkiAlgorithm(rsa.publicKey.export({ type: 'spki', format: 'der' })), 'spki')
    const hybrid = Buffer.from(key.spki)
    hybrid[26] = 0x06
    refuses(() => spkiAlgorithm(hybrid), 'spki')
    const otherCurve = Buffer.from(key.spki)
    otherCurve[22] = 0x06
    refuses(() => spkiAlgorithm(otherCurve), 'spki')
    refuses(() => certificateSignerFromKey(p384.privateKey), 'signature-algorithm')
    refuses(() => certificateSignerFromKey(rsa.privateKey), 'signature-algorithm')
  })

  it('refuses a point that is not on the curve', () => {
    const off = Buffer.from(key.spki)
    off[90] = (off[90] ?? 0) ^ 1
    assert.equal(spkiAlgorithm(off), 'P-256')
    refuses(() => importSpki(off), 'spki')
  })

  it('passes errors that are not about DER', () => {
    assert.throws(() => asX509(() => assert.fail('boom')), /boom/)
  })
})

describe('distinguished names', () => {
  it('reads back what was written', () => {
    const name = buildName([
      { oid: NAME_OID.countryName, value: 'EU' },
      { oid: NAME_OID.organizationName, value: 'Größe' },
    ])
    assert.deepEqual(parseName(name.der).attributes, name.attributes)
    assert.deepEqual(
      name.attributes.map(({ type }) => type),
      ['printable', 'utf8'],
    )
  })

  const step = (...pairs: readonly Uint8Array[]): Uint8Array =>
    derSequence(derTlv(0x31, Buffer.concat(pairs)))
  const pair = (oid: string, value: Uint8Array): Uint8Array => derSequence(derOid(oid), value)

  it('reads IA5String and PrintableString values', () => {
    const ia5 = parseName(
      step(pair('0.9.2342.19200300.100.1.25', derTlv(0x16, Buffer.from('kos')))),
    )
    assert.equal(ia5.attributes[0]?.type, 'ia5')
    const printable = parseName(step(pair(NAME_OID.commonName, derTlv(0x13, Buffer.from('kos')))))
    assert.equal(printable.attributes[0]?.type, 'printable')
  })

  it('refuses other forms', () => {
    const value = derTlv(0x0c, Buffer.from('x'))
    const one = pair(NAME_OID.commonName, value)
    refuses(() => parseName(step(one, one)), 'trailing', 'KOS_CODEC_DER')
    refuses(
      () => parseName(step(pair(NAME_OID.commonName, derTlv(0x1e, Buffer.of(0, 65))))),
      'name-type',
    )
    refuses(() => parseName(step(pair(NAME_OID.serialNumber, value))), 'name-type')
    refuses(
      () => parseName(step(pair(NAME_OID.commonName, derTlv(0x0c, new Uint8Array())))),
      'name-value',
    )
    refuses(
      () => parseName(step(pair(NAME_OID.commonName, derTlv(0x0c, Buffer.alloc(257, 65))))),
      'name-value',
    )
    const steps = Array.from({ length: 17 }, () => derTlv(0x31, one))
    refuses(() => parseName(derSequence(...steps)), 'name-size')
    refuses(() => buildName([{ oid: NAME_OID.commonName, value: '' }]), 'name-value')
    const many = Array.from({ length: 17 }, () => ({ oid: NAME_OID.commonName, value: 'x' }))
    refuses(() => buildName(many), 'name-size')
  })
})

describe('IP addresses', () => {
  for (const [text, hex, canonical = text] of [
    ['10.1.2.3', '0a010203'],
    ['::', '00'.repeat(16)],
    ['::1', `${'00'.repeat(15)}01`],
    ['2001:db8::', `20010db8${'00'.repeat(12)}`],
    ['2001:DB8:0:0:1:0:0:1', '20010db8000000000001000000000001', '2001:db8::1:0:0:1'],
    ['1:2:3:4:5:6:7:8', '00010002000300040005000600070008'],
    ['::ffff:1.2.3.4', '00000000000000000000ffff01020304', '::ffff:102:304'],
  ] as const) {
    it(`converts ${text} both ways`, () => {
      assert.equal(toHex(ipAddressBytes(text)), hex)
      assert.equal(ipAddressText(ipAddressBytes(text)), canonical)
    })
  }
})

describe('PEM', () => {
  it('reads back what was written, for every length around a line', () => {
    for (const length of [1, 47, 48, 49, 96, 100]) {
      const der = new Uint8Array(length).fill(length)
      const text = pemEncode('CERTIFICATE', der)
      assert.equal(toHex(pemDecode(text, 'CERTIFICATE')), toHex(der))
      assert.equal(toHex(pemDecode(text.replaceAll('\n', '\r\n'), 'CERTIFICATE')), toHex(der))
    }
  })

  it('refuses other labels, alphabets, line lengths and surroundings', () => {
    const text = pemEncode('CERTIFICATE', new Uint8Array(60).fill(7))
    refuses(() => pemDecode(text, 'CERTIFICATE REQUEST'), 'pem')
    refuses(() => pemDecode(`x\n${text}`, 'CERTIFICATE'), 'pem')
    refuses(() => pemDecode(`${text}x`, 'CERTIFICATE'), 'pem')
    refuses(() => pemDecode(text + text, 'CERTIFICATE'), 'pem')
    refuses(() => pemDecode(text.replace('Bw', 'B!'), 'CERTIFICATE'), 'pem')
    refuses(() => pemDecode(text.replace('BwcH', 'BwcH\n'), 'CERTIFICATE'), 'pem')
    refuses(() => pemDecode(' '.repeat(32_769), 'CERTIFICATE'), 'pem')
    refuses(() => pemEncode('lower', new Uint8Array(1)), 'pem-label')
  })
})
