/** Throw-away certificates that OpenSSL accepts now: root, intermediate, leaves. */
import { X509Certificate } from 'node:crypto'
import { refuse, Secret, type UnixMs, unixMs, utf8 } from '../../src/foundation/base/index.ts'
import {
  basicConstraintsExtension,
  buildCertificate,
  buildName,
  type CertificateFields,
  extendedKeyUsageExtension,
  KEY_PURPOSE,
  keyUsageExtension,
  NAME_OID,
  parseCertificate,
  pemEncode,
  subjectAltNamesExtension,
  verifyCertificateSignature,
  type X509Extension,
} from '../../src/foundation/codec/index.ts'
import type { CertificateIdentity, VerifyPeer } from '../../src/network/transport/index.ts'
import { type TestKey, testKey } from './x509.ts'

const HOUR_MS = 3_600_000

/** How a leaf differs from an ordinary one. */
export interface TestLeafOptions {
  readonly notBefore?: UnixMs
  readonly notAfter?: UnixMs
  readonly usage?: readonly (keyof typeof KEY_PURPOSE)[]
  /** Certificates to present after the leaf; the fleet's intermediate by default. */
  readonly chainPem?: string
}

/** A small certificate authority with real keys. */
export interface TestTlsFleet {
  readonly rootPem: string
  readonly intermediatePem: string
  /** A new key and leaf for a device. */
  identity(name: string, options?: TestLeafOptions): CertificateIdentity
  /** Accepts leaves signed by the fleet's intermediate. */
  readonly verifyPeer: VerifyPeer
  /** A second intermediate under the same root that `verifyPeer` does not permit. */
  foreignIntermediate(): { identity(name: string): CertificateIdentity }
}

/** Makes a fleet; two fleets of one name differ in their keys only. */
export function createTestTlsFleet(name: string = 'Test'): TestTlsFleet {
  const rootKey = testKey()
  const rootName = `${name} Root`
  const rootDer = certificate(
    { subject: rootName, issuer: rootName, key: rootKey, extensions: caExtensions(1) },
    rootKey,
  )
  const intermediate = createIssuer(`${name} Intermediate`, rootName, rootKey)
  const rootPem = pemEncode('CERTIFICATE', rootDer)
  const trustedCaPem = [rootPem, intermediate.pem]
  const verifyPeer: VerifyPeer = (leafDer) =>
    verifyCertificateSignature(parseCertificate(leafDer), intermediate.key.spki)
      ? undefined
      : refuse('KOS_PKI_CERTIFICATE', 'issuer')
  return {
    rootPem,
    intermediatePem: intermediate.pem,
    verifyPeer,
    identity: (device, options = {}) => issue(intermediate, trustedCaPem, { device, options }),
    foreignIntermediate: () => {
      const foreign = createIssuer(`${name} Foreign`, rootName, rootKey)
      return { identity: (device) => issue(foreign, trustedCaPem, { device, options: {} }) }
    },
  }
}

interface Issuer {
  readonly name: string
  readonly key: TestKey
  readonly pem: string
}

function createIssuer(name: string, issuer: string, issuerKey: TestKey): Issuer {
  const key = testKey()
  const der = certificate({ subject: name, issuer, key, extensions: caExtensions(0) }, issuerKey)
  return { name, key, pem: pemEncode('CERTIFICATE', der) }
}

function issue(
  issuer: Issuer,
  trustedCaPem: readonly string[],
  leaf: { readonly device: string; readonly options: TestLeafOptions },
): CertificateIdentity {
  const { device, options } = leaf
  const key = testKey()
  const usage = options.usage ?? ['clientAuth', 'serverAuth']
  const der = certificate(
    {
      subject: device,
      issuer: issuer.name,
      key,
      extensions: [
        basicConstraintsExtension({ ca: false }),
        keyUsageExtension(['digitalSignature']),
        extendedKeyUsageExtension(usage.map((purpose) => KEY_PURPOSE[purpose])),
        subjectAltNamesExtension({
          uris: [`spiffe://kos.internal/device/${device}`],
          dnsNames: [],
          ipAddresses: [],
        }),
      ],
      ...(options.notBefore !== undefined && { notBefore: options.notBefore }),
      ...(options.notAfter !== undefined && { notAfter: options.notAfter }),
    },
    issuer.key,
  )
  const privateKeyPem = key.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()
  return {
    kind: 'certificate',
    certificateChainPem: pemEncode('CERTIFICATE', der) + (options.chainPem ?? issuer.pem),
    privateKeyPem: Secret.take(utf8(privateKeyPem)),
    trustedCaPem,
  }
}

function caExtensions(pathLength: number): readonly X509Extension[] {
  return [
    basicConstraintsExtension({ ca: true, pathLength }),
    keyUsageExtension(['keyCertSign', 'cRLSign']),
  ]
}

let serial = 0

function certificate(
  facts: {
    readonly subject: string
    readonly issuer: string
    readonly key: TestKey
    readonly extensions: readonly X509Extension[]
    readonly notBefore?: UnixMs
    readonly notAfter?: UnixMs
  },
  issuerKey: TestKey,
): Uint8Array {
  serial += 1
  // OpenSSL judges validity by the machine's clock, so these dates are real ones.
  const now = Math.floor(Date.now() / 1000) * 1000
  const fields: CertificateFields = {
    serial: Uint8Array.of(0x40, serial >>> 8, serial & 255, 1),
    issuer: buildName([{ oid: NAME_OID.commonName, value: facts.issuer }]),
    subject: buildName([{ oid: NAME_OID.commonName, value: facts.subject }]),
    notBefore: facts.notBefore ?? unixMs(now - HOUR_MS),
    notAfter: facts.notAfter ?? unixMs(now + 24 * HOUR_MS),
    spki: facts.key.spki,
    extensions: facts.extensions,
  }
  return buildCertificate(fields, issuerKey.signer)
}

/** The DER of the leaf of an identity. */
export function leafDerOf(identity: CertificateIdentity): Uint8Array {
  return new X509Certificate(identity.certificateChainPem).raw
}
