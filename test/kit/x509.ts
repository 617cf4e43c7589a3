import { generateKeyPairSync, type KeyObject } from 'node:crypto'
import { type UnixMs, unixMs } from '../../src/foundation/base/index.ts'
import {
  basicConstraintsExtension,
  buildCertificate,
  buildName,
  type CertificateFields,
  type CertificateSigner,
  certificateSignerFromKey,
  extendedKeyUsageExtension,
  KEY_PURPOSE,
  keyUsageExtension,
  NAME_OID,
  subjectAltNamesExtension,
} from '../../src/foundation/codec/index.ts'

/** A key pair with what certificates need of it. */
export interface TestKey {
  readonly privateKey: KeyObject
  readonly publicKey: KeyObject
  readonly spki: Uint8Array
  readonly signer: CertificateSigner
}

/** Makes a key pair; `ec` is P-256. */
export function testKey(type: 'ec' | 'ed25519' | 'ml-dsa-44' | 'ml-dsa-65' = 'ec'): TestKey {
  const pair = generatePair(type)
  return {
    ...pair,
    spki: pair.publicKey.export({ type: 'spki', format: 'der' }),
    signer: certificateSignerFromKey(pair.privateKey),
  }
}

function generatePair(type: string): { privateKey: KeyObject; publicKey: KeyObject } {
  switch (type) {
    case 'ed25519':
      return generateKeyPairSync('ed25519')
    case 'ml-dsa-44':
      return generateKeyPairSync('ml-dsa-44')
    case 'ml-dsa-65':
      return generateKeyPairSync('ml-dsa-65')
    default:
      return generateKeyPairSync('ec', { namedCurve: 'P-256' })
  }
}

/** 2026-01-01T00:00:00Z, the test clock's start. */
export const TEST_TIME: UnixMs = unixMs(Date.UTC(2026, 0, 1))

/** Fields of an ordinary leaf; a test changes what it is about. */
export function leafFields(spki: Uint8Array): CertificateFields {
  return {
    serial: Uint8Array.of(0x81, 2, 3),
    issuer: buildName([{ oid: NAME_OID.commonName, value: 'Test CA' }]),
    subject: buildName([{ oid: NAME_OID.serialNumber, value: 'leaf-1' }]),
    notBefore: TEST_TIME,
    notAfter: unixMs(TEST_TIME + 86_400_000),
    spki,
    extensions: [
      basicConstraintsExtension({ ca: false }),
      keyUsageExtension(['digitalSignature']),
      extendedKeyUsageExtension([KEY_PURPOSE.clientAuth, KEY_PURPOSE.serverAuth]),
      subjectAltNamesExtension({
        uris: ['spiffe://kos.internal/device/leaf-1'],
        dnsNames: ['leaf-1.kos.internal'],
        ipAddresses: ['127.0.0.1', '2001:db8::1'],
      }),
    ],
  }
}

/** A self-signed CA certificate. */
export function testCa(key: TestKey, commonName: string = 'Test CA'): Uint8Array {
  const name = buildName([{ oid: NAME_OID.commonName, value: commonName }])
  return buildCertificate(
    {
      ...leafFields(key.spki),
      serial: Uint8Array.of(1),
      issuer: name,
      subject: name,
      extensions: [
        basicConstraintsExtension({ ca: true, pathLength: 0 }),
        keyUsageExtension(['keyCertSign', 'cRLSign']),
      ],
    },
    key.signer,
  )
}
