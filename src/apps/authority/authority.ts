import { isRefusal, type RateLimit, unixMs } from '../../foundation/base/index.ts'
import type { ProfileName } from '../../foundation/profiles/index.ts'
import type { EvidenceAppraiser } from '../../lifecycle/enrolment/index.ts'
import type { AdmissionLimits, AdmissionStats } from '../../network/admission/index.ts'
import {
  configurationEvent,
  describeEnforcement,
  disagreementRecorder,
  enforcementEvent,
  formatHostPort,
  type HostPort,
  loadEnforcement,
  listenerAddresses,
  type OpenListeners,
  openListeners,
  plainHost,
  reachableHosts,
  recordInterrupted,
  recordSoon,
  trustAnchorsPem,
} from '../node/index.ts'
import { apiTokenKeys, createAlertIntake } from './alert-intake.ts'
import { createApiTokens } from './api-tokens.ts'
import { createRequestLimit, createServices } from './authority-services.ts'
import {
  AUTHORITY_NAME,
  AUTHORITY_PROFILE,
  type AuthorityCertificate,
  type AuthorityNames,
  type AuthorityState,
  type AuthorityStateDeps,
  type AuthorityStateOptions,
  closeAuthorityState,
  issueAuthorityCertificate,
  openAuthorityState,
} from './authority-state.ts'
import {
  isRequestDue,
  REQUEST_COMMAND,
  type RotationStep,
  rotateIntermediate,
} from './ca-rotation.ts'
import { createClientVerdicts } from './client-verdicts.ts'
import { chainWarning } from './company-chain.ts'
import { type CrlOptions, serveCrls } from './crl-service.ts'
import { authorityErrors } from './errors.ts'
import { createFloorGuard, type FloorGuard } from './floor-guard.ts'
import { createHub, type Hub } from './hub.ts'
import { listenForHttp } from './http-listen.ts'
import type { HttpServer } from './http-server.ts'
import { ensureOperator, type OperatorOptions, type OperatorOutcome } from './operator.ts'
import { type AuthorityPublisher, createPublisher } from './publisher.ts'
import { readLastBackup } from './last-backup.ts'
import type { RecoveryOutcome } from './recovery-apply.ts'
import { type RecoveryOptions, recoverFromMembers } from './recovery-phase.ts'
import { createRefusalLog, type RefusalLog, type RefusedRequest } from './refusal-log.ts'
import { createRequestNonces } from './request-nonces.ts'
import { createRequestSignatures } from './request-signatures.ts'
import { readRestored } from './restored-mark.ts'
import { apiRoutes } from './routes.ts'
import type { AuthorityServices } from './services.ts'
import { createStandbys, type Standbys } from './standbys.ts'
import { startTimers } from './timers.ts'

/** How an authority is configured. */
export interface AuthorityOptions extends AuthorityStateOptions {
  /** Where the HTTP API listens. */
  readonly listen: HostPort
  /** Where the session listener listens. */
  readonly sessionListen: HostPort
  /** Which ports were asked for; another one that is taken is replaced by a free one. */
  readonly fixedPorts: { readonly api: boolean; readonly session: boolean }
  /** Narrows the session listeners beside that of SEC-2; absent: all. */
  readonly listeners?: readonly ProfileName[] | undefined
  /** Where revocation lists are served over plain HTTP; absent: nowhere. */
  readonly crl?: CrlOptions | undefined
  /** Host that devices are told; the listening host by default. */
  readonly advertiseHost: string | undefined
  readonly names: AuthorityNames
  readonly operator: Pick<OperatorOptions, 'folder' | 'name' | 'isRecovery'>
  /** File of enforcement modules; none by default. */
  readonly enforcementFile?: string
  /** SHA-256 of the file that these options come from, in hexadecimal, for the record; none by default. */
  readonly configuration?: string | undefined
  /** Bounds of the gate; the protocol's by default. */
  readonly admission?: Partial<AdmissionLimits>
  /** How a state folder that came from a backup asks its members. */
  readonly recovery?: RecoveryOptions
  /** Requests to the API of one address or caller; 50 per second, 200 at once, by default. */
  readonly requestRate?: RateLimit
  /** What appraises hardware evidence; absent: profiles that need it are refused. */
  readonly evidence?: EvidenceAppraiser
}

/** A running authority. */
export interface RunningAuthority {
  readonly pin: string
  readonly api: HostPort
  readonly session: HostPort
  /** Every session listener, by profile. */
  readonly listeners: OpenListeners
  /** Where revocation lists are served, and their names. */
  readonly crl: { readonly at: HostPort; readonly names: readonly string[] } | undefined
  readonly operator: OperatorOutcome
  readonly isNew: boolean
  /** What the members of a restored authority brought; absent: it was not restored. */
  readonly recovered: RecoveryOutcome | undefined
  /** Things the operator should know, one sentence each. */
  readonly warnings: readonly string[]
  /** Enforcement modules per profile, one line; `none`. */
  readonly enforcement: string
  /** What is open now, counted at the gate. */
  load(): AdmissionStats
  stop(): Promise<void>
}

