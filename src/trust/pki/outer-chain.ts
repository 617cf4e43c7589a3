import {
  equalBytes,
  isRefusal,
  refuse,
  type Refusal,
  Secret,
  type UnixMs,
  validate,
  z,
} from '../../foundation/base/index.ts'
import {
  cborToPlain,
  codecErrors,
  decodeCbor,
  encodeCbor,
  importPkixKey,
  parsePkixCertificate,
  type PkixCertificate,
  verifyPkixSignature,
  type X509Certificate,
} from '../../foundation/codec/index.ts'
import type { KeyStore } from '../keys/index.ts'
import { pkiErrors } from './errors.ts'
import { validatePath } from './path-validate.ts'
import type { TrustBundle } from './trust-bundle.ts'

/** Which CA of ours the company signed. */
export type OuterSubject = 'root' | 'intermediate'

/**
 * A chain from a CA of ours to a root of somebody else, for those outside who know that root. Inside,
 * the trust bundle stays the law.
 */
export interface OuterChain {
  readonly of: OuterSubject
  /** Our CA as the company signed it, then the company's own, up to the one that its root issued. */
  readonly certificates: readonly PkixCertificate[]
  readonly root: PkixCertificate
  /** When the first of them ends. */
  readonly notAfter: UnixMs
}

/** What a chain is read with. */
export interface OuterChainContext {
  readonly trust: TrustBundle
  /** A leaf that the issuing intermediate has signed: it must be valid by the chain. */
  readonly leaf: Uint8Array
  readonly nowMs: UnixMs
}

/** The most certificates of one chain, the root and those that do not belong to it included. */
export const MAX_OUTER_CERTIFICATES = 12
const MAX_BYTES = 48 * 1024
const SECRET_NAME = 'ca-outer-chain'
const VERSION = 1
const storedSchema = z.strictObject({
  version: z.literal(VERSION),
  of: z.enum(['root', 'intermediate']),
  certificates: z.array(z.instanceof(Uint8Array)).min(1).max(MAX_OUTER_CERTIFICATES),
  root: z.instanceof(Uint8Array),
})

/**
 * Reads what a company gave back for a request: finds our certificate by its key, and validates a path
 * from a leaf of ours over it to the company's root, with everything that RFC 5280 asks on the way.
 *
 * **Security:** the company's root is believed because an operator hands it in. It says nothing inside
 * the trust domain: see {@link verifyTrustBundle}.
 *
 * @param ders - our certificate, the company's intermediates and its root, in any order
 * @returns the chain, or a refusal KOS_PKI_CHAIN whose rule names the check
 */
export function readOuterChain(
  ders: readonly Uint8Array[],
  context: OuterChainContext,
): OuterChain | Refusal {
  const total = ders.reduce((sum, { length }) => sum + length, 0)
  if (ders.length > MAX_OUTER_CERTIFICATES || total > MAX_BYTES) return chainRefusal('size')
  const given = parseAll(ders)
  if (!given) return chainRefusal('encoding')
  const { trust, leaf, nowMs } = context
  const issued = given.all.filter((one) => !given.selfSigned.has(one))
  const own = findOwn(issued, trust)
  if (isRefusal(own)) return own
  // One of ours only: every path leads over it.
  const theirs = issued.filter(({ publicKey }) => !isOurs(publicKey, trust))
  const roots = [...given.selfSigned].filter(({ publicKey }) => !isOurs(publicKey, trust))
  if (roots.length === 0) return chainRefusal('root')
  const ours =
    own.of === 'root' ? trust.intermediates.map(({ certificate }) => certificate.der) : []
  const path = validatePath({
    target: leaf,
    candidates: [...ours, own.certificate.der, ...theirs.map(({ der }) => der)],
    anchors: roots,
    nowMs,
    purpose: 'both',
  })
  if (isRefusal(path)) return chainRefusal(`path: ${path.rule}`, path.depth)
  const at = path.certificates.findIndex(({ der }) => equalBytes(der, own.certificate.der))
  return chainOf(own.of, path.certificates.slice(at), path.anchor)
}

