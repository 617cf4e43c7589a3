import {
  type Clock,
  type Gcra,
  type Log,
  type Random,
  type RateLimit,
  refuse,
  type Refusal,
  takeGcra,
  type TrustDomain,
} from '../../foundation/base/index.ts'
import {
  createEstEnrolService,
  createEstRenewService,
  createJoinService,
  createRaiseService,
  createPskJoinService,
  createRenewService,
  createTokenService,
  type EvidenceAppraiser,
  noHardwareEvidence,
  type JoinDeps,
  type TokenRecord,
} from '../../lifecycle/enrolment/index.ts'
import type { AuditEvent, AuditLog } from '../../trust/audit/index.ts'
import { recordSoon } from '../node/index.ts'
import type { ApiTokens } from './api-tokens.ts'
import { readAuditPage, verifyAudit } from './audit-service.ts'
import type { AuthorityState } from './authority-state.ts'
import { authorityChecks } from './checks.ts'
import { createCaControl } from './ca-control.ts'
import { createCredentialReport } from './credential-report.ts'
import type { CrlPublisher } from './crl-publisher.ts'
import type { FloorGuard } from './floor-guard.ts'
import type { Hub } from './hub.ts'
import { createLateOffers } from './late-offers.ts'
import { createLocks } from './locks.ts'
import type { AuthorityPublisher } from './publisher.ts'
import { createRevocation } from './revocation.ts'
import type { AuthorityServices } from './services.ts'
import type { Standbys } from './standbys.ts'

/** Requests of one caller or one address. */
const REQUEST_RATE = { perSecond: 50, burst: 200 }
const MAX_RATE_KEYS = 65_536

/** What the routes act on is made of this. */
export interface ServedParts {
  readonly state: AuthorityState
  readonly publisher: AuthorityPublisher
  readonly hub: Hub
  readonly apiTokens: ApiTokens
  readonly floors: FloorGuard
  readonly standbys: Standbys
  /** What appraises hardware evidence; absent: nothing does, and those profiles are refused. */
  readonly evidence: EvidenceAppraiser | undefined
  /** The lists for outsiders, where they are served. */
  readonly crls: CrlPublisher | undefined
  readonly trustDomain: TrustDomain
  /** host:port of the session listener, as devices reach it. */
  readonly session: string
  /** host:port of the session listener for pre-shared keys; absent: there is none. */
  readonly pskSession: string | undefined
  /** The trust bundle, the issuing intermediate or the chain to a company's root is another one. */
  onCaChanged(): void
  /** The authority's own certificate, DER. */
  ownLeaf(): Uint8Array
  /** host:port of the HTTP API, as devices reach it. */
  advertised(): string
}

/** Wires registry, enrolment, publisher, hub and audit log for the routes. */
export function createServices(
  deps: { readonly clock: Clock; readonly random: Random; readonly log: Log },
  parts: ServedParts,
): AuthorityServices {
  const { state, publisher, hub, trustDomain } = parts
  const { registry, ca, audit } = state
  return {
    clock: deps.clock,
    registry,
    ...enrolmentServices(deps, parts),
    pskRotation: hub.pskRotation,
    certificateRotation: hub.certificateRotation,
    revocation: createRevocation({
      ...deps,
      ...hub,
      registry,
      publisher,
      apiTokens: parts.apiTokens,
      onChanged: () => parts.crls?.refresh(),
    }),
    noteFloor: (record) => parts.floors.note(record),
    apiTokens: parts.apiTokens,
    sessions: hub.sessions,
    standbys: parts.standbys,
    ca: createCaControl({
      ...deps,
      ca,
      leaf: () => parts.ownLeaf(),
      onChainChanged: () => parts.onCaChanged(),
      certificatesInForce: () => registry.certificatesInForce(deps.clock.wallMs()),
      onChanged: () => {
        parts.onCaChanged()
        parts.crls?.refresh()
      },
    }),
    lateOffers: createLateOffers({
      ...deps,
      state,
      publisher,
      record: (event) => recordSoon(audit, deps.log, event),
    }),
    credentials: createCredentialReport({
      ...deps,
      ...state,
      apiTokens: parts.apiTokens,
      locks: () => publisher.lockList(),
    }),
    publisher,
    refreshCrls: () => parts.crls?.refresh(),
    locks: locksOf(deps, parts),
    settings: {
      trustDomain,
      pin: ca.pin,
      get advertised(): string {
        return parts.advertised()
      },
      session: parts.session,
      pskSession: parts.pskSession,
    },
    record: async (event): Promise<void> => {
      await audit.append(event)
    },
    auditPage: (from, limit) => readAuditPage(audit, from, limit),
    auditVerify: (fromSize) => verifyAudit(audit, fromSize),
    auditMembers: () => hub.auditMembers.list(),
    isConnected: (uri) => hub.isConnected(uri),
    connected: () => hub.connected(),
    disconnect: (uri) => hub.disconnect(uri),
    checks: () => authorityChecks(deps.clock, state, { hub, standbys: parts.standbys }),
  }
}

