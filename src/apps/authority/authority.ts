import {
  type CancelTimer,
  type Clock,
  type Gcra,
  type Log,
  type Random,
  refuse,
  type Refusal,
  takeGcra,
  type TrustDomain,
} from '../../foundation/base/index.ts'
import {
  createJoinService,
  createRenewService,
  createTokenService,
} from '../../lifecycle/enrolment/index.ts'
import type { AdmissionLimits } from '../../network/admission/index.ts'
import { renewAtMs } from '../../trust/pki/index.ts'
import { formatHostPort, type HostPort } from '../node/index.ts'
import { readAuditPage, verifyAudit } from './audit-service.ts'
import {
  AUTHORITY_PROFILE,
  type AuthorityNames,
  type AuthorityState,
  closeAuthorityState,
  issueAuthorityCertificate,
  openAuthorityState,
} from './authority-state.ts'
import { authorityChecks } from './checks.ts'
import { authorityErrors } from './errors.ts'
import { createHub, type Hub } from './hub.ts'
import { type HttpServer, startHttpServer } from './http-server.ts'
import { ensureOperator, type OperatorOutcome } from './operator.ts'
import { type AuthorityPublisher, createPublisher } from './publisher.ts'
import { enrolmentRoutes } from './routes-enrolment.ts'
import { operatorRoutes } from './routes-operator.ts'
import type { AuthorityServices } from './services.ts'

/** What an authority needs of the world. */
export interface AuthorityDeps {
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
}

/** How an authority is configured. */
export interface AuthorityOptions {
  readonly folder: string
  readonly trustDomain: TrustDomain
  /** Where the HTTP API listens. */
  readonly listen: HostPort
  /** Where the session listener listens. */
  readonly sessionListen: HostPort
  /** Whether the ports were asked for; otherwise taken default ports are replaced by free ones. */
  readonly arePortsFixed: boolean
  /** Host that devices are told; the listening host by default. */
  readonly advertiseHost: string | undefined
  readonly names: AuthorityNames
  readonly operator: { readonly folder: string; readonly name: string }
  /** Bounds of the gate; the protocol's by default. */
  readonly admission?: Partial<AdmissionLimits>
}

/** A running authority. */
export interface RunningAuthority {
  readonly pin: string
  readonly api: HostPort
  readonly session: HostPort
  readonly operator: OperatorOutcome
  readonly isNew: boolean
  /** Things the operator should know, one sentence each. */
  readonly warnings: readonly string[]
  stop(): Promise<void>
}

/** The lock list is signed anew this often even when unchanged. @see identity: Lock list */
const HEARTBEAT_MS = 10_000
/** Refusals before authentication are recorded once per minute. */
const REFUSALS_MS = 60_000
const CLOCK_SANITY_MS = 60_000
const REQUEST_RATE = { perSecond: 50, burst: 200 }
const MAX_RATE_KEYS = 65_536

/**
 * Starts an authority: opens or makes its state, tests itself, serves the HTTP API and the session
 * listener, and makes the first operator's credential.
 *
 * @throws {@link KosError} KOS_AUTHORITY_SELF_TEST and those of the rooms that refuse
 */
