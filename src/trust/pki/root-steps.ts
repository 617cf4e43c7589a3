import {
  type Clock,
  equalBytes,
  isRefusal,
  type Random,
  unixMs,
} from '../../foundation/base/index.ts'
import { buildCsr, parseCertificate } from '../../foundation/codec/index.ts'
import type { KeyStore } from '../keys/index.ts'
import { intermediateName } from './ca-certificates.ts'
import { ensureIntermediateKey, findRootKeys, intermediateKeyName } from './ca-keys.ts'
import { type CaState, LOST } from './ca-state.ts'
import { pkiErrors } from './errors.ts'
import type { LeafIssuer } from './issue-leaf.ts'
import type { EraNumber } from './numbered.ts'
import {
  encodeRootRequest,
  type OpenedRequest,
  readRootRequest,
  requestProblem,
  type RootRequest,
} from './root-request.ts'
import { checkRootAnswer, type RootSigner, signRootRequest } from './root-sign.ts'
import type { StandbyFields } from './standby.ts'
import type { TrustBundle, TrustedIntermediate } from './trust-bundle.ts'

/** What only the root keys can say. */
export type RootStep =
  /** Another intermediate; one that has ended goes. */
  | { readonly kind: 'prepare' }
  /** The intermediate that does not issue is tainted, or none is any more. */
  | { readonly kind: 'taint' | 'clear-taint' }
  /** The intermediate that does not issue goes. */
  | { readonly kind: 'retire' }
  /** These are all standby signers. */
  | { readonly kind: 'standbys'; readonly standbys: readonly StandbyFields[] }
  /** A new era. */
  | { readonly kind: 'era'; readonly restored?: EraStep | undefined }

/** What a restored authority goes on with. */
export interface EraStep {
  /** The newest bundle that anybody holds. */
  readonly after: EraNumber
  /**
   * Certificates of the intermediates whose leaves count, beside the one that issues; tainted, so that all
   * renew. At most 3. The others go.
   */
  readonly permitted: readonly Uint8Array[]
  /** Whether the issuing intermediate stays, because it was made for this restore; else there is a new one. */
  readonly isIssuerKept?: boolean
}

/** The state, read and verified. */
export interface Active {
  readonly state: CaState
  readonly trust: TrustBundle
  readonly issuer: LeafIssuer
}

/** A step that the root keys have signed, ready to be stored. */
export interface SignedStep {
  readonly state: CaState
  /** Names of keys that nothing needs afterwards. */
  readonly unused: readonly string[]
}

interface Deps {
  readonly clock: Clock
  readonly random: Random
  readonly keys: KeyStore
}

/** Who asks for which step; `last` is what the roots are known to have signed. */
interface Asked {
  readonly step: RootStep
  readonly by: string
  readonly last?: EraNumber | undefined
}

/**
 * Computes what the root keys are to say. The key of a new intermediate is made here, and lies about
 * unused until it is permitted.
 *
 * @throws KosError KOS_PKI_STATE `intermediates` when there is none for the step
 */
export function planStep(deps: Deps, active: Active, { step, by, last }: Asked): RootRequest {
  const { state, trust } = active
  const number = Math.max(trust.number, state.asked ?? 0, last?.number ?? 0) + 1
  const request: RootRequest = {
    by,
    era: trust.era,
    number,
    issuedAt: deps.clock.wallMs(),
    readmitted: [],
    retired: [],
    tainted: keyIdsOf(trust.intermediates.filter(({ isTainted }) => isTainted)),
    standbys: trust.standbys.map(({ principal, spki, maxMs }) => ({ principal, spki, maxMs })),
  }
  switch (step.kind) {
    case 'prepare':
      return { ...request, ...preparation(deps, active, request) }
    case 'taint':
      return { ...request, tainted: keyIdsOf([otherOf(active)]) }
    case 'clear-taint':
      return { ...request, tainted: [] }
    case 'retire':
      // Only the one that goes can be tainted.
      return { ...request, retired: keyIdsOf([otherOf(active)]), tainted: [] }
    case 'standbys':
      return { ...request, standbys: step.standbys }
    case 'era':
      return {
        ...request,
        era: Math.max(trust.era, step.restored?.after.era ?? 0, last?.era ?? 0) + 1,
        number: Math.max(number, (step.restored?.after.number ?? 0) + 1),
        ...(step.restored && afterRestore(deps, active, step.restored)),
      }
  }
}

function afterRestore(
  deps: Deps,
  { state, trust }: Active,
  { permitted, isIssuerKept = false }: EraStep,
): Pick<RootRequest, 'intermediate' | 'readmitted' | 'retired' | 'tainted'> {
  const isPermitted = (der: Uint8Array): boolean => permitted.some((one) => equalBytes(one, der))
  const isIssuing = (at: number): boolean => isIssuerKept && state.ordinals[at] === state.issuing
  const gone = trust.intermediates.filter(
    ({ certificate }, at) => !isPermitted(certificate.der) && !isIssuing(at),
  )
  const held = trust.intermediates.map(({ certificate }) => certificate.der)
  const others = permitted.map((der) => parseCertificate(der))
  return {
    ...(!isIssuerKept && { intermediate: newIntermediate(deps, { state, trust }) }),
    readmitted: permitted.filter((der) => !held.some((one) => equalBytes(one, der))),
    retired: keyIdsOf(gone),
    tainted: others.flatMap(({ subjectKeyId }) => (subjectKeyId ? [subjectKeyId] : [])),
  }
}

