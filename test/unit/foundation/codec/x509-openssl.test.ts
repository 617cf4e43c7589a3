import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import {
  authorityKeyIdExtension,
  basicConstraintsExtension,
  buildCertificate,
  buildCsr,
  buildName,
  keyUsageExtension,
  NAME_OID,
  parseCertificate,
  parseCsr,
  pemDecode,
  pemEncode,
  permittedUriHostsExtension,
  subjectKeyIdExtension,
  verifyCertificateSignature,
  verifyCsr,
} from '../../../../src/foundation/codec/index.ts'
import { findOpenssl } from '../../../kit/openssl.ts'
import { leafFields, testKey } from '../../../kit/x509.ts'

const { openssl, skip } = findOpenssl()
const root = testKey()
const middle = testKey()
const leaf = testKey()
const pem = (der: Uint8Array): string => pemEncode('CERTIFICATE', der)
const AT = ['-attime', '1767270000']

describe('openssl as a second opinion', { skip }, () => {
  const middleName = buildName([{ oid: NAME_OID.commonName, value: 'Middle' }])
  const rootName = buildName([{ oid: NAME_OID.commonName, value: 'Root' }])
  const rootOne = buildCertificate(
    {
      ...leafFields(root.spki),
      issuer: rootName,
      subject: rootName,
      extensions: [
        basicConstraintsExtension({ ca: true }),
        keyUsageExtension(['keyCertSign', 'cRLSign']),
        subjectKeyIdExtension(Uint8Array.of(9)),
      ],
    },
    root.signer,
  )
  const middleDer = (host: string): Uint8Array =>
    buildCertificate(
      {
        ...leafFields(middle.spki),
        issuer: rootName,
        subject: middleName,
        extensions: [
          basicConstraintsExtension({ ca: true, pathLength: 0 }),
          keyUsageExtension(['keyCertSign', 'cRLSign']),
          subjectKeyIdExtension(Uint8Array.of(1, 2, 3)),
          authorityKeyIdExtension(Uint8Array.of(9)),
          permittedUriHostsExtension([host]),
        ],
      },
      root.signer,
    )
  const leafDer = buildCertificate(
    {
      ...leafFields(leaf.spki),
      issuer: middleName,
      extensions: [
        ...leafFields(leaf.spki).extensions,
        authorityKeyIdExtension(Uint8Array.of(1, 2, 3)),
        subjectKeyIdExtension(Uint8Array.of(4)),
      ],
    },
    middle.signer,
  )

  it('prints the fields we wrote', () => {
    const text = openssl.run(['x509', '-in', '{leaf.pem}', '-noout', '-text'], {
      'leaf.pem': pem(leafDer),
    })
    assert.match(text, /Signature Algorithm: ecdsa-with-SHA256/)
    assert.match(text, /URI:spiffe:\/\/kos\.internal\/device\/leaf-1/)
    assert.match(text, /IP Address:127\.0\.0\.1/)
    assert.match(text, /TLS Web Client Authentication, TLS Web Server Authentication/)
    assert.match(text, /NIST CURVE: P-256/)
  })

  it('verifies the chain in strict mode', () => {
    const files = { root: pem(rootOne), mid: pem(middleDer('kos.internal')), leaf: pem(leafDer) }
    const answer = openssl.run(
      ['verify', '-x509_strict', ...AT, '-CAfile', '{root}', '-untrusted', '{mid}', '{leaf}'],
      files,
    )
    assert.match(answer, /OK/)
  })

  it('enforces our name constraint on the URI host', () => {
    const files = { root: pem(rootOne), mid: pem(middleDer('other.internal')), leaf: pem(leafDer) }
    assert.throws(
      () =>
        openssl.run(['verify', ...AT, '-CAfile', '{root}', '-untrusted', '{mid}', '{leaf}'], files),
      /permitted subtree violation/,
    )
  })

  it('makes certificates and requests that we read', () => {
    const key = middle.privateKey.export({ type: 'pkcs8', format: 'pem' })
    const csrPem = openssl.run(
      [
        'req',
        '-new',
        '-key',
        '{key}',
        '-subj',
        '/CN=est client',
        '-addext',
        'subjectAltName=DNS:a.b',
      ],
      { key },
    )
    const csr = parseCsr(pemDecode(csrPem, 'CERTIFICATE REQUEST'))
    assert.ok(verifyCsr(csr))
    assert.equal(csr.subject.attributes[0]?.value, 'est client')
    const certificatePem = openssl.run(
      ['req', '-x509', '-key', '{key}', '-subj', '/CN=self', '-days', '1'],
      {
        key,
      },
    )
    const certificate = parseCertificate(pemDecode(certificatePem, 'CERTIFICATE'))
    assert.ok(verifyCertificateSignature(certificate, middle.spki))
  })

  it('verifies our request', () => {
    const csr = pemEncode(
      'CERTIFICATE REQUEST',
      buildCsr({ subject: buildName([]), spki: leaf.spki }, leaf.signer),
    )
    assert.ok(openssl.run(['req', '-in', '{csr}', '-noout', '-verify', '-text'], { csr }))
  })
})
