import {
  type Clock,
  equalBytes,
  isRefusal,
  type Random,
  toHex,
  type TrustDomain,
} from '../../foundation/base/index.ts'
import { parseCertificate } from '../../foundation/codec/index.ts'
import type { KeyStore } from '../keys/index.ts'
import { buildIntermediate, buildRoot, keyIdentifier } from './ca-certificates.ts'
import {
  ensureIntermediateKey,
  ensureRoleKeys,
  ensureRootKeys,
  findRootKeys,
  intermediateKeyName,
  requireRoleKeys,
  type RoleKeys,
  type RootKeys,
  roleSpkis,
} from './ca-keys.ts'
import { type CaState, loadCaState, saveCaState } from './ca-state.ts'
import { pkiErrors } from './errors.ts'
import { type CrlContent, issueCrl, type IssuedCrl } from './issue-crl.ts'
import { issueLeaf, type IssuedLeaf, type LeafIssuer, type LeafRequest } from './issue-leaf.ts'
import type { StandbyFields } from './standby.ts'
import {
  signTrustBundle,
  type TrustBundle,
  type TrustBundleFields,
  trustPin,
  verifyTrustBundle,
} from './trust-bundle.ts'

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
  /** Key identifiers of the permitted intermediates, lower-case hexadecimal. */
  readonly issuers: readonly string[]
  /**
   * Signs the revocation lists of the permitted intermediates.
   *
   * **Security:** that numbers rise is the caller's to keep.
   */
  issueCrls(content: CrlContent): readonly IssuedCrl[]
  /**
   * Rotation, step 1: makes another intermediate and permits it in a new bundle. It does not issue
   * yet, so every node can learn of it first.
   *
   * @throws KosError KOS_PKI_STATE `root-keys` when they are offline, `intermediates` when two are
   *   active
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
   * Opens a new era after a restore from a backup, signed by the root keys.
   *
   * @see identity: Eras: restore without bricking
   */
  openEra(): void
}

interface CaDeps {
  readonly clock: Clock
  readonly random: Random
  readonly keys: KeyStore
}

/** Intermediates that are permitted at one time. */
const MAX_ACTIVE = 2

/** The state, read and verified. */
interface Active {
  readonly state: CaState
  readonly trust: TrustBundle
  readonly issuer: LeafIssuer
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
      return active.trust.intermediates.map(({ certificate }) =>
        toHex(keyIdentifier(certificate.spki)),
      )
    },
    issueCrls: (content): readonly IssuedCrl[] =>
      active.state.ordinals.map((ordinal) => issueCrl(issuerOf(keys, active, ordinal), content)),
    prepareIntermediate: (): void => replace(withIntermediate(deps, active)),
    switchIntermediate: (): void => {
      const issuing = otherIntermediate(active.state)
      const isTainted = active.trust.intermediates.some((one) => one.isTainted)
      const bundle = isTainted ? resignBundle(deps, active, { tainted: [] }) : active.state.bundle
      replace({ ...active.state, bundle, issuing })
    },
    taintIntermediate: (): void => {
      const at = active.state.ordinals.indexOf(otherIntermediate(active.state))
      const { subjectKeyId } = active.trust.intermediates[at]?.certificate ?? {}
      if (!subjectKeyId) throw stateError('intermediates')
      replace({
        ...active.state,
        bundle: resignBundle(deps, active, { tainted: [subjectKeyId] }),
      })
    },
    retireIntermediate: (): void => {
      const ordinal = otherIntermediate(active.state)
      replace(withoutIntermediate(deps, active, ordinal))
      // The key goes last: after a crash in between it lies about unused.
      keys.remove(intermediateKeyName(ordinal))
    },
    setStandbys: (standbys): void => {
      replace({ ...active.state, bundle: resignBundle(deps, active, { standbys }) })
    },
    openEra: (): void => {
      const bundle = resignBundle(deps, active, { era: active.trust.era + 1 })
      replace({ ...active.state, bundle })
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
      intermediates: [buildIntermediate(key, root, { ...context, ordinal })],
      signingKeys: roleSpkis(ensureRoleKeys(keys)),
    },
    [roots.p256.coseSigner(), roots.mlDsa65.coseSigner()],
  )
  const pin = trustPin(roots.p256.spki, roots.mlDsa65.spki)
  return { pin, bundle, ordinals: [ordinal], issuing: ordinal, nextOrdinal: ordinal + 1 }
}

function withIntermediate(deps: CaDeps, { state, trust }: Active): CaState {
  if (state.ordinals.length >= MAX_ACTIVE) throw stateError('intermediates')
  const { trustDomain } = trust
  const ordinal = state.nextOrdinal
  const root = { certificate: trust.rootP256Certificate, key: requireRootKeys(deps).p256 }
  const context = { trustDomain, random: deps.random, nowMs: deps.clock.wallMs(), ordinal }
  const der = buildIntermediate(ensureIntermediateKey(deps.keys, ordinal), root, context)
  const intermediates = [...trust.intermediates.map(({ certificate }) => certificate.der), der]
  return {
    ...state,
    bundle: resignBundle(deps, { trust }, { intermediates }),
    ordinals: [...state.ordinals, ordinal],
    nextOrdinal: ordinal + 1,
  }
}

function withoutIntermediate(deps: CaDeps, { state, trust }: Active, ordinal: number): CaState {
  const at = state.ordinals.indexOf(ordinal)
  const intermediates = trust.intermediates.map(({ certificate }) => certificate.der)
  return {
    ...state,
    bundle: resignBundle(
      deps,
      { trust },
      // Only the one that goes can be tainted.
      { intermediates: intermediates.toSpliced(at, 1), tainted: [] },
    ),
    ordinals: state.ordinals.toSpliced(at, 1),
  }
}

function otherIntermediate(state: CaState): number {
  const other = state.ordinals.find((ordinal) => ordinal !== state.issuing)
  if (other === undefined) throw stateError('intermediates')
  return other
}

// Certificates of the roots stay as they are: only what they vouch for changes.
function resignBundle(
  deps: CaDeps,
  { trust }: Pick<Active, 'trust'>,
  change: Partial<Pick<TrustBundleFields, 'era' | 'intermediates' | 'standbys' | 'tainted'>>,
): Uint8Array {
  const roots = requireRootKeys(deps)
  const {
    era = trust.era,
    intermediates = trust.intermediates.map(({ certificate }) => certificate.der),
    standbys = trust.standbys,
    tainted = taintedOf(trust),
  } = change
  return signTrustBundle(
    {
      trustDomain: trust.trustDomain,
      era,
      number: trust.number + 1,
      issuedAt: deps.clock.wallMs(),
      roots: [trust.rootP256Certificate.der, trust.rootMlDsaCertificate.der],
      intermediates,
      signingKeys: roleSpkis(requireRoleKeys(deps.keys, trust)),
      standbys: standbys.map(({ principal, spki, maxMs }) => ({ principal, spki, maxMs })),
      tainted,
    },
    [roots.p256.coseSigner(), roots.mlDsa65.coseSigner()],
  )
}

function taintedOf({ intermediates }: TrustBundle): readonly Uint8Array[] {
  return intermediates.flatMap(({ certificate: { subjectKeyId }, isTainted }) =>
    isTainted && subjectKeyId ? [subjectKeyId] : [],
  )
}

function requireRootKeys({ keys }: CaDeps): RootKeys {
  const roots = findRootKeys(keys)
  if (!roots) throw stateError('root-keys')
  return roots
}

function stateError(rule: string): Error {
  return pkiErrors.error('KOS_PKI_STATE', { rule })
}