/** The authority meets every floor on its own listener. @see docs/profiles.md, Who may meet whom */
const AUTHORITY_LISTENERS: readonly ProfileName[] = ['SEC-1', 'SEC-2', 'SEC-3', 'SEC-4']
/** A folder that somebody brought back without a backup of ours. */
const COPIED = Object.freeze({ backupAt: unixMs(0) })
const START = 'authority.start'
/** How far behind its own signatures the clock of an authority may be. */
const CLOCK_SANITY_MS = 60_000

/**
 * Starts an authority: opens or makes its state, tests itself, serves the HTTP API and the session
 * listener, and makes the first operator's credential.
 *
 * @throws {@link KosError} KOS_AUTHORITY_IN_USE, KOS_AUTHORITY_SELF_TEST, KOS_AUTHORITY_LISTEN and those
 * of the rooms that refuse
 */
export async function startAuthority(
  deps: AuthorityStateDeps,
  options: AuthorityOptions,
): Promise<RunningAuthority> {
  const mark = readRestored(options.folder) ?? (options.recovery?.isForced ? COPIED : undefined)
  const recovered = mark && (await recoverFromMembers(deps, options, mark))
  await using stack = new AsyncDisposableStack()
  const state = await openAuthorityState(deps, options)
  stack.defer(() => closeAuthorityState(state))
  const core = createCore(deps, options, state)
  const { hub, publisher } = core
  await recordStart(deps, core, options)
  stack.defer(async () => {
    await state.audit.append(systemEvent(state, 'authority.stop')).catch(() => undefined)
  })
  stack.defer(() => hub.close())
  const listeners = await serveSessions(core, options)
  const session = listeners.get(AUTHORITY_PROFILE.name) ?? options.sessionListen
  const sessionAddress = formatHostPort(session)
  // The routes are made before the port is known, and name it only when they are used.
  let api: HostPort = options.listen
  const crl = await serveCrls(deps, core, options.crl)
  stack.defer(async () => crl?.server.close())
  const services = createServices(deps, {
    ...core,
    apiTokens: createApiTokens({ ...deps, ...state }),
    evidence: options.evidence,
    crls: crl?.lists,
    trustDomain: options.trustDomain,
    session: sessionAddress,
    pskSession: addressOf(listeners, 'SEC-1'),
    onCaChanged: () => own.onCaChanged(),
    advertised: () => formatHostPort(advertised(options, api)),
  })
  const refusals = createRefusalLog(
    (event) => recordSoon(state.audit, deps.log, event),
    state.principal.uri,
  )
  const http = await serveHttp(deps, options, { ...core, services, refusals })
  stack.defer(() => http.close())
  api = { host: options.listen.host, port: http.port }
  const operator = await ensureOperator(deps, core, {
    ...options.operator,
    api: localAddress(options, api),
    session: sessionAddress,
  })
  const own = ownCertificate(core, http)
  const stopTimers = startTimers(deps, {
    resignLocks: () => publisher.resignLocks(),
    flushRefusals: (): void => {
      hub.admission.flush()
      refusals.flush()
    },
    noteBackup: backupRecorder(deps, state),
    leaf: () => core.certificate.leaf,
    refreshCrls: () => crl?.lists.refresh(),
    renewCertificate: () => own.renew(),
    rotate: (): void => {
      hub.pskRotation.rotateDue()
      if (rotate(deps, state).length > 0) own.onCaChanged()
    },
  })
  stack.defer(stopTimers)
  deps.log.event('authority.ready', { address: formatHostPort(api) })
  const running = stack.move()
  return {
    pin: state.ca.pin,
    api: advertised(options, api),
    session,
    crl: crl && { at: advertised(options, crl.at), names: crl.lists.names() },
    listeners,
    operator,
    isNew: state.isNew,
    recovered,
    warnings: warningsOf(deps, core, operator),
    enforcement: describeEnforcement(hub.enforcement),
    load: () => hub.admission.stats,
    stop: () => running.disposeAsync(),
  }
}

/** The authority's own certificate, at both its servers. */
function ownCertificate(core: Core, http: HttpServer): { renew(): void; onCaChanged(): void } {
  const renew = (): void => {
    core.renewCertificate()
    http.updateIdentity(core.certificate.identity)
  }
  return {
    renew,
    onCaChanged: () => {
      renew()
      core.hub.notify(['bundle'])
    },
  }
}