export async function startAuthority(
  deps: AuthorityDeps,
  options: AuthorityOptions,
): Promise<RunningAuthority> {
  const state = await openAuthorityState(deps, options)
  let certificate = issueAuthorityCertificate(state, options.names)
  let isServing = false
  const hub = createHub(deps, {
    state,
    identity: () => certificate.identity,
    publisher: () => publisher,
    ...(options.admission && { admission: options.admission }),
  })
  const publisher = createPublisher(
    {
      ...deps,
      ca: state.ca,
      registry: state.registry,
      onPublished: (kind) => {
        if (isServing) hub.notify([kind])
      },
    },
    directoryEntry(state, []),
  )
  try {
    checkState(deps, state, publisher)
    hub.refresh()
    isServing = true
    const session = await hub.listen(options.sessionListen, options.arePortsFixed)
    const advertised = advertisedAddress(options, session)
    publisher.setAuthorityEntry(directoryEntry(state, [formatHostPort(advertised)]))
    const served = { state, publisher, hub, session: formatHostPort(advertised) }
    const http = await serveHttp(deps, options, { ...served, identity: () => certificate.identity })
    const api = advertisedAddress(options, http)
    const operator = await ensureOperator(deps, served, {
      ...options.operator,
      api,
      session: served.session,
    })
    const renewCertificate = (): void => {
      certificate = issueAuthorityCertificate(state, options.names)
      hub.updateIdentity()
      http.updateIdentity(certificate.identity)
    }
    const stopTimers = startTimers(deps, {
      publisher,
      renewCertificate,
      flushRefusals: () => hub.admission.flush(),
      leaf: () => certificate.leaf,
    })
    await state.audit.append(systemEvent(state, 'authority.start'))
    deps.log.event('authority.ready', { address: formatHostPort(api) })
    return {
      pin: state.ca.pin,
      api,
      session,
      operator,
      isNew: state.isNew,
      warnings: warningsOf(state, operator),
      stop: async (): Promise<void> => {
        stopTimers()
        await http.close()
        await hub.close()
        await state.audit.append(systemEvent(state, 'authority.stop')).catch(() => undefined)
        await closeAuthorityState(state)
      },
    }
  } catch (error) {
    await hub.close()
    await closeAuthorityState(state).catch(() => undefined)
    throw error
  }
}

function directoryEntry(
  state: AuthorityState,
  addresses: readonly string[],
): Parameters<typeof createPublisher>[1] {
  return {
    uri: state.principal.uri,
    name: 'authority',
    addresses,
    identityKeyHash: state.identity.keyId,
    profile: AUTHORITY_PROFILE.name,
    roles: [],
    groups: [],
    labels: {},
  }
}

/** The clock must not be behind what this authority signed; the identity key must work. */
function checkState(
  deps: AuthorityDeps,
  state: AuthorityState,
  publisher: AuthorityPublisher,
): void {
  const behindMs = publisher.lockObject().issuedAt - deps.clock.wallMs()
  if (behindMs > CLOCK_SANITY_MS) {
    throw authorityErrors.error('KOS_AUTHORITY_SELF_TEST', { check: 'clock', behindMs })
  }
  if (!state.audit.healthy) {
    throw authorityErrors.error('KOS_AUTHORITY_SELF_TEST', { check: 'audit' })
  }
}

function advertisedAddress(options: AuthorityOptions, bound: HostPort): HostPort {
  return { host: options.advertiseHost ?? bound.host, port: bound.port }
}

interface Served {
  readonly state: AuthorityState
  readonly publisher: AuthorityPublisher
  readonly hub: Hub
  readonly session: string
}

async function serveHttp(
  deps: AuthorityDeps,
  options: AuthorityOptions,
  served: Served & {
    readonly identity: () => Parameters<HttpServer['updateIdentity']>[0]
  },
): Promise<HttpServer> {
  const { state, hub } = served
  // The routes are made before the port is known, and name it only when they are used.
  let api: HostPort = options.listen
  const services = createServices(deps, { ...served, trustDomain: options.trustDomain }, () =>
    formatHostPort(advertisedAddress(options, api)),
  )
  const start = (listen: HostPort): Promise<HttpServer> =>
    startHttpServer(
      {
        log: deps.log,
        admission: hub.admission,
        routes: [...enrolmentRoutes(services), ...operatorRoutes(services)],
        identify: (leafDer) => hub.identify(leafDer, 'client'),
        takeRequest: createRequestLimit(deps.clock),
      },
      { ...listen, identity: served.identity() },
    )
  const http = await start(options.listen).catch((cause: unknown) => {
    if (options.arePortsFixed || !isPortTaken(cause)) {
      const address = formatHostPort(options.listen)
      throw authorityErrors.error('KOS_AUTHORITY_SELF_TEST', { check: 'listen', address }, cause)
    }
    return start({ ...options.listen, port: 0 })
  })
  api = { host: http.host, port: http.port }
  state.audit.appendSoon(systemEvent(state, 'authority.listen'))
  return http
}

