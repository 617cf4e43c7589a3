/** An authority of today, so that OpenSSL accepts what it issues, and peers that judge as members do. */
import type { TestContext } from 'node:test'
import {
  isRefusal,
  Secret,
  systemClock,
  systemRandom,
  type UnixMs,
  utf8,
} from '../../src/foundation/base/index.ts'
import {
  buildCertificate,
  type CertificateFields,
  parseCertificate,
  pemEncode,
  type X509Extension,
} from '../../src/foundation/codec/index.ts'
import { derNamedBits } from '../../src/foundation/codec/der-writer.ts'
import type { CertificateIdentity, VerifyPeer } from '../../src/network/transport/index.ts'
import { type KeyStore, openKeyStore } from '../../src/trust/keys/index.ts'
import {
  type CertificateAuthority,
  createCertificateAuthority,
  createLockState,
  createPeerVerifier,
  EMPTY_LOCK_LIST,
  encodeLockList,
  type LeafRequest,
  type LockList,
  type PeerVerifier,
  type SignedNumbered,
  signSuccessor,
} from '../../src/trust/pki/index.ts'
import { leafRequest, TRUST_DOMAIN } from './pki.ts'
import { temporaryFolder } from './temporary.ts'
import { testKey, type TestKey } from './x509.ts'

/** An authority whose clock is the machine's, and who may misuse its keys. */
export interface TlsAuthority {
  readonly ca: CertificateAuthority
  readonly keys: KeyStore
  /** A new key with a leaf as the authority issues it. */
  readonly identity: (changes?: Partial<LeafRequest>) => CertificateIdentity
  /** A new key with a leaf as the authority would never issue it, signed by its intermediate. */
  readonly forged: (changes?: ForgedFields) => CertificateIdentity
}

/** Changes the extensions that the authority would write. */
export type ChangeExtensions = (ordinary: readonly X509Extension[]) => readonly X509Extension[]

/** How a forged leaf differs from an issued one. */
export interface ForgedFields extends Partial<Omit<CertificateFields, 'extensions'>> {
  readonly extensions?: ChangeExtensions
}

/** Makes an authority; it ends with the test. */
export function createTlsAuthority(context: TestContext): TlsAuthority {
  const directory = temporaryFolder(context)
  const keys = openKeyStore({ random: systemRandom }, { directory, unlock: { kind: 'file' } })
  context.after(() => keys.close())
  const deps = { clock: systemClock, random: systemRandom, keys }
  const ca = createCertificateAuthority(deps, { trustDomain: TRUST_DOMAIN })
  return {
    ca,
    keys,
    identity: (changes = {}) => {
      const key = testKey()
      return identityOf(ca, ca.issueLeaf(leafRequest({ tlsSpki: key.spki, ...changes })).der, key)
    },
    forged: ({ extensions, ...changes } = {}) => {
      const key = testKey()
      const issued = parseCertificate(ca.issueLeaf(leafRequest({ tlsSpki: key.spki })).der)
      const written = extensions?.(issued.extensions) ?? issued.extensions
      const fields = { ...issued, ...changes, extensions: written }
      const signer = keys.require('ca-intermediate-1').certificateSigner()
      return identityOf(ca, buildCertificate(fields, signer), key)
    },
  }
}

/**
 * The Netscape certificate type for mail, not critical. OpenSSL refuses a TLS peer that has it; the own
 * check does not know it, as RFC 5280 does not.
 */
export const NETSCAPE_MAIL: X509Extension = {
  oid: '2.16.840.1.113730.1.1',
  critical: false,
  value: derNamedBits([2]),
}

/** A leaf with its key, as TLS presents it. */
export function identityOf(
  ca: CertificateAuthority,
  leafDer: Uint8Array,
  { privateKey }: TestKey,
): CertificateIdentity {
  const pem = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()
  return {
    kind: 'certificate',
    certificateChainPem: [leafDer, ca.chain[0]]
      .map((der) => pemEncode('CERTIFICATE', der))
      .join(''),
    privateKeyPem: Secret.take(utf8(pem)),
    trustedCaPem: ca.chain.map((der) => pemEncode('CERTIFICATE', der)),
  }
}

/** The own verdict as members make it: what is remembered of the leaf, time, then the lock list. */
export interface MemberVerdict {
  readonly verifier: PeerVerifier
  readonly verifyPeer: VerifyPeer
  /** How often the verdict was asked for. */
  readonly asked: () => number
  /** Puts a new lock list in force. */
  readonly lock: (list: Partial<LockList>) => void
}

/** Makes an own verdict with an empty lock list. */
export function memberVerdict(
  ca: CertificateAuthority,
  nowMs: () => UnixMs = () => systemClock.wallMs(),
): MemberVerdict {
  const verifier = createPeerVerifier()
  const locks = createLockState({ trust: () => ca.trust })
  let held: SignedNumbered | undefined
  let asked = 0
  const lock = (list: Partial<LockList>): void => {
    const body = encodeLockList({ ...EMPTY_LOCK_LIST, ...list })
    const next = { held: held?.object, era: 1, body, issuedAt: systemClock.wallMs() }
    held = signSuccessor('lock-list', next, ca.signers.lock.coseSigner())
    const applied = locks.apply(held.bytes)
    if (isRefusal(applied)) throw new Error(applied.rule)
  }
  lock({})
  return {
    verifier,
    asked: () => asked,
    lock,
    verifyPeer: (leafDer, purpose) => {
      asked += 1
      const peer = verifier.verify(leafDer, { bundle: ca.trust, purpose, nowMs: nowMs() })
      return isRefusal(peer) ? peer : locks.check(peer)
    },
  }
}
