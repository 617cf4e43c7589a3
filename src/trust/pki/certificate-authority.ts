import {
  type Clock,
  equalBytes,
  isRefusal,
  type Random,
  refuse,
  type Refusal,
  toHex,
  type TrustDomain,
} from '../../foundation/base/index.ts'
import { parseCertificate, type X509Certificate } from '../../foundation/codec/index.ts'
import type { KeyStore } from '../keys/index.ts'
import { buildCaCsr, buildIntermediate, buildRoot, keyIdentifier } from './ca-certificates.ts'
import {
  ensureIntermediateKey,
  ensureRoleKeys,
  ensureRootKeys,
  findRootKeys,
  intermediateKeyName,
  requireRoleKeys,
  type RoleKeys,
  roleSpkis,
} from './ca-keys.ts'
import { type CaState, loadCaState, LOST, saveCaState } from './ca-state.ts'
import { type CrlContent, issueCrl, type IssuedCrl } from './issue-crl.ts'
import { issueLeaf, type IssuedLeaf, type LeafIssuer, type LeafRequest } from './issue-leaf.ts'
import {
  loadOuterChain,
  type OuterChain,
  type OuterSubject,
  readOuterChain,
  saveOuterChain,
} from './outer-chain.ts'
import { encodeRootRequest, requestProblem, type RootRequest } from './root-request.ts'
import { checkRootAnswer, type RootSigner } from './root-sign.ts'
import {
  type Active,
  type EraStep,
  isSameStep,
  nextState,
  otherIntermediate,
  pendingOf,
  planStep,
  type RootStep,
  type SignedStep,
  signStep,
  stateError,
  storedRoots,
  touchesIssuing,
} from './root-steps.ts'
import type { StandbyFields } from './standby.ts'
import { signTrustBundle, type TrustBundle, trustPin, verifyTrustBundle } from './trust-bundle.ts'

