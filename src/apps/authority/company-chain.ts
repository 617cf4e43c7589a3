import {
  type Clock,
  isRefusal,
  type Log,
  refuse,
  type Refusal,
} from '../../foundation/base/index.ts'
import { codecErrors, pemDecode, pemEncode } from '../../foundation/codec/index.ts'
import {
  type CertificateAuthority,
  MAX_OUTER_CERTIFICATES,
  type OuterSubject,
} from '../../trust/pki/index.ts'
import type { CaStatus, ChainView } from './api-schema-ca.ts'
import { refuseCa, withHint } from './hints.ts'

/** How long before its end a chain is said to end: companies sign by hand. */
const SOON_MS = 30 * 24 * 60 * 60 * 1000

/** The place of this CA below a company's root, in the operator's hand. */
export interface CompanyChain {
  /** A request for the company, PEM; a refusal KOS_AUTHORITY_CA when the root's key is elsewhere. */
  csr(of: OuterSubject): string | Refusal
  /** What outsiders lack between a leaf and the company's root, PEM; a refusal when there is no chain. */
  pem(): string | Refusal
  /**
   * Takes what the company gave back.
   *
   * @param pem - certificates in any order, at most 12
   * @returns a refusal KOS_PKI_CHAIN whose rule names the check
   */
  take(pem: string): CaStatus | Refusal
  remove(): CaStatus | Refusal
}

interface CompanyChainDeps {
  readonly log: Log
  readonly ca: CertificateAuthority
  status(): CaStatus
  /** A leaf in force: what outsiders are to accept. */
  leaf(): Uint8Array
  /** The authority presents another chain. */
  onChanged(): void
}

/** Makes the operator's hand on the chain to a company's root. */
export function createCompanyChain(deps: CompanyChainDeps): CompanyChain {
  const { ca, log } = deps
  const changed = (state: 'imported' | 'removed'): CaStatus => {
    log.event('ca.chain', { state })
    deps.onChanged()
    return deps.status()
  }
  return {
    csr: (of) =>
      of === 'root' && !ca.hasRootKeys
        ? refuseCa('root-keys', 'Where the root keys are: kosctl ca csr --root ROOTFILE.')
        : pemEncode('CERTIFICATE REQUEST', ca.csr(of)),
    pem: () => {
      const ders = outsideChain(ca)
      return ders ? ders.map(certificatePem).join('') : noChain()
    },
    take: (pem) => {
      const ders = readCertificates(pem)
      const refusal = isRefusal(ders) ? ders : ca.importOuterChain(ders, deps.leaf())
      return refusal ? withHint(refusal) : changed('imported')
    },
    remove: () => {
      if (!ca.outerChain()) return noChain()
      ca.removeOuterChain()
      return changed('removed')
    },
  }
}

const certificatePem = (der: Uint8Array): string => pemEncode('CERTIFICATE', der)

function noChain(): Refusal {
  return refuseCa('no-chain', 'Bring one: kosctl ca csr, then kosctl ca chain import FILE.')
}

/**
 * What stands between a leaf and the company's root: our permitted intermediates below a root that the
 * company signed, or the intermediate that it signed itself.
 */
function outsideChain(ca: CertificateAuthority): readonly Uint8Array[] | undefined {
  const chain = ca.outerChain()
  if (!chain) return undefined
  const theirs = chain.certificates.map(({ der }) => der)
  if (chain.of === 'intermediate') return theirs
  return [...ca.trust.intermediates.map(({ certificate }) => certificate.der), ...theirs]
}

/**
 * What the authority presents beyond its leaf and its intermediate, so that whoever knows the company's
 * root alone finds the way. An intermediate that the company signed has the name and key of ours: whoever
 * knows our root alone, as devices without kosd do, would take the wrong one of two, so it is not presented.
 */
export function presentedBeyond(ca: CertificateAuthority): readonly Uint8Array[] {
  const chain = ca.outerChain()
  return chain?.of === 'root' ? chain.certificates.map(({ der }) => der) : []
}

/** How it stands with the chain; `undefined` without one. */
export function chainView(ca: CertificateAuthority, clock: Clock): ChainView | undefined {
  const chain = ca.outerChain()
  if (!chain) return undefined
  const { of, notAfter, certificates } = chain
  const leftMs = notAfter - clock.wallMs()
  const key = certificates[0]?.publicKey.spki ?? new Uint8Array()
  const isStale = of === 'intermediate' && Buffer.compare(ca.issuing.spki, key) !== 0
  const state =
    leftMs < 0 ? 'ended' : isStale ? 'stale' : leftMs < SOON_MS ? 'ends-soon' : 'in-force'
  return { of, notAfter, state }
}

/** What an operator is to do about the chain; `undefined` while it is well. */
export function chainWarning(ca: CertificateAuthority, clock: Clock): string | undefined {
  const view = chainView(ca, clock)
  switch (view?.state) {
    case 'ended':
    case 'ends-soon': {
      const day = new Date(view.notAfter).toISOString().slice(0, 10)
      const when = view.state === 'ended' ? `ended on ${day}` : `ends on ${day}`
      return `The chain to the company's root ${when}: kosctl ca csr --of ${view.of}, then kosctl ca chain import FILE`
    }
    case 'stale':
      return 'The company signed an intermediate that does not issue any more: kosctl ca csr --of intermediate'
    case 'in-force':
    case undefined:
      return undefined
  }
}

const BLOCK = /-----BEGIN CERTIFICATE-----[A-Za-z0-9+/=\s]*-----END CERTIFICATE-----/g

/** Every certificate of a text; programs write names and comments between them. */
function readCertificates(text: string): readonly Uint8Array[] | Refusal {
  const blocks = text.match(BLOCK) ?? []
  if (blocks.length === 0) return refuse('KOS_PKI_CHAIN', 'pem')
  if (blocks.length > MAX_OUTER_CERTIFICATES) return refuse('KOS_PKI_CHAIN', 'size')
  try {
    return blocks.map((block) => pemDecode(block, 'CERTIFICATE'))
  } catch (error) {
    if (!codecErrors.has(error)) throw error
    return refuse('KOS_PKI_CHAIN', 'pem')
  }
}
