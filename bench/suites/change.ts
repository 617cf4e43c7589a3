import { randomBytes } from 'node:crypto'
import { fdatasyncSync, mkdirSync, openSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { silentLog, unixMs, z } from '../../src/foundation/base/index.ts'
import {
  type Authenticated,
  mintAuthenticated,
  mintConnected,
} from '../../src/foundation/pipeline/index.ts'
import { profileOf } from '../../src/foundation/profiles/index.ts'
import { type Command, defineCommand } from '../../src/commands/catalog/index.ts'
import { DEFAULT_EXECUTOR_LIMITS, type Executor } from '../../src/commands/execution/index.ts'
import { createNodeExecutor, openAudit } from '../contenders/kos-parts.ts'
import { type BenchMember, CHANGING_COMMAND, loadMember } from '../harness/fleet.ts'
import { type InlineCase, inlineMedian, inlineRatio, measureInline } from '../harness/inline.ts'
import type { ProcessOptions } from '../harness/processes.ts'
import { atMost, type Report } from '../harness/report.ts'
import type { Effort } from '../harness/rounds.ts'

const AT_ONCE = 64
/** Each of them does so many one after the other. */
const TURNS = 8
/** An entry of a call in CBOR and the hash beside it. */
const RECORD_BYTES = 223
/** What a peer changed stays known for a minute: more of it than a device of a fleet ever keeps. */
const LIMITS = Object.freeze({
  ...DEFAULT_EXECUTOR_LIMITS,
  maxStoredCalls: 10_000_000,
  maxStoredBytes: 8 * 1024 ** 3,
  maxStoredChangesPerPeer: 10_000_000,
})

const OURS = 'kOS: a changing command, intent and outcome durable'
const LIMIT = 'a file: two appends, one fdatasync for all that wait'

/** A command that changes something, against the two flushes that no record of it can do without. */
export async function measureChange(options: ProcessOptions, effort: Effort): Promise<Report> {
  const directory = join(options.fleet, 'change')
  mkdirSync(directory, { mode: 0o700 })
  const member = loadMember(options.fleet, 'server')
  const { store, audit } = await openAudit(member, { directory, log: silentLog })
  const parts = { log: silentLog, audit, commands: [noteCommand()], limits: LIMITS }
  const executor = createNodeExecutor(member, parts)
  const file = openSync(join(directory, 'plain'), 'a', 0o600)
  const cases = [commandCase(executor, authenticatedOwner(member)), fileCase(file)]
  const samples = await measureInline(cases, effort)
  const verified = await audit.verify()
  if (!verified.ok) throw new Error('the log does not verify')
  await executor.close()
  await audit.close()
  store.close()
  const of = (name: string): ReturnType<typeof samples.get> => samples.get(name)
  return {
    suite: 'change',
    title: `A command that changes something, ${AT_ONCE} at once, without a connection (medians of ${effort.rounds} rounds; the log of ${verified.entries.toLocaleString('en-US')} entries verifies)`,
    columns: ['per second', 'CPU µs each', 'time ÷ file'],
    rows: cases.map(({ name }) => [
      name,
      inlineMedian(of(name), 'operationsPerSecond'),
      inlineMedian(of(name), 'cpuUs'),
      inlineRatio(of(LIMIT), of(name), 'operationsPerSecond'),
    ]),
    goals: [
      atMost(
        'time of a changing command ÷ time of two group-committed fdatasyncs',
        1.5,
        inlineRatio(of(LIMIT), of(OURS), 'operationsPerSecond'),
      ),
    ],
  }
}

function noteCommand(): Command {
  const text = (): z.ZodType<{ text: string }> => z.strictObject({ text: z.string().max(64) })
  return defineCommand({
    name: CHANGING_COMMAND,
    domain: 'rpc',
    summary: 'Takes a note',
    description: 'Changes nothing but the log.',
    argumentSchema: text(),
    resultSchema: text(),
    positional: ['text'],
    permission: CHANGING_COMMAND,
    effects: 'change',
    limits: { maxArgumentBytes: 128, maxResultBytes: 128, timeoutMs: 10_000, concurrency: 1024 },
    examples: [{ purpose: 'Take a note.', arguments: { text: 'a' }, result: { text: 'a' } }],
    run: (_context, args) => args,
  })
}

/** The owner, as a session would have proven it. */
function authenticatedOwner({ owner }: BenchMember): Authenticated {
  const profile = profileOf('SEC-2')
  const connected = mintConnected({
    sourceAddress: '127.0.0.1',
    sourcePort: 1,
    listener: profile,
    direction: 'inbound',
  })
  const hash = new Uint8Array(32)
  const peer = {
    principal: owner,
    floor: profile,
    generation: 1,
    identityKeyHash: hash,
    tlsKeyHash: hash,
    serial: '01',
    notAfter: unixMs(Number.MAX_SAFE_INTEGER),
  }
  return mintAuthenticated(connected, { peer, sessionId: '00' })
}

function lanes(run: () => Promise<void>): () => Promise<number> {
  const lane = async (): Promise<void> => {
    for (let turn = 0; turn < TURNS; turn++) await run()
  }
  return async () => {
    await Promise.all(Array.from({ length: AT_ONCE }, lane))
    return AT_ONCE * TURNS
  }
}

function commandCase(executor: Executor, authenticated: Authenticated): InlineCase {
  // Sessions draw ids from a pool: one request to the system each would cost more than the call.
  const prefix = randomBytes(8).toString('hex')
  let next = 0
  const call = async (): Promise<void> => {
    const callId = prefix + (next++).toString(16).padStart(16, '0')
    const outcome = await executor.execute(authenticated, {
      callId,
      traceId: callId,
      command: CHANGING_COMMAND,
      arguments: { text: callId },
      deadlineMs: 10_000,
      signal: new AbortController().signal,
    })
    if (outcome.status !== 'ok') throw new Error(`${outcome.code} ${outcome.rule}`)
  }
  return { name: OURS, run: lanes(call) }
}

/** What appends in one turn of the event loop is one write and one flush. */
function fileCase(file: number): InlineCase {
  const record = Buffer.alloc(RECORD_BYTES, 1)
  let waiting: (() => void)[] = []
  const commit = (): void => {
    const done = waiting
    waiting = []
    writeSync(file, Buffer.concat(done.map(() => record)))
    fdatasyncSync(file)
    for (const resolve of done) resolve()
  }
  const append = (): Promise<void> =>
    new Promise((resolve) => {
      if (waiting.length === 0) setImmediate(commit)
      waiting.push(resolve)
    })
  const twice = async (): Promise<void> => {
    await append()
    await append()
  }
  return { name: LIMIT, run: lanes(twice) }
}
