/** Genuine stages, fake policy and audit: what a call needs around an executor. */
import {
  type Clock,
  parseTrustDomain,
  principalOf,
  type RateLimit,
  refuse,
  type Refusal,
  silentLog,
  type TrustDomain,
  unixMs,
} from '../../src/foundation/base/index.ts'
import {
  type ArgumentDecision,
  type Authenticated,
  type Authorised,
  type CallRequest,
  type Grant,
  mintAuthenticated,
  mintAuthorised,
  mintConnected,
  mintRecorded,
  type PeerFacts,
  type Recordable,
  type Recorded,
} from '../../src/foundation/pipeline/index.ts'
import { type ProfileName, profileOf } from '../../src/foundation/profiles/index.ts'
import { type Catalog, type Command, createCatalog } from '../../src/commands/catalog/index.ts'
import {
  type AuthorisePort,
  type CallOutcome,
  type CallRecord,
  createExecutor,
  DEFAULT_EXECUTOR_LIMITS,
  type Executor,
  type ExecutorLimits,
  type RecordPort,
} from '../../src/commands/execution/index.ts'
import { createTestClock, type TestClock } from './clock.ts'

const TRUST_DOMAIN = parseTrustDomain('kos.internal') as TrustDomain

/** The rule by which {@link allowAll} allows. */
export const TEST_GRANT: Grant = Object.freeze({
  rule: 'fleet/test-allow',
  layer: 'fleet',
  manifestNumber: 7,
})

/** A peer that passed admission and authentication. */
export function authenticatedPeer(
  id: string = 'alice',
  floor: ProfileName = 'SEC-2',
): Authenticated {
  const principal = principalOf(TRUST_DOMAIN, 'user', id)
  if (!principal) throw new TypeError('not a user id')
  const peer: PeerFacts = {
    principal,
    floor: profileOf(floor),
    generation: 1,
    identityKeyHash: new Uint8Array(32).fill(1),
    tlsKeyHash: new Uint8Array(32).fill(2),
    serial: '01',
    notAfter: unixMs(2_000_000_000_000),
  }
  const connected = mintConnected({
    sourceAddress: '127.0.0.1',
    sourcePort: 50_000,
    listener: profileOf(floor),
    direction: 'inbound',
  })
  return mintAuthenticated(connected, { peer, sessionId: '00' })
}

/** A rate that no test reaches. */
export const UNLIMITED_RATE: RateLimit = Object.freeze({ perSecond: 1e6, burst: 1e6 })

let callCount = 0

/** A well-formed call with a fresh id; parts can be replaced. */
export function callOf(
  command: string,
  args: unknown,
  parts: Partial<CallRequest> = {},
): CallRequest {
  callCount += 1
  return {
    callId: callCount.toString(16).padStart(32, '0'),
    command,
    arguments: args,
    deadlineMs: 10_000,
    traceId: 'f'.repeat(32),
    signal: new AbortController().signal,
    ...parts,
  }
}

/** Policy that allows everything, or asks a rule on argument values. */
export function allowAll(decideArguments?: ArgumentDecision): AuthorisePort {
  return {
    authorise: (authenticated: Authenticated, call: CallRequest): Authorised =>
      mintAuthorised(authenticated, { call, grant: TEST_GRANT, decideArguments }),
  }
}

/** Policy that refuses everything. */
export function denyAll(rule: string = 'default-deny'): AuthorisePort {
  return { authorise: (): Refusal => refuse('KOS_POLICY_DENIED', rule) }
}

/** One record that was taken. */
export interface TakenRecord extends CallRecord {
  readonly how: 'intent' | 'outcome' | 'soon'
  /** Class name of the last stage. */
  readonly stage: string
}

/** An audit log in memory. */
export interface TestRecorder extends RecordPort {
  healthy: boolean
  readonly taken: TakenRecord[]
  /** Makes the next record of this kind fail. */
  failNext(how: TakenRecord['how']): void
  /** Holds durable records back until the returned function is called. */
  hold(): () => void
}

/** Makes an audit log in memory. */
export function createTestRecorder(): TestRecorder {
  const taken: TakenRecord[] = []
  const failing = new Set<TakenRecord['how']>()
  let gate = Promise.resolve()
  const take = (how: TakenRecord['how'], last: Recordable, record: CallRecord): Recorded => {
    if (failing.delete(how)) throw new Error('the disk is full')
    taken.push({ ...record, how, stage: last.constructor.name })
    return mintRecorded(last)
  }
  return {
    healthy: true,
    taken,
    failNext: (how) => void failing.add(how),
    hold: () => {
      const { promise, resolve } = Promise.withResolvers<void>()
      gate = promise
      return resolve
    },
    intent: async (last, record) => {
      await gate
      take('intent', last, record)
    },
    outcome: async (last, record) => {
      await gate
      return take('outcome', last, record)
    },
    soon: (last, record) => take('soon', last, record),
  }
}

/** An executor among fakes. */
export interface TestExecutor {
  readonly executor: Executor
  readonly clock: TestClock
  readonly record: TestRecorder
  /** Executes a call and waits for its outcome. */
  readonly outcome: (authenticated: Authenticated, call: CallRequest) => Promise<CallOutcome>
}

/** What a test may choose. */
export interface TestExecutorOptions {
  /** In place of one made of the commands. */
  readonly catalog?: Catalog
  readonly authorise?: AuthorisePort
  readonly profile?: ProfileName
  readonly limits?: Partial<ExecutorLimits>
  readonly log?: Parameters<typeof createExecutor>[0]['log']
  readonly callRateOf?: Parameters<typeof createExecutor>[1]['callRateOf']
}

/** Makes an executor that allows everything, at any rate, unless told otherwise. */
export function createTestExecutor(
  commands: readonly Command[],
  options: TestExecutorOptions = {},
): TestExecutor {
  const clock = createTestClock()
  const record = createTestRecorder()
  const deps = {
    catalog: options.catalog ?? createCatalog(commands),
    authorise: options.authorise ?? allowAll(),
    record,
    clock: clock satisfies Clock,
    log: options.log ?? silentLog,
  }
  const executor = createExecutor(deps, {
    profile: profileOf(options.profile ?? 'SEC-2'),
    limits: { ...DEFAULT_EXECUTOR_LIMITS, callRate: UNLIMITED_RATE, ...options.limits },
    ...(options.callRateOf && { callRateOf: options.callRateOf }),
  })
  return {
    executor,
    clock,
    record,
    outcome: async (authenticated, call) => executor.execute(authenticated, call),
  }
}
