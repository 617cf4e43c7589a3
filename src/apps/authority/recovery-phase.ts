import { type CancelTimer, isRefusal, refuse, type UnixMs } from '../../foundation/base/index.ts'
import {
  createRecoveryCollector,
  MAX_OFFER_BYTES,
  readRecovered,
  RECOVERED_KINDS,
  type Recovered,
  type RecoveredKind,
  type RecoveryCollector,
} from '../../lifecycle/recovery/index.ts'
import { createAdmission } from '../../network/admission/index.ts'
import {
  compareNumbered,
  type RootSigner,
  type TrustBundle,
  verifyTrustBundle,
} from '../../trust/pki/index.ts'
import { loadEnforcement } from '../node/index.ts'
import { createRequestLimit } from './authority-services.ts'
import {
  type AuthorityState,
  type AuthorityStateDeps,
  closeAuthorityState,
  issueAuthorityCertificate,
  openAuthorityState,
} from './authority-state.ts'
import type { AuthorityOptions } from './authority.ts'
import { authorityErrors } from './errors.ts'
import { json, cbor, type Route } from './http-types.ts'
import { listenForHttp } from './http-listen.ts'
import type { HttpServer } from './http-server.ts'
import {
  applyRecovered,
  directoryOf,
  isExpected,
  lockListOf,
  type RecoveryOutcome,
} from './recovery-apply.ts'
import { clearRestored, markRestored, type RestoredMark } from './restored-mark.ts'
import { recoveryRoutes } from './routes-recovery.ts'

/** Longest wait for members by default: one that was away long tries every five minutes. */
export const RECOVERY_WAIT_MS: number = 6 * 60 * 1000
const FORMER_BUNDLE = 'former-bundle'

/** How a restored authority asks its members. */
export interface RecoveryOptions {
  /** How long after the first of them the others are waited for; 0: nobody is waited for. */
  readonly waitMs: number
  /** Also for a folder that no backup of ours brought back: that of a machine that was set back. */
  readonly isForced?: boolean
  /** Root keys that are kept elsewhere; absent: those of the key store. */
  readonly roots?: RootSigner | undefined
  /** Told of every member that reported, and of the beginning. */
  readonly onProgress?: (progress: RecoveryProgress) => void
}

/** How far it has come. */
export interface RecoveryProgress {
  readonly backupAt: UnixMs
  readonly era: number
  /** Members with a daemon that the newest directory names and the newest lock list does not. */
  readonly expected: number
  readonly reported: number
}

/**
 * What comes before a restored authority serves: it opens a new era under a new intermediate, signed by
 * both root keys, and takes what its members hold that is newer than the backup. Only then, durably,
 * the mark goes. A kill at any point begins it again.
 *
 * @param deps - as of the authority
 * @param options - where it listens
 * @param mark - of the state folder
 * @throws {@link KosError} KOS_PKI_STATE `root-keys` when there are none
 * @see identity: Eras: restore without bricking
 */
export async function recoverFromMembers(
  deps: AuthorityStateDeps,
  options: AuthorityOptions,
  mark: RestoredMark,
): Promise<RecoveryOutcome> {
  const { waitMs, roots, onProgress } = options.recovery ?? { waitMs: RECOVERY_WAIT_MS }
  const state = await openAuthorityState(deps, options)
  try {
    const own = openEraOnce(state, mark, roots)
    const collector = createRecoveryCollector(own)
    const outcome = await collect(deps, options, {
      state,
      collector,
      mark,
      waitMs,
      onProgress: onProgress ?? ((): void => undefined),
    })
    permitAll(state, collector, roots)
    await recordRecovery(state, mark, outcome)
    clearRestored(options.folder)
    return outcome
  } finally {
    await closeAuthorityState(state)
  }
}

interface Collecting {
  readonly state: AuthorityState
  readonly collector: RecoveryCollector
  readonly mark: RestoredMark
  readonly waitMs: number
  readonly onProgress: (progress: RecoveryProgress) => void
}

/** The bundle of the backup is kept: after a kill it is the one that its members are asked about. */
function openEraOnce(
  state: AuthorityState,
  mark: RestoredMark,
  roots: RootSigner | undefined,
): Parameters<typeof createRecoveryCollector>[0] {
  const { ca, registry, folder } = state
  if (mark.era !== ca.era) {
    const { era, number } = ca.trust
    registry.putSignedObject({ kind: FORMER_BUNDLE, era, number, bytes: ca.bundle })
    ca.openEra({ restored: { after: ca.trust, permitted: certificatesOf(ca.trust) }, roots })
    markRestored(folder, { ...mark, era: ca.era })
  }
  return { bundle: formerBundle(state), objects: ownObjects(state) }
}

function formerBundle({ ca, registry }: AuthorityState): Recovered<TrustBundle> {
  const signed = registry.signedObject(FORMER_BUNDLE)?.bytes ?? ca.bundle
  const object = verifyTrustBundle(signed, { pin: ca.pin })
  if (isRefusal(object)) throw authorityErrors.error('KOS_AUTHORITY_STORE', { rule: object.rule })
  return { signed, object }
}

function ownObjects({ ca, registry }: AuthorityState): ReadonlyMap<RecoveredKind, Recovered> {
  const objects = new Map<RecoveredKind, Recovered>()
  for (const kind of RECOVERED_KINDS) {
    const stored = registry.signedObject(kind)
    if (!stored) continue
    const read = readRecovered(kind, stored.bytes, [ca.trust])
    if (isRefusal(read)) throw authorityErrors.error('KOS_AUTHORITY_STORE', { kind })
    objects.set(kind, read)
  }
  return objects
}