function isPortTaken(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'EADDRINUSE'
}

function createServices(
  deps: AuthorityDeps,
  served: Served & { readonly trustDomain: TrustDomain },
  advertised: () => string,
): AuthorityServices {
  const { state, publisher, hub, trustDomain } = served
  const { registry: store, registry, ca, audit } = state
  const tokens = createTokenService({ ...deps, store, tokenRoot: state.tokenRoot })
  return {
    clock: deps.clock,
    registry,
    tokens,
    joins: createJoinService({ ...deps, store, ca, tokens }, { trustDomain }),
    renewals: createRenewService({ ...deps, store, ca }),
    publisher,
    settings: {
      trustDomain,
      pin: ca.pin,
      get advertised(): string {
        return advertised()
      },
      session: served.session,
    },
    record: async (event): Promise<void> => {
      await audit.append(event)
    },
    auditPage: (from, limit) => readAuditPage(audit, from, limit),
    auditVerify: (fromSize) => verifyAudit(audit, fromSize),
    isConnected: (uri) => hub.isConnected(uri),
    disconnect: (uri) => hub.disconnect(uri),
    checks: () => authorityChecks(deps.clock, state, hub),
  }
}

/** Requests per caller or address, in a bounded table. */
function createRequestLimit(clock: Clock): (key: string) => Refusal | undefined {
  const states = new Map<string, Gcra>()
  return (key) => {
    const nowMs = clock.monotonicMs()
    if (states.size > MAX_RATE_KEYS) states.clear()
    const state = states.get(key) ?? { tatMs: 0 }
    states.set(key, state)
    const waitMs = takeGcra(state, REQUEST_RATE, nowMs)
    if (waitMs === 0) return undefined
    return refuse('KOS_AUTHORITY_REQUEST', 'rate', { retryAfterMs: Math.ceil(waitMs) })
  }
}

function startTimers(
  deps: AuthorityDeps,
  work: {
    readonly publisher: AuthorityPublisher
    readonly renewCertificate: () => void
    readonly flushRefusals: () => void
    readonly leaf: () => Parameters<typeof renewAtMs>[0] extends infer T
      ? { readonly notBefore: T; readonly notAfter: T }
      : never
  },
): () => void {
  const cancels = new Map<string, CancelTimer>()
  const every = (name: string, delayMs: () => number, run: () => void): void => {
    cancels.set(
      name,
      deps.clock.after(delayMs(), () => {
        try {
          run()
        } catch (error) {
          deps.log.event('timer.failed', { name, error: String(error) }, 'error')
        }
        every(name, delayMs, run)
      }),
    )
  }
  every(
    'heartbeat',
    () => HEARTBEAT_MS,
    () => work.publisher.resignLocks(),
  )
  const untilRenewal = (): number => {
    const { notBefore, notAfter } = work.leaf()
    return Math.max(1000, renewAtMs(notBefore, notAfter, deps.random) - deps.clock.wallMs())
  }
  every('certificate', untilRenewal, work.renewCertificate)
  every(
    'refusals',
    () => REFUSALS_MS,
    () => work.flushRefusals(),
  )
  return () => {
    for (const cancel of cancels.values()) cancel()
  }
}

function systemEvent(
  state: AuthorityState,
  action: string,
): Parameters<AuthorityState['audit']['append']>[0] {
  const { uri } = state.principal
  return { type: 'system', actor: uri, target: uri, action, outcome: 'ok' }
}

function warningsOf(state: AuthorityState, operator: OperatorOutcome): readonly string[] {
  const warnings: string[] = []
  if (state.ca.hasRootKeys) {
    warnings.push(
      'The root keys lie in the state folder beside their unlock key: keep the folder safe.',
    )
  }
  if (operator === 'foreign') {
    warnings.push('The configuration folder holds a credential of another authority: left alone.')
  }
  return warnings
}