/** The certificate authority of one trust domain. */
export interface CertificateAuthority {
  readonly trustDomain: TrustDomain
  /** base64url SHA-256 over both root keys: what join lines carry. */
  readonly pin: string
  /** The signed trust bundle as nodes get it. */
  readonly bundle: Uint8Array
  /** The same bundle, verified. */
  readonly trust: TrustBundle
  /** The era in which numbered objects are signed. */
  readonly era: number
  /** The issuing intermediate: one of the certificates in {@link CertificateAuthority.trust}. */
  readonly issuing: X509Certificate
  /** The issuing intermediate and the P-256 root, for TLS chains. */
  readonly chain: readonly [intermediate: Uint8Array, root: Uint8Array]
  /** The delegated keys that sign lock lists, directories, manifests and checkpoints. */
  readonly signers: RoleKeys
  /** Whether the root keys lie in the key store; they are meant to be kept offline. */
  readonly hasRootKeys: boolean
  /** Whether the issuing intermediate is past half of its life. */
  readonly intermediateDue: boolean
  /**
   * Issues one leaf.
   *
   * **Security:** the caller decides who gets one and has proven possession of the TLS key.
   *
   * @throws KosError KOS_PKI_ISSUE with the rule `usage`, `names`, `life`, `skew`, `tls-key`,
   *   `generation`, `identity-key-hash` or `issuer-validity`
   */
  issueLeaf(request: LeafRequest): IssuedLeaf
  /** Key identifiers of the permitted intermediates whose keys are here, lower-case hexadecimal. */
  readonly issuers: readonly string[]
  /**
   * Signs the revocation lists of the permitted intermediates.
   *
   * **Security:** that numbers rise is the caller's to keep.
   */
  issueCrls(content: CrlContent): readonly IssuedCrl[]
  /**
   * Rotation, step 1: makes another intermediate and permits it in a new bundle. It does not issue
   * yet, so every node can learn of it first. One that has ended makes room.
   *
   * @throws KosError KOS_PKI_STATE `root-keys` when they are offline, `request: intermediates` when two
   *   are active
   */
  prepareIntermediate(): void
  /**
   * Rotation, step 2, reversible: lets the other active intermediate issue. One that is tainted is no
   * longer: that takes the root keys.
   */
  switchIntermediate(): void
  /**
   * Rotation, step 3, reversible by a switch: says in a new bundle that leaves of the intermediate that
   * does not issue are to be renewed soon.
   *
   * @throws KosError KOS_PKI_STATE `root-keys` when they are offline, `intermediates` when there is one
   */
  taintIntermediate(): void
  /**
   * Rotation, step 4: takes the intermediate that does not issue out of the bundle. Leaves under it
   * are refused from then on.
   */
  retireIntermediate(): void
  /**
   * Replaces the standby signers in a new bundle.
   *
   * @param standbys - all that are permitted from now on, at most 3
   * @throws KosError KOS_PKI_STATE `root-keys` when they are offline, or `bundle: …` when a standby does
   *   not fit; nothing is changed then
   */
  setStandbys(standbys: readonly StandbyFields[]): void
  /**
   * Opens a new era, signed by the root keys. After a restore from a backup it issues by an intermediate
   * that was made for it: the keys of the backup may be in other hands.
   *
   * @param how - what a restored authority goes on with; root keys that lie elsewhere
   *   ({@link openRootFile}), absent: those of the key store
   * @throws KosError KOS_PKI_STATE `root-keys` when there are none, `roots: …` when they refuse
   * @see identity: Eras: restore without bricking
   */
  openEra(how?: {
    readonly restored?: EraStep | undefined
    readonly roots?: RootSigner | undefined
  }): void
  /** The request that waits for root keys kept elsewhere. */
  pendingRequest(): RootRequest | undefined
  /**
   * Asks root keys that are kept elsewhere for a step, or again for the one that waits already; durable
   * when it returns. Nothing changes before {@link installAnswer}.
   *
   * @param step - what is to be said
   * @param by - who asks, for those who sign
   * @returns the request, to be carried to the root keys
   * @throws KosError KOS_PKI_STATE `intermediates` or `request: …` when the step cannot be taken,
   *   `pending` when another one waits
   */
  requestRoots(step: RootStep, by: string): Uint8Array
  /** Forgets the request that waits. Its number is not used again: it may have been signed. */
  cancelRequest(): void
  /**
   * Takes what the root keys signed, if it is exactly what was asked for and goes on from the bundle in
   * force; durable when it returns.
   *
   * @returns a refusal KOS_PKI_ROOT_ANSWER, or `undefined`
   */
  installAnswer(answer: Uint8Array): Refusal | undefined
  /**
   * A request for a certificate of a company over the P-256 root or the issuing intermediate.
   *
   * @returns PKCS#10, DER
   * @throws KosError KOS_PKI_STATE `root-keys` when the root's key is elsewhere: see {@link RootFile.csr}
   */
  csr(of: OuterSubject): Uint8Array
  /** The chain to a company's root, for outsiders; `undefined` without one. */
  outerChain(): OuterChain | undefined
  /**
   * Takes a chain to a company's root; durable when it returns. It changes nothing inside.
   *
   * @param ders - see {@link readOuterChain}
   * @param leaf - one that the issuing intermediate has signed
   * @returns a refusal KOS_PKI_CHAIN, or `undefined`
   */
  importOuterChain(ders: readonly Uint8Array[], leaf: Uint8Array): Refusal | undefined
  /** Forgets it. */
  removeOuterChain(): void
}

interface CaDeps {
  readonly clock: Clock
  readonly random: Random
  readonly keys: KeyStore
}

/**
 * Opens the certificate authority of a key store; the first start makes two roots, an intermediate,
 * the delegated keys and the first trust bundle, and all of it is durable when this returns.
 *
 * **Security:** root keys start beside the others; {@link CertificateAuthority.hasRootKeys} says
 * whether they still are.
 *
 * @param deps - clock, randomness and the key store, which keeps the state too
 * @param options - the trust domain; it never changes
 * @throws KosError KOS_PKI_STATE when keys and state do not belong together
 * @see identity: The CA and its post-quantum pair
 */