/** Serves the one question until everybody has answered it, or the time is over. */
async function collect(
  deps: AuthorityStateDeps,
  options: AuthorityOptions,
  collecting: Collecting,
): Promise<RecoveryOutcome> {
  const { state, collector, waitMs } = collecting
  const { promise, resolve } = Promise.withResolvers<void>()
  let cancel: CancelTimer | undefined
  let told = ''
  const progressNow = progressMeter(collecting)
  const looked = (): void => {
    const progress = progressNow()
    const news = `${progress.reported} of ${progress.expected}`
    // The same member comes again while the others are waited for.
    if (news !== told) collecting.onProgress(progress)
    told = news
    if (progress.reported >= progress.expected) resolve()
    else if (progress.reported > 0) cancel ??= deps.clock.after(waitMs, resolve)
  }
  if (waitMs > 0) {
    const http = await serve(deps, options, { ...collecting, looked })
    looked()
    await promise
    cancel?.()
    await http.close()
  }
  return applyRecovered(deps, state, collector)
}

/** Who is expected changes with directory and lock list alone; both may be large, and each member asks. */
function progressMeter({ state, collector, mark }: Collecting): () => RecoveryProgress {
  let directory: Recovered | undefined
  let locks: Recovered | undefined
  let expected: readonly string[] | undefined
  const look = (): readonly string[] => {
    const { objects } = collector
    const isSame = directory === objects.get('directory') && locks === objects.get('lock-list')
    if (expected && isSame) return expected
    directory = objects.get('directory')
    locks = objects.get('lock-list')
    const locked = new Set(lockListOf(collector).principals)
    return [...directoryOf(collector).values()]
      .filter((entry) => isExpected(entry, state.registry.principal(entry.id)))
      .map(({ uri }) => uri)
      .filter((uri) => !locked.has(uri))
  }
  return () => {
    expected = look()
    return {
      backupAt: mark.backupAt,
      era: state.ca.era,
      expected: expected.length,
      reported: expected.filter((uri) => collector.members.has(uri)).length,
    }
  }
}

async function serve(
  deps: AuthorityStateDeps,
  options: AuthorityOptions,
  { state, collector, looked }: Collecting & { readonly looked: () => void },
): Promise<HttpServer> {
  const { clock, log } = deps
  const take: Parameters<typeof recoveryRoutes>[0]['take'] = (offer, exporter) => {
    const taken = collector.take(offer, { exporter, nowMs: clock.wallMs() })
    if (isRefusal(taken)) {
      log.event('recovery.refused', { code: taken.code, rule: taken.rule }, 'warn')
      return taken
    }
    looked()
    return undefined
  }
  const routes: readonly Route[] = [
    {
      method: 'GET',
      path: '/v1/health',
      guard: 'public',
      maxBytes: 0,
      handle: () => json({ status: 'restored', timeMs: clock.wallMs() }),
    },
    {
      method: 'GET',
      path: '/v1/bundle',
      guard: 'public',
      maxBytes: 0,
      handle: () => cbor(state.ca.bundle),
    },
    ...recoveryRoutes(
      { status: () => ({ isWaiting: true, newest: collector.newest }), take },
      MAX_OFFER_BYTES,
    ),
  ]
  const notYet = refuse('KOS_AUTHORITY_RESTORED', 'restored', {
    remedy:
      'It waits for its members to bring what is newer than its backup; try again in a minute.',
    retryAfterMs: 10_000,
  })
  const admission = createAdmission(
    {
      clock,
      enforcement: loadEnforcement(deps, options.enforcementFile),
      onRefusals: () => undefined,
    },
    options.admission ? { limits: options.admission } : {},
  )
  return listenForHttp(
    {
      log,
      admission,
      routes,
      otherwise: notYet,
      identify: () => notYet,
      checkSignature: () => notYet,
      takeRequest: createRequestLimit(clock),
      canRecord: () => true,
      onRefused: () => undefined,
    },
    options,
    issueAuthorityCertificate(state, options.names).identity,
  )
}

/** Whoever holds a certificate of an intermediate that came after the backup must get in to renew it. */
function permitAll(
  { ca }: AuthorityState,
  { bundle }: RecoveryCollector,
  roots: RootSigner | undefined,
): void {
  const wanted = certificatesOf(bundle.object)
  const own = ca.chain[0]
  const permitted = certificatesOf(ca.trust).filter((der) => Buffer.compare(der, own) !== 0)
  const isSame =
    wanted.length === permitted.length &&
    wanted.every((der) => permitted.some((other) => Buffer.compare(der, other) === 0))
  const isAhead = compareNumbered(ca.trust, bundle.object) > 0 && ca.era > bundle.object.era
  if (isSame && isAhead) return
  ca.openEra({ restored: { after: bundle.object, permitted: wanted, isIssuerKept: true }, roots })
}

/** A bundle holds four, and one of them issues: those that end last. */
function certificatesOf({ intermediates }: TrustBundle): readonly Uint8Array[] {
  return intermediates
    .map(({ certificate }) => certificate)
    .toSorted((a, b) => b.notAfter - a.notAfter)
    .slice(0, 3)
    .map(({ der }) => der)
}

async function recordRecovery(
  { audit, principal, ca }: AuthorityState,
  { backupAt }: RestoredMark,
  outcome: RecoveryOutcome,
): Promise<void> {
  await audit.append({
    type: 'system',
    actor: principal.uri,
    target: principal.uri,
    action: 'authority.restore',
    outcome: 'ok',
    detail: { backupAt, era: ca.era, ...outcome },
  })
}
