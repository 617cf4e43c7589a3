import { generateKeyPairSync, type KeyObject, sign, verify } from 'node:crypto'
import { join } from 'node:path'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import {
  isRefusal,
  type Random,
  sha256,
  silentLog,
  systemClock,
  systemRandom,
} from '../../src/foundation/base/index.ts'
import {
  buildCsr,
  buildName,
  certificateSignerFromKey,
  coseSignerFromKey,
} from '../../src/foundation/codec/index.ts'
import {
  type AuthorityState,
  closeAuthorityState,
  openAuthorityState,
} from '../../src/apps/authority/authority-state.ts'
import {
  createEstEnrolService,
  createJoinRequest,
  createJoinService,
  createTokenService,
  estPassword,
  issue,
  type JoinDeps,
  type JoinResult,
  OPERATOR_LIFE_MS,
} from '../../src/lifecycle/enrolment/index.ts'
import { profileOf } from '../../src/foundation/profiles/index.ts'
import { benchPrincipal, benchRecord, benchTrustDomain } from '../harness/fleet.ts'
import { type InlineCase, inlineMedian, inlineRatio, measureInline } from '../harness/inline.ts'
import type { ProcessOptions } from '../harness/processes.ts'
import { atMost, type Report } from '../harness/report.ts'
import { type Effort, quantile } from '../harness/rounds.ts'

const CLIENTS = 8
const EST = 'EST: token, request, profile, audit, durable'
const JOIN = 'kosd: the same, and the proof of the identity key'
const LIMIT = 'node:crypto alone: sign and verify once (P-256)'
const MINUTE_MS = 60_000
/** Devices that are made ahead, with their keys: what they cost is not the authority's. */
const AHEAD_PER_MS = 1.2
const WARM_UP_MS = 500

/** One enrolment that waits for its turn. */
type Enrol = () => Promise<JoinResult>

/**
 * Whole enrolments, eight at once, as the authority's routes do them: the token checked and spent, the
 * proofs verified, the certificate issued, intent and outcome in the audit log, all durable on the disk.
 */
export async function measureEnrolment(options: ProcessOptions, effort: Effort): Promise<Report> {
  const folder = join(options.fleet, 'enrolment')
  const deps = { clock: systemClock, random: systemRandom, log: silentLog }
  const state = await openAuthorityState(deps, { folder, trustDomain: benchTrustDomain() })
  const ahead = Math.ceil((effort.rounds * effort.durationMs + WARM_UP_MS) * AHEAD_PER_MS)
  const owner = await registerOwner(state)
  const est = lanes(EST, await estEnrolments(state, owner, ahead))
  const joins = lanes(JOIN, await joinEnrolments(state, owner, ahead))
  collectGarbage()
  const samples = await measureInline([est.measured, joins.measured, limitCase()], effort)
  await closeAuthorityState(state)
  const limit = samples.get(LIMIT)
  const row = (name: string, waitedMs: readonly number[]): Report['rows'][number] => [
    name,
    inlineMedian(samples.get(name), 'operationsPerSecond'),
    inlineMedian(samples.get(name), 'cpuUs'),
    inlineRatio(samples.get(name), limit, 'cpuUs'),
    waitedMs.length > 0 ? quantile(waitedMs, 0.5) : undefined,
    waitedMs.length > 0 ? quantile(waitedMs, 0.95) : undefined,
  ]
  return {
    suite: 'enrolment',
    title: `Enrolments, ${CLIENTS} at once, without TLS and HTTP (medians of ${effort.rounds} rounds)`,
    columns: ['per second', 'CPU µs each', 'CPU ÷ sign + verify', 'p50 ms', 'p95 ms'],
    rows: [row(EST, est.waitedMs), row(JOIN, joins.waitedMs), row(LIMIT, [])],
    goals: [
      atMost(
        'CPU of an enrolment ÷ CPU of one signature and one verification',
        2.2,
        inlineRatio(samples.get(EST), limit, 'cpuUs'),
      ),
    ],
  }
}

/** What was left of keys that were made ahead is not the authority's to clean up. */
function collectGarbage(): void {
  setFlagsFromString('--expose-gc')
  runInNewContext('gc()')
}

/** Eight clients, each with its next enrolment as soon as the last one is answered. */
function lanes(
  name: string,
  waiting: readonly Enrol[],
): { readonly measured: InlineCase; readonly waitedMs: readonly number[] } {
  const waitedMs: number[] = []
  let next = 0
  const lane = async (): Promise<void> => {
    for (let turn = 0; turn < 4; turn += 1) {
      const enrol = waiting[next++]
      if (!enrol) throw new Error('more enrolments than were made ahead: use fewer rounds')
      const beganMs = performance.now()
      const result = await enrol()
      if (isRefusal(result)) throw new Error(`refused: ${result.code} ${result.rule}`)
      waitedMs.push(performance.now() - beganMs)
    }
  }
  const run = async (): Promise<number> => {
    await Promise.all(Array.from({ length: CLIENTS }, lane))
    return CLIENTS * 4
  }
  return { measured: { name, run }, waitedMs }
}