export function createCertificateAuthority(
  deps: CaDeps,
  options: { readonly trustDomain: TrustDomain },
): CertificateAuthority {
  const { clock, keys } = deps
  let active = openState(deps, options.trustDomain)
  const signers = requireRoleKeys(keys, active.trust)
  // Verified before it is written, written before it is used.
  const replace = (state: CaState): void => {
    const next = activate(keys, state)
    saveCaState(keys, state)
    active = next
  }
  return {
    trustDomain: active.trust.trustDomain,
    pin: active.trust.pin,
    signers,
    get bundle(): Uint8Array {
      return active.state.bundle
    },
    get trust(): TrustBundle {
      return active.trust
    },
    get era(): number {
      return active.trust.era
    },
    get issuing(): X509Certificate {
      return active.issuer.certificate
    },
    get chain(): readonly [Uint8Array, Uint8Array] {
      return [active.issuer.certificate.der, active.trust.rootP256Certificate.der]
    },
    get hasRootKeys(): boolean {
      return findRootKeys(keys) !== undefined
    },
    get intermediateDue(): boolean {
      const { notBefore, notAfter } = active.issuer.certificate
      return clock.wallMs() > (notBefore + notAfter) / 2
    },
    issueLeaf: (request): IssuedLeaf => issueLeaf(deps, active.issuer, request),
    get issuers(): readonly string[] {
      const { state, trust } = active
      return trust.intermediates
        .filter((_, at) => state.ordinals[at] !== LOST)
        .map(({ certificate }) => toHex(keyIdentifier(certificate.spki)))
    },
    issueCrls: (content): readonly IssuedCrl[] =>
      active.state.ordinals
        .filter((ordinal) => ordinal !== LOST)
        .map((ordinal) => issueCrl(issuerOf(keys, active, ordinal), content)),
    ...rootStepsOf(deps, { active: () => active, replace }),
    ...outerOf(deps, () => active),
  }
}

/** The state in force, and what puts another one in its place. */
interface Holder {
  readonly active: () => Active
  readonly replace: (state: CaState) => void
}

/** What takes the root keys: at hand, or asked elsewhere. */
function rootStepsOf(
  deps: CaDeps,
  { active, replace }: Holder,
): Pick<
  CertificateAuthority,
  | 'prepareIntermediate'
  | 'switchIntermediate'
  | 'taintIntermediate'
  | 'retireIntermediate'
  | 'setStandbys'
  | 'openEra'
> &
  RootRequests {
  const { keys } = deps
  const install = (signed: SignedStep): void => {
    replace(signed.state)
    // Keys go last: after a crash in between they lie about unused.
    for (const name of signed.unused) if (keys.get(name)) keys.remove(name)
  }
  /** A step whose root keys are at hand. */
  const take = (step: RootStep, roots: RootSigner = storedRoots(deps)): void => {
    const request = planStep(deps, active(), { step, by: '', last: roots.last })
    install(signStep(active(), request, roots))
  }
  return {
    prepareIntermediate: () => take({ kind: 'prepare' }),
    switchIntermediate: () => {
      const issuing = otherIntermediate(active().state)
      const isTainted = active().trust.intermediates.some((one) => one.isTainted)
      if (!isTainted) return replace({ ...active().state, issuing })
      const roots = storedRoots(deps)
      const request = planStep(deps, active(), { step: { kind: 'clear-taint' }, by: '' })
      const { state } = signStep(active(), request, roots)
      return replace({ ...state, issuing })
    },
    taintIntermediate: () => take({ kind: 'taint' }),
    retireIntermediate: () => take({ kind: 'retire' }),
    setStandbys: (standbys) => take({ kind: 'standbys', standbys }),
    openEra: ({ restored, roots = storedRoots(deps) } = {}) => {
      const step = { kind: 'era', restored } as const
      const request = planStep(deps, active(), { step, by: '', last: roots.last })
      const { state, unused } = signStep(active(), request, roots)
      const issuing = request.intermediate?.ordinal ?? state.issuing
      install({ state: { ...state, issuing }, unused })
    },
    ...rootRequestsOf(deps, { active, replace }, install),
  }
}

/** What the company above has signed. */
function outerOf(
  { keys, clock }: CaDeps,
  active: () => Active,
): Pick<CertificateAuthority, 'csr' | 'outerChain' | 'importOuterChain' | 'removeOuterChain'> {
  let chain = loadOuterChain(keys)
  return {
    csr: (of) => {
      const { state, trust, issuer } = active()
      if (of === 'intermediate') {
        return buildCaCsr(keys.require(intermediateKeyName(state.issuing)), issuer.certificate)
      }
      const roots = findRootKeys(keys)
      if (!roots) throw stateError('root-keys')
      return buildCaCsr(roots.p256, trust.rootP256Certificate)
    },
    outerChain: () => chain,
    importOuterChain: (ders, leaf) => {
      const read = readOuterChain(ders, { trust: active().trust, leaf, nowMs: clock.wallMs() })
      if (isRefusal(read)) return read
      saveOuterChain(keys, read)
      chain = read
      return undefined
    },
    removeOuterChain: () => {
      saveOuterChain(keys, undefined)
      chain = undefined
    },
  }
}