function chainOf(
  of: OuterSubject,
  certificates: readonly PkixCertificate[],
  root: PkixCertificate,
): OuterChain {
  const ends = [...certificates, root].map(({ notAfter }) => notAfter)
  const notAfter = ends.reduce((first, end) => (end < first ? end : first))
  return Object.freeze({ of, certificates, root, notAfter })
}

interface Own {
  readonly of: OuterSubject
  readonly certificate: PkixCertificate
}

/** Our root or an intermediate of ours, signed by somebody else, with all that it must carry. */
function findOwn(certificates: readonly PkixCertificate[], trust: TrustBundle): Own | Refusal {
  const [found] = certificates.flatMap((certificate) => {
    const ours = ownCertificates(trust).find(({ spki }) =>
      equalBytes(spki, certificate.publicKey.spki),
    )
    return ours ? [{ certificate, ours }] : []
  })
  if (!found) return chainRefusal('key')
  const { certificate, ours } = found
  const of = ours === trust.rootP256Certificate ? 'root' : 'intermediate'
  const { subject, subjectKeyId, basicConstraints, keyUsage } = certificate
  const same = parsePkixCertificate(ours.der)
  if (subject.key !== same.subject.key) return chainRefusal('subject')
  // Programs look for an issuer by the key identifier that our certificates name.
  const isNamed = !subjectKeyId || equalBytes(subjectKeyId, ours.subjectKeyId ?? subjectKeyId)
  if (!isNamed) return chainRefusal('subject-key-id')
  const length = basicConstraints?.pathLength ?? 1
  const isCa = basicConstraints?.ca === true && length >= (of === 'root' ? 1 : 0)
  if (!isCa || keyUsage?.includes('keyCertSign') === false) return chainRefusal('ca')
  return { of, certificate }
}

function isOurs({ spki }: PkixCertificate['publicKey'], trust: TrustBundle): boolean {
  return ownCertificates(trust).some((own) => equalBytes(own.spki, spki))
}

function ownCertificates(trust: TrustBundle): readonly X509Certificate[] {
  return [trust.rootP256Certificate, ...trust.intermediates.map((one) => one.certificate)]
}

/** The certificates, and which of them signed themselves. */
interface Given {
  readonly all: readonly PkixCertificate[]
  readonly selfSigned: ReadonlySet<PkixCertificate>
}

function parseAll(ders: readonly Uint8Array[]): Given | undefined {
  try {
    const all = ders.map((der) => parsePkixCertificate(der))
    const selfSigned = all.filter(
      (one) =>
        one.selfIssued && verifyPkixSignature(one, one.publicKey, importPkixKey(one.publicKey)),
    )
    return { all, selfSigned: new Set(selfSigned) }
  } catch (error) {
    if (!codecErrors.has(error)) throw error
    return undefined
  }
}

/** The chain that was stored; `undefined` when there is none. @throws KosError KOS_PKI_STATE `outer-chain` */
export function loadOuterChain(keys: KeyStore): OuterChain | undefined {
  using secret = keys.openSecret(SECRET_NAME)
  if (!secret) return undefined
  try {
    const read = secret.use((bytes) => validate(storedSchema, cborToPlain(decodeCbor(bytes))))
    if (!isRefusal(read)) {
      const { of, certificates, root } = read.value
      return chainOf(of, certificates.map(parsePkixCertificate), parsePkixCertificate(root))
    }
  } catch (error) {
    if (!codecErrors.has(error)) throw error
  }
  throw pkiErrors.error('KOS_PKI_STATE', { rule: 'outer-chain' })
}

/** Stores a chain, or forgets the one there is; durable when it returns. */
export function saveOuterChain(keys: KeyStore, chain: OuterChain | undefined): void {
  if (!chain) {
    if (keys.listSecrets().includes(SECRET_NAME)) keys.removeSecret(SECRET_NAME)
    return
  }
  const { of, certificates, root } = chain
  const ders = certificates.map(({ der }) => der)
  using secret = Secret.take(
    encodeCbor({ version: VERSION, of, certificates: ders, root: root.der }),
  )
  keys.sealSecret(SECRET_NAME, secret)
}

function chainRefusal(rule: string, depth?: number): Refusal {
  return refuse('KOS_PKI_CHAIN', rule, depth === undefined ? {} : { details: { depth } })
}