/** What stands around the services in the authority: both records of the log. */
function recorded(
  state: AuthorityState,
  action: string,
): Required<Pick<JoinDeps, 'intend'>> & {
  readonly done: (result: JoinResult) => Promise<JoinResult>
} {
  const record = (outcome: 'intent' | 'ok', target: string): Promise<unknown> =>
    state.audit.append({ type: 'enrolment', actor: 'bench', target, action, outcome })
  return {
    intend: async ({ name }) => void (await record('intent', name)),
    done: async (result) => {
      if (!isRefusal(result)) await record('ok', result.grant.uri)
      return result
    },
  }
}

function servicesOf(state: AuthorityState): Omit<JoinDeps, 'intend'> {
  const deps = { clock: systemClock, random: systemRandom as Random, store: state.registry }
  return {
    ...deps,
    ca: state.ca,
    tokens: createTokenService({ ...deps, tokenRoot: state.tokenRoot }),
  }
}

async function estEnrolments(
  state: AuthorityState,
  owner: string,
  count: number,
): Promise<readonly Enrol[]> {
  const deps = servicesOf(state)
  const { intend, done } = recorded(state, 'est.enrol')
  const { trustDomain } = state.ca
  const service = createEstEnrolService({ ...deps, intend }, { trustDomain })
  const binding = new Uint8Array(32)
  return many(count, async (index) => {
    const key = newKey()
    const csr = buildCsr({ spki: key.spki, subject: buildName([]) }, key.signer)
    const token = await deps.tokens.create({
      name: `printer-${index}`,
      kind: 'device',
      profile: 'SEC-2',
      owner,
      lifeMs: 10 * MINUTE_MS,
      origin: 'est',
    })
    if (isRefusal(token)) throw new Error(token.rule)
    const request = { user: token.record.id, password: estPassword(token.secret), csr }
    return async () => done(await service.enrol(request, binding))
  })
}

async function joinEnrolments(
  state: AuthorityState,
  owner: string,
  count: number,
): Promise<readonly Enrol[]> {
  const deps = servicesOf(state)
  const { intend, done } = recorded(state, 'join')
  const { trustDomain } = state.ca
  const service = createJoinService({ ...deps, intend }, { trustDomain })
  const exporter = new Uint8Array(32)
  return many(count, async (index) => {
    const [identity, tls, kem] = [newKey(), newKey(), newKey()]
    const token = await deps.tokens.create({
      name: `camera-${index}`,
      kind: 'device',
      profile: 'SEC-2',
      owner,
      lifeMs: 10 * MINUTE_MS,
    })
    if (isRefusal(token)) throw new Error(token.rule)
    const request = createJoinRequest(
      {
        identitySpki: identity.spki,
        identity: coseSignerFromKey(identity.privateKey, sha256(identity.spki)),
        tlsSpki: tls.spki,
        tlsSigner: tls.signer,
      },
      {
        tokenId: token.record.id,
        secret: token.secret,
        mac: new Uint8Array(6),
        kemSpki: kem.spki,
        logSpkis: [
          spkiOf(generateKeyPairSync('ed25519')),
          spkiOf(generateKeyPairSync('ml-dsa-44')),
        ],
        addresses: [],
      },
      exporter,
    )
    return async () => done(await service.join(request, exporter))
  })
}

async function many<T>(count: number, make: (index: number) => Promise<T>): Promise<readonly T[]> {
  const made: T[] = []
  for (let from = 0; from < count; from += 64) {
    const length = Math.min(64, count - from)
    made.push(...(await Promise.all(Array.from({ length }, (_, index) => make(from + index)))))
  }
  return made
}

/** An operator as authorities make them. */
async function registerOwner(state: AuthorityState): Promise<string> {
  const { ca, registry } = state
  const principal = benchPrincipal(ca, 'user', 'bench')
  const [identity, tls] = [newKey(), newKey()]
  const certificate = issue(ca, {
    principal,
    identitySpki: identity.spki,
    tlsSpki: tls.spki,
    profile: profileOf('SEC-2'),
    generation: 1,
    lifeMs: OPERATOR_LIFE_MS,
  })
  const { notBefore, notAfter } = certificate
  await registry.transaction((transaction) =>
    transaction.insertPrincipal(
      benchRecord(principal, {
        name: 'bench',
        owner: principal.uri,
        uuid: '',
        identitySpki: identity.spki,
        roles: ['operator'],
        certificateNotBefore: notBefore,
        certificateNotAfter: notAfter,
      }),
    ),
  )
  return principal.uri
}

function limitCase(): InlineCase {
  const { privateKey, publicKey } = newKey()
  const message = Buffer.alloc(600, 7)
  const run = (): number => {
    for (let count = 0; count < 20; count++) {
      const signature = sign('sha256', message, privateKey)
      if (!verify('sha256', message, publicKey, signature)) throw new Error('not verified')
    }
    return 20
  }
  return { name: LIMIT, run }
}

function newKey(): {
  readonly privateKey: KeyObject
  readonly publicKey: KeyObject
  readonly spki: Uint8Array
  readonly signer: ReturnType<typeof certificateSignerFromKey>
} {
  const pair = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  return { ...pair, spki: spkiOf(pair), signer: certificateSignerFromKey(pair.privateKey) }
}

function spkiOf({ publicKey }: { readonly publicKey: KeyObject }): Uint8Array {
  return publicKey.export({ type: 'spki', format: 'der' })
}