function locksOf(
  { clock }: { readonly clock: Clock },
  { state, publisher, hub, apiTokens, crls }: ServedParts,
): ReturnType<typeof createLocks> {
  return createLocks({
    clock,
    registry: state.registry,
    publisher,
    disconnect: (uri) => hub.disconnect(uri),
    endTokens: (id) => apiTokens.revokeAll(id),
    onChanged: () => crls?.refresh(),
  })
}

/** The ways in, and what renews or raises whoever is in. */
function enrolmentServices(
  deps: { readonly clock: Clock; readonly random: Random },
  { state, publisher, trustDomain, evidence }: ServedParts,
): Pick<
  AuthorityServices,
  | 'tokens'
  | 'joins'
  | 'logins'
  | 'pskJoins'
  | 'estEnrolments'
  | 'estRenewals'
  | 'caCertificates'
  | 'renewals'
  | 'raises'
> {
  const { registry: store, ca, audit } = state
  const tokens = createTokenService({ ...deps, store, tokenRoot: state.tokenRoot })
  return {
    tokens,
    joins: createJoinService(
      { ...deps, store, ca, tokens, ...joinRecords(audit) },
      { trustDomain },
    ),
    logins: createJoinService(
      { ...deps, store, ca, tokens, ...joinRecords(audit, 'operator.join') },
      { trustDomain, kinds: ['user'] },
    ),
    pskJoins: createPskJoinService(
      { ...deps, store, tokens, vault: state.pskVault, ...joinRecords(audit) },
      { trustDomain },
    ),
    estEnrolments: createEstEnrolService(
      { ...deps, store, ca, tokens, ...joinRecords(audit, 'est.enrol') },
      { trustDomain },
    ),
    estRenewals: createEstRenewService({ ...deps, store, ca }),
    caCertificates: () => {
      const { rootP256Certificate, intermediates } = ca.trust
      const own = intermediates.map(({ certificate }) => certificate)
      // RFC 7030 section 4.1.3: what may be needed on the way, and no anchor that nobody asked for.
      const beyond = ca.outerChain()?.certificates ?? []
      return [rootP256Certificate, ...own, ...beyond].map(({ der }) => der)
    },
    renewals: createRenewService({ ...deps, store, ca }),
    raises: createRaiseService({
      ...deps,
      store: {
        transaction: (work) => store.transaction(work),
        raise: (work) => publisher.raise(work),
      },
      ca,
      tokens,
      evidence: evidence ?? noHardwareEvidence,
      intend: (token) => recordJoin(audit, token, { action: 'raise', outcome: 'intent' }),
    }),
  }
}

/** A join that begins, and one that does not come off. */
function joinRecords(
  audit: AuditLog,
  action: string = 'join',
): Required<Pick<JoinDeps, 'intend' | 'refused'>> {
  return {
    intend: (token) => recordJoin(audit, token, { action, outcome: 'intent' }),
    refused: (token, { code, rule }) =>
      recordJoin(audit, token, { action, outcome: 'refused', code, rule }),
  }
}

/** A join that is cut off between registry and record leaves its intent behind. */
async function recordJoin(
  audit: AuditLog,
  token: TokenRecord,
  end: Pick<AuditEvent, 'action' | 'outcome' | 'code' | 'rule'>,
): Promise<void> {
  await audit.append({
    type: 'enrolment',
    actor: token.owner,
    target: token.name,
    ...end,
    detail: { profile: token.profile, token: token.id },
  })
}

/** Requests per caller or address, in a bounded table. */
export function createRequestLimit(
  clock: Clock,
  rate: RateLimit = REQUEST_RATE,
): (key: string) => Refusal | undefined {
  const states = new Map<string, Gcra>()
  return (key) => {
    const nowMs = clock.monotonicMs()
    if (states.size > MAX_RATE_KEYS) states.clear()
    const state = states.get(key) ?? { tatMs: 0 }
    states.set(key, state)
    const waitMs = takeGcra(state, rate, nowMs)
    if (waitMs === 0) return undefined
    return refuse('KOS_AUTHORITY_REQUEST', 'rate', { retryAfterMs: Math.ceil(waitMs) })
  }
}