type RootRequests = Pick<
  CertificateAuthority,
  'pendingRequest' | 'requestRoots' | 'cancelRequest' | 'installAnswer'
>

function rootRequestsOf(
  deps: CaDeps,
  { active, replace }: Holder,
  install: (signed: SignedStep) => void,
): RootRequests {
  return {
    pendingRequest: () => pendingOf(active())?.request,
    requestRoots: (step, by) => {
      const { state, trust } = active()
      const request = planStep(deps, active(), { step, by })
      if (state.pending) {
        if (!isSameStep(pendingOf(active())?.request, request)) throw stateError('pending')
        return state.pending
      }
      const problem = requestProblem({ request, current: trust })
      if (problem) throw stateError(`request: ${problem.rule}`)
      const pending = encodeRootRequest(request, state.bundle)
      replace({ ...state, pending, asked: request.number })
      return pending
    },
    cancelRequest: () => replace({ ...active().state, pending: undefined }),
    installAnswer: (answer) => {
      const opened = pendingOf(active())
      if (!opened) return refuse('KOS_PKI_ROOT_ANSWER', 'no-request')
      const trust = checkRootAnswer(opened, answer)
      if (isRefusal(trust)) return trust
      if (touchesIssuing(active(), opened.request)) return refuse('KOS_PKI_ROOT_ANSWER', 'issuing')
      install(nextState(active(), opened.request, answer))
      return undefined
    },
  }
}

function openState(deps: CaDeps, trustDomain: TrustDomain): Active {
  const stored = loadCaState(deps.keys)
  const active = activate(deps.keys, stored ?? firstState(deps, trustDomain))
  if (active.trust.trustDomain !== trustDomain) throw stateError('trust-domain')
  if (!stored) saveCaState(deps.keys, active.state)
  return active
}

// The own bundle is verified like everyone else's: a CA that nobody would accept does not start.
function activate(keys: KeyStore, state: CaState): Active {
  const trust = verifyTrustBundle(state.bundle, { pin: state.pin })
  if (isRefusal(trust)) throw stateError(`bundle: ${trust.rule}`)
  return { state, trust, issuer: issuerOf(keys, { state, trust }, state.issuing) }
}

function issuerOf(
  keys: KeyStore,
  { state, trust }: Pick<Active, 'state' | 'trust'>,
  ordinal: number,
): LeafIssuer {
  const certificate = trust.intermediates[state.ordinals.indexOf(ordinal)]?.certificate
  const key = keys.get(intermediateKeyName(ordinal))
  if (!certificate || !key || !equalBytes(certificate.spki, key.spki)) {
    throw stateError('intermediate')
  }
  return { certificate, signer: key.certificateSigner() }
}

function firstState(deps: CaDeps, trustDomain: TrustDomain): CaState {
  const { clock, random, keys } = deps
  const roots = ensureRootKeys(keys)
  const context = { trustDomain, random, nowMs: clock.wallMs() }
  const p256 = buildRoot(roots.p256, context)
  const mlDsa65 = buildRoot(roots.mlDsa65, context)
  const root = { certificate: parseCertificate(p256), key: roots.p256 }
  const ordinal = 1
  const key = ensureIntermediateKey(keys, ordinal)
  const bundle = signTrustBundle(
    {
      trustDomain,
      era: 1,
      number: 1,
      issuedAt: context.nowMs,
      roots: [p256, mlDsa65],
      intermediates: [buildIntermediate(key.spki, root, { ...context, ordinal })],
      signingKeys: roleSpkis(ensureRoleKeys(keys)),
    },
    [roots.p256.coseSigner(), roots.mlDsa65.coseSigner()],
  )
  const pin = trustPin(roots.p256.spki, roots.mlDsa65.spki)
  return { pin, bundle, ordinals: [ordinal], issuing: ordinal, nextOrdinal: ordinal + 1 }
}
