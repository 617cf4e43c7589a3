import './reflect-metadata.ts'
import { randomBytes, webcrypto } from 'node:crypto'
import {
  AuthorityKeyIdentifierExtension,
  BasicConstraintsExtension,
  cryptoProvider,
  ExtendedKeyUsage,
  ExtendedKeyUsageExtension,
  Extension,
  KeyUsageFlags,
  KeyUsagesExtension,
  Pkcs10CertificateRequest,
  SubjectAlternativeNameExtension,
  SubjectKeyIdentifierExtension,
  type X509Certificate,
  X509CertificateGenerator,
} from '@peculiar/x509'

const P256 = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const
const HOUR_MS = 3_600_000

/** What stands in a leaf beside its key, dates and serial number. */
export interface PeculiarLeaf {
  readonly uri: string
  readonly subject: string
  /** An extension of the fabric's own, not critical. */
  readonly identity: { readonly oid: string; readonly value: Uint8Array }
}

/** A certificate authority made with `@peculiar/x509`. */
export interface PeculiarAuthority {
  /** Its self-signed certificate. */
  readonly rootDer: Uint8Array
  /** Reads and verifies a request, and issues the leaf: what `issueLeaf` of kOS does. */
  issue(request: Uint8Array): Promise<Uint8Array>
}

/** Makes the authority; its key lives in WebCrypto, as the library wants it. */
export async function createPeculiarAuthority(leaf: PeculiarLeaf): Promise<PeculiarAuthority> {
  cryptoProvider.set(webcrypto as Crypto)
  const keys: webcrypto.CryptoKeyPair = await webcrypto.subtle.generateKey(P256, true, [
    'sign',
    'verify',
  ])
  const root = await X509CertificateGenerator.createSelfSigned({
    serialNumber: '01',
    name: 'CN=bench root',
    notBefore: new Date(Date.now() - HOUR_MS),
    notAfter: new Date(Date.now() + 48 * HOUR_MS),
    signingAlgorithm: P256,
    keys,
    extensions: [
      new BasicConstraintsExtension(true, 0, true),
      new KeyUsagesExtension(KeyUsageFlags.keyCertSign | KeyUsageFlags.cRLSign, true),
      await SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  })
  const issuer = {
    root,
    key: keys.privateKey,
    extensions: await extensionsOf(leaf, root),
  }
  return {
    rootDer: new Uint8Array(root.rawData),
    issue: (request) => issue(issuer, request, leaf.subject),
  }
}

/** The same in every leaf of this bench, so they are made once, to the library's advantage. */
async function extensionsOf(
  { uri, identity }: PeculiarLeaf,
  root: X509Certificate,
): Promise<Extension[]> {
  return [
    new BasicConstraintsExtension(false, undefined, true),
    new KeyUsagesExtension(KeyUsageFlags.digitalSignature, true),
    new ExtendedKeyUsageExtension(
      [ExtendedKeyUsage.clientAuth, ExtendedKeyUsage.serverAuth],
      false,
    ),
    new SubjectAlternativeNameExtension([{ type: 'url', value: uri }], false),
    await AuthorityKeyIdentifierExtension.create(root.publicKey),
    new Extension(identity.oid, false, identity.value),
  ]
}

async function issue(
  issuer: {
    readonly root: X509Certificate
    readonly key: webcrypto.CryptoKey
    readonly extensions: Extension[]
  },
  der: Uint8Array,
  subject: string,
): Promise<Uint8Array> {
  const request = new Pkcs10CertificateRequest(der)
  if (!(await request.verify())) throw new Error('a request does not verify')
  const nowMs = Date.now()
  const certificate = await X509CertificateGenerator.create({
    serialNumber: randomBytes(16).toString('hex'),
    subject,
    issuer: issuer.root.subject,
    notBefore: new Date(nowMs - 60_000),
    notAfter: new Date(nowMs + 24 * HOUR_MS),
    publicKey: request.publicKey,
    signingKey: issuer.key,
    signingAlgorithm: P256,
    extensions: issuer.extensions,
  })
  return new Uint8Array(certificate.rawData)
}