/** A backup is made by another process: it is recorded when its note is another one. */
function backupRecorder(deps: AuthorityStateDeps, state: AuthorityState): () => void {
  let known = readLastBackup(state.folder)?.at
  return () => {
    const last = readLastBackup(state.folder)
    if (!last || last.at === known) return
    known = last.at
    const event = { ...systemEvent(state, 'authority.backup'), detail: { ...last } }
    recordSoon(state.audit, deps.log, event)
  }
}

/** Before anything is served: the next start looks for intents behind this record. */
async function recordStart(
  deps: AuthorityStateDeps,
  { state, hub }: Core,
  { configuration }: AuthorityOptions,
): Promise<void> {
  const interrupted = await recordInterrupted(state.audit, START)
  if (interrupted > 0) deps.log.event('calls.interrupted', { count: interrupted }, 'warn')
  await state.audit.append(systemEvent(state, START))
  const modules = enforcementEvent(hub.enforcement, state.principal.uri)
  if (modules) await state.audit.append(modules)
  const loaded = configurationEvent(configuration, state.principal.uri)
  if (loaded) await state.audit.append(loaded)
}

/** Opens the session listeners and puts them into the directory; as they are told to members. */
async function serveSessions(core: Core, options: AuthorityOptions): Promise<OpenListeners> {
  const { state, hub, publisher } = core
  const bound = await listenForSessions(hub, options)
  const told = new Map([...bound].map(([name, at]) => [name, advertised(options, at)]))
  const own = told.get(AUTHORITY_PROFILE.name) ?? options.sessionListen
  publisher.setAuthorityEntry({
    ...directoryEntry(state, [formatHostPort(own)]),
    listeners: listenerAddresses(told, (at) => [formatHostPort(at)]),
  })
  return told
}

function addressOf(listeners: OpenListeners, profile: ProfileName): string | undefined {
  const at = listeners.get(profile)
  return at && formatHostPort(at)
}

/** Hub and publisher need each other, and both the certificate in force. */
interface Core {
  readonly state: AuthorityState
  readonly hub: Hub
  readonly publisher: AuthorityPublisher
  readonly floors: FloorGuard
  readonly standbys: Standbys
  readonly certificate: AuthorityCertificate
  ownLeaf(): Uint8Array
  renewCertificate(): void
}

function createCore(
  deps: AuthorityStateDeps,
  options: AuthorityOptions,
  state: AuthorityState,
): Core {
  let isServing = false
  const { ca, registry } = state
  const onPublished: Parameters<typeof createPublisher>[0]['onPublished'] = (kind) => {
    if (isServing) hub.notify([kind])
  }
  const publisher: AuthorityPublisher = createPublisher(
    { ...deps, ca, registry, onPublished },
    directoryEntry(state, []),
  )
  // Before anything is issued: a clock that is behind makes certificates that nobody accepts.
  checkState(deps, state, publisher)
  rotate(deps, state)
  // Before anything is said: what was signed about floors stands, whatever the registry says.
  const floors = createFloorGuard(deps, { state, publisher })
  let certificate = issueAuthorityCertificate(state, options.names)
  const standbys = createStandbys({
    ...deps,
    ca,
    registry,
    isConnected: (uri) => hub.isConnected(uri),
    onChanged: () => hub.notify(['bundle']),
  })
  const hub: Hub = createHub(deps, {
    state,
    identity: () => certificate.identity,
    publisher: () => publisher,
    floors,
    standbys,
    enforcement: loadEnforcement(deps, options.enforcementFile),
    ...(options.admission && { admission: options.admission }),
  })
  hub.refresh()
  isServing = true
  return {
    state,
    hub,
    publisher,
    floors,
    standbys,
    get certificate(): AuthorityCertificate {
      return certificate
    },
    ownLeaf: () => certificate.leaf.der,
    renewCertificate: (): void => {
      certificate = issueAuthorityCertificate(state, options.names)
      hub.updateIdentity()
    },
  }
}

/** All steps that are due: after a long absence there is more than one. */
function rotate(deps: AuthorityStateDeps, state: AuthorityState): readonly RotationStep[] {
  const steps: RotationStep[] = []
  for (let step = next(); step; step = next()) steps.push(step)
  if (isRequestDue(state.ca)) deps.log.event('ca.due', { command: REQUEST_COMMAND }, 'warn')
  return steps

  function next(): RotationStep | undefined {
    const step = rotateIntermediate(state.ca, deps.clock.wallMs())
    if (!step) return undefined
    deps.log.event('ca.rotation', { state: step })
    recordSoon(state.audit, deps.log, systemEvent(state, `ca.intermediate.${step}`))
    return step
  }
}

