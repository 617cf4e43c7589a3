import { generateKeyPairSync } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  parseTrustDomain,
  type Principal,
  type PrincipalKind,
  principalOf,
  sha256,
  systemRandom,
  type TrustDomain,
} from '../../src/foundation/base/index.ts'
import {
  authorityKeyIdExtension,
  basicConstraintsExtension,
  buildCertificate,
  buildName,
  type CertificateFields,
  extendedKeyUsageExtension,
  KEY_PURPOSE,
  keyUsageExtension,
  NAME_OID,
  subjectAltNamesExtension,
  type X509Extension,
} from '../../src/foundation/codec/index.ts'
import { type KeyStore, openKeyStore } from '../../src/trust/keys/index.ts'
import {
  type CertificateAuthority,
  createCertificateAuthority,
  type LeafRequest,
} from '../../src/trust/pki/index.ts'
import { encodeLeafIdentity } from '../../src/trust/pki/leaf-identity.ts'
import { createTestClock, type TestClock } from './clock.ts'
import { testKey, type TestKey } from './x509.ts'

export const DAY_MS = 86_400_000

/** Parses a trust domain that a test knows to be one. */
export function domain(text: string): TrustDomain {
  const parsed = parseTrustDomain(text)
  if (!parsed) throw new TypeError(`not a trust domain: ${text}`)
  return parsed
}

export const TRUST_DOMAIN: TrustDomain = domain('kos.internal')

/** Names a principal that a test knows to fit. */
export function principal(
  kind: PrincipalKind = 'device',
  id: string = 'kdev-aaaaaaaaaaaaaaaaaaaaaaaaaa',
): Principal {
  const named = principalOf(TRUST_DOMAIN, kind, id)
  if (!named) throw new TypeError(`not a principal: ${kind} ${id}`)
  return named
}

/** A certificate authority over a real key store in a folder of its own. */
export interface TestAuthority extends Disposable {
  readonly ca: CertificateAuthority
  readonly clock: TestClock
  readonly keys: KeyStore
  /** Opens the same authority again, as after a restart. */
  readonly reopen: () => CertificateAuthority
}

/** Makes a certificate authority; `using` removes it. */
export function createTestAuthority(
  trustDomain: TrustDomain = TRUST_DOMAIN,
  startWallMs?: number,
): TestAuthority {
  const directory = mkdtempSync(join(tmpdir(), 'kos-pki-'))
  const keys = openKeyStore({ random: systemRandom }, { directory, unlock: { kind: 'file' } })
  const clock = createTestClock(startWallMs)
  const open = (): CertificateAuthority =>
    createCertificateAuthority({ clock, random: systemRandom, keys }, { trustDomain })
  return {
    ca: open(),
    clock,
    keys,
    reopen: open,
    [Symbol.dispose]: (): void => {
      keys.close()
      rmSync(directory, { recursive: true, force: true })
    },
  }
}

/** A P-256 SubjectPublicKeyInfo whose private key nobody needs. */
export function somePublicKey(): Uint8Array {
  const { publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  return publicKey.export({ type: 'spki', format: 'der' })
}

const IDENTITY_KEY_HASH = sha256(somePublicKey())

/** An ordinary request for a device's leaf; a test changes what it is about. */
export function leafRequest(changes: Partial<LeafRequest> = {}): LeafRequest {
  return {
    principal: principal(),
    tlsSpki: somePublicKey(),
    identity: { floor: 'SEC-2', generation: 1, identityKeyHash: IDENTITY_KEY_HASH },
    usage: 'peer',
    lifeMs: DAY_MS,
    ...changes,
  }
}

/** Signs a leaf with any key, as the CA would never issue it. */
export function forgeLeaf(
  issuer: TestKey,
  like: { readonly ca: CertificateAuthority },
  changes: Partial<CertificateFields> & {
    readonly extraExtensions?: readonly X509Extension[]
  } = {},
): Uint8Array {
  const trusted = like.ca.trust.intermediates[0]?.certificate
  if (!trusted) throw new TypeError('no intermediate')
  const { extraExtensions = [], ...fields } = changes
  return buildCertificate(
    {
      serial: Uint8Array.of(7),
      issuer: trusted.subject,
      subject: buildName([{ oid: NAME_OID.serialNumber, value: 'forged' }]),
      notBefore: trusted.notBefore,
      notAfter: trusted.notAfter,
      spki: testKey().spki,
      extensions: [
        basicConstraintsExtension({ ca: false }),
        keyUsageExtension(['digitalSignature']),
        extendedKeyUsageExtension([KEY_PURPOSE.clientAuth, KEY_PURPOSE.serverAuth]),
        subjectAltNamesExtension({ uris: [principal().uri] }),
        authorityKeyIdExtension(trusted.subjectKeyId ?? new Uint8Array()),
        encodeLeafIdentity({ floor: 'SEC-4', generation: 1, identityKeyHash: IDENTITY_KEY_HASH }),
        ...extraExtensions,
      ],
      ...fields,
    },
    issuer.signer,
  )
}