function preparation(
  deps: Deps,
  { state, trust }: Active,
  request: RootRequest,
): Pick<RootRequest, 'intermediate' | 'retired' | 'tainted'> {
  const ended = trust.intermediates.filter(
    ({ certificate }, at) =>
      state.ordinals[at] !== state.issuing && certificate.notAfter < request.issuedAt,
  )
  if (state.ordinals.length - ended.length > 1) throw stateError('intermediates')
  return {
    intermediate: newIntermediate(deps, { state, trust }),
    retired: keyIdsOf(ended),
    tainted: ended.length > 0 ? [] : request.tainted,
  }
}

function newIntermediate(
  { keys }: Deps,
  { state, trust }: Pick<Active, 'state' | 'trust'>,
): NonNullable<RootRequest['intermediate']> {
  const ordinal = state.nextOrdinal
  const key = ensureIntermediateKey(keys, ordinal)
  const subject = intermediateName(trust.trustDomain, ordinal)
  return { csr: buildCsr({ subject, spki: key.spki }, key.certificateSigner()), ordinal }
}

/**
 * Lets root keys sign a request, and checks it as if it came from somewhere else.
 *
 * @throws KosError KOS_PKI_STATE `request: …`, `roots: …` or `bundle: …`; nothing is changed then
 */
export function signStep(active: Active, request: RootRequest, roots: RootSigner): SignedStep {
  const opened = { request, current: active.trust }
  const problem = requestProblem(opened)
  if (problem) throw stateError(`request: ${problem.rule}`)
  const signed = roots.sign(opened)
  if (isRefusal(signed)) {
    throw stateError(signed.rule.startsWith('bundle: ') ? signed.rule : `roots: ${signed.rule}`)
  }
  const trust = checkRootAnswer(opened, signed)
  if (isRefusal(trust)) throw stateError(trust.rule)
  return nextState(active, request, signed)
}

/** The state with what the root keys have signed; see {@link checkRootAnswer}. */
export function nextState(
  { state, trust }: Active,
  request: RootRequest,
  bundle: Uint8Array,
): SignedStep {
  const { intermediate, readmitted, retired, number } = request
  const isRetired = (_: number, at: number): boolean => {
    const keyId = trust.intermediates[at]?.certificate.subjectKeyId
    return keyId !== undefined && retired.some((gone) => equalBytes(gone, keyId))
  }
  const kept = state.ordinals.filter((ordinal, at) => !isRetired(ordinal, at))
  return {
    state: {
      ...state,
      bundle,
      ordinals: [
        ...kept,
        ...readmitted.map(() => LOST),
        ...(intermediate ? [intermediate.ordinal] : []),
      ],
      nextOrdinal: Math.max(state.nextOrdinal, (intermediate?.ordinal ?? 0) + 1),
      asked: Math.max(state.asked ?? 0, number),
      pending: undefined,
    },
    unused: state.ordinals.filter(isRetired).map(intermediateKeyName),
  }
}

/** The root keys of the authority's own key store. @throws KosError KOS_PKI_STATE `root-keys` */
export function storedRoots({ keys, random }: Deps): RootSigner {
  const roots = findRootKeys(keys)
  if (!roots) throw stateError('root-keys')
  return { last: undefined, sign: (opened) => signRootRequest(opened, roots, random) }
}

/** The request that waits, read like one that comes from elsewhere. */
export function pendingOf({ state, trust }: Active): OpenedRequest | undefined {
  if (!state.pending) return undefined
  const rootSpkis = [trust.rootP256Spki, trust.rootMlDsaSpki] as const
  const opened = readRootRequest(state.pending, { rootSpkis })
  if (isRefusal(opened)) throw stateError('ca-state')
  return opened
}

/** Whether two requests ask for the same, whoever asked and when. */
export function isSameStep(waiting: RootRequest | undefined, asked: RootRequest): boolean {
  if (!waiting) return false
  const plain = (request: RootRequest): Uint8Array => {
    const { intermediate, ...rest } = request
    const like = { ...rest, by: '', number: 1, issuedAt: unixMs(0) }
    return encodeRootRequest(like, Uint8Array.of(intermediate?.ordinal ?? 0))
  }
  return equalBytes(plain(waiting), plain(asked))
}

/** Whether a request taints or takes away what issues now: it was another one when it was asked for. */
export function touchesIssuing({ state, trust }: Active, request: RootRequest): boolean {
  const issuing = trust.intermediates[state.ordinals.indexOf(state.issuing)]
  const [keyId] = issuing ? keyIdsOf([issuing]) : []
  const { retired, tainted } = request
  return keyId !== undefined && [...retired, ...tainted].some((one) => equalBytes(one, keyId))
}

/** The intermediate that is permitted and does not issue. @throws KosError KOS_PKI_STATE `intermediates` */
export function otherIntermediate(state: CaState): number {
  const other = state.ordinals.find((ordinal) => ordinal !== state.issuing)
  if (other === undefined) throw stateError('intermediates')
  return other
}

function otherOf({ state, trust }: Active): TrustedIntermediate {
  const other = trust.intermediates[state.ordinals.indexOf(otherIntermediate(state))]
  if (!other) throw stateError('intermediates')
  return other
}

function keyIdsOf(intermediates: readonly TrustedIntermediate[]): readonly Uint8Array[] {
  return intermediates.flatMap(({ certificate: { subjectKeyId } }) =>
    subjectKeyId ? [subjectKeyId] : [],
  )
}

/** The error of a certificate authority whose keys and state do not allow a step. */
export function stateError(rule: string): Error {
  return pkiErrors.error('KOS_PKI_STATE', { rule })
}