function directoryEntry(
  state: AuthorityState,
  addresses: readonly string[],
): Parameters<typeof createPublisher>[1] {
  return {
    uri: state.principal.uri,
    name: AUTHORITY_NAME,
    addresses,
    identityKeyHash: state.identity.keyId,
    profile: AUTHORITY_PROFILE.name,
    roles: [],
    groups: [],
    labels: {},
  }
}

/** The clock must not be behind what this authority signed; the log must take records. */
function checkState(
  deps: AuthorityStateDeps,
  state: AuthorityState,
  publisher: AuthorityPublisher,
): void {
  const behindMs = publisher.lockObject().issuedAt - deps.clock.wallMs()
  if (behindMs > CLOCK_SANITY_MS) {
    const behindSeconds = Math.round(behindMs / 1000)
    throw authorityErrors.error('KOS_AUTHORITY_SELF_TEST', { check: 'clock', behindSeconds })
  }
  if (!state.audit.healthy) {
    throw authorityErrors.error('KOS_AUTHORITY_SELF_TEST', { check: 'audit' })
  }
}

function advertised(options: AuthorityOptions, bound: HostPort): HostPort {
  const host = options.advertiseHost ?? reachableHosts(bound.host)[0] ?? bound.host
  return { host, port: bound.port }
}

/** Where the first operator, who is on this machine, reaches the API. */
function localAddress(options: AuthorityOptions, bound: HostPort): HostPort {
  const loopback: Readonly<Record<string, string>> = { '0.0.0.0': '127.0.0.1', '::': '[::1]' }
  const local = loopback[plainHost(bound.host)]
  if (local === undefined || options.advertiseHost !== undefined) return advertised(options, bound)
  return { host: local, port: bound.port }
}

async function listenForSessions(hub: Hub, options: AuthorityOptions): Promise<OpenListeners> {
  const open = await openListeners((...how) => hub.listen(...how), {
    folder: options.folder,
    floor: AUTHORITY_PROFILE,
    listen: options.sessionListen,
    isPortFixed: options.fixedPorts.session,
    possible: AUTHORITY_LISTENERS,
    wanted: options.listeners,
  })
  if (!isRefusal(open)) return open
  const { code, rule } = open
  if (code === 'KOS_TRANSPORT_SELF_TEST') {
    throw authorityErrors.error('KOS_AUTHORITY_SELF_TEST', { check: rule })
  }
  const where = formatHostPort(options.sessionListen)
  throw authorityErrors.error('KOS_AUTHORITY_LISTEN', { address: where, reason: rule })
}

async function serveHttp(
  deps: AuthorityStateDeps,
  options: AuthorityOptions,
  parts: Core & { readonly services: AuthorityServices; readonly refusals: RefusalLog },
): Promise<HttpServer> {
  const { hub, state, services } = parts
  const alerts = createAlertIntake({ ...deps, findKey: apiTokenKeys(services.apiTokens) })
  const serverDeps = {
    log: deps.log,
    admission: hub.admission,
    routes: apiRoutes(services, alerts),
    identify: createClientVerdicts({
      identify: (leafDer) => hub.identify(leafDer, 'client'),
      anchorsPem: () => trustAnchorsPem(state.ca.trust),
      onDisagreement: disagreementRecorder(deps.log, state.audit, state.principal.uri),
    }),
    checkSignature: createRequestSignatures({
      ...deps,
      tokens: services.apiTokens,
      nonces: createRequestNonces({ clock: deps.clock, store: state.store }),
      sessionToken: (handle) => hub.sessions.token(handle),
    }),
    takeRequest: createRequestLimit(deps.clock, options.requestRate),
    canRecord: () => state.audit.healthy,
    onRefused: (request: RefusedRequest) => parts.refusals.note(request),
  }
  return listenForHttp(serverDeps, options, parts.certificate.identity)
}

function systemEvent(
  state: AuthorityState,
  action: string,
): Parameters<AuthorityState['audit']['append']>[0] {
  const { uri } = state.principal
  return { type: 'system', actor: uri, target: uri, action, outcome: 'ok' }
}

function warningsOf(
  { clock }: AuthorityStateDeps,
  { state, floors }: Core,
  operator: OperatorOutcome,
): readonly string[] {
  const warnings = floors.corrected.map(
    (name) => `The registry had a lower profile for ${name} than what was signed: it is set right.`,
  )
  if (state.ca.hasRootKeys) {
    warnings.push(
      'The root keys lie in the state folder beside their unlock key: move them off with "kosctl ca export-root FILE".',
    )
  }
  if (isRequestDue(state.ca)) {
    warnings.push(
      `The intermediate CA is past half of its life and the root keys are offline: ${REQUEST_COMMAND}`,
    )
  }
  const chain = chainWarning(state.ca, clock)
  if (chain !== undefined) warnings.push(chain)
  if (operator === 'foreign') {
    warnings.push('The configuration folder holds a credential of another authority: left alone.')
  }
  return warnings
}
