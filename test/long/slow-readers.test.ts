/**
 * Scenario: readers that take a large file slowly, or not at all, and senders that send more than is
 * read. The peak of the memory of both processes stays within bounds that the file exceeds many times.
 */
import assert from 'node:assert/strict'
import { type ChildProcessByStdio, spawn } from 'node:child_process'
import { truncateSync, writeFileSync } from 'node:fs'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import { test, type TestContext } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import type { CallResult } from '../../src/network/session/index.ts'
import { openPeerClient } from '../kit/peer-client.ts'
import { type Daemon, Place, programPath } from '../kit/processes.ts'

const MIB = 1024 * 1024
const FILE_BYTES = 320 * MIB
/** What the runtime may take and give back while it works; the whole file takes five times that. */
const SLACK_BYTES = 64 * MIB
const WARM_BYTES = 32 * MIB
const STEP_BYTES = 4 * MIB
const STEPS = 16
const STALL_MS = 1000
const STREAMS = 16
/** The runtime takes its memory in the first rounds. */
const WARM_ROUNDS = 10
const ROUNDS = 16
/** What the node reads for so many streams. */
const ROUNDS_BYTES = (ROUNDS * STREAMS * MIB) / 4

test('one kosctl that reads slowly, stops, and reads on', async (context) => {
  const { place, node } = await startShare(context)
  const reader = startReader(context, place)
  await reader.take(WARM_BYTES)
  const ends = [node.pid, reader.pid]
  const before = await Promise.all(ends.map(resetPeak))
  for (let step = 0; step < STEPS; step += 1) {
    await reader.take(STEP_BYTES)
    await sleep(20)
  }
  await sleep(STALL_MS)
  // A process that is stopped reads its socket no more than one that does not want to.
  process.kill(reader.pid, 'SIGSTOP')
  await sleep(STALL_MS)
  process.kill(reader.pid, 'SIGCONT')
  await reader.take(STEP_BYTES)
  await grewWithin(context, { pids: ends, before, most: [SLACK_BYTES, SLACK_BYTES] })

  await reader.take(Infinity)
  assert.deepEqual([reader.taken, await reader.ended], [FILE_BYTES, 0], reader.err)
  await place.eventually('the whole file is in the record', async () =>
    (await place.audit()).some(
      ({ action, outcome, detail }) =>
        action === 'files.fetch' && outcome === 'ok' && detail?.['streamedBytes'] === FILE_BYTES,
    ),
  )
})

test('sixteen streams of one peer that takes nothing, given up and begun anew', async (context) => {
  const { place, node } = await startShare(context)
  const client = await openPeerClient(place.config, 'camera-1')
  context.after(() => client.close())
  const round = async (): Promise<readonly CallResult[]> => {
    const { promise: gate, resolve: open } = Promise.withResolvers<void>()
    const controller = new AbortController()
    let taken = 0
    const calls = Array.from({ length: STREAMS }, () =>
      client.session.call(
        'files.fetch',
        { path: 'share/large.bin' },
        {
          signal: controller.signal,
          onData: (bytes) => {
            taken += bytes.length
            return gate
          },
        },
      ),
    )
    await place.eventually('a window is used up', () => taken >= MIB / 2)
    await sleep(100)
    controller.abort()
    open()
    const results = await Promise.all(calls)
    await place.eventually('every command has ended', async () => {
      const status = await client.call('system.status', {})
      return status.status === 'ok' && (status.value as { runningCalls: number }).runningCalls === 1
    })
    return results
  }
  for (let count = 0; count < WARM_ROUNDS; count += 1) await round()
  const before = [await resetPeak(node.pid)]
  for (let count = 0; count < ROUNDS; count += 1) {
    for (const result of await round()) {
      assert.equal(result.status === 'failed' && result.code, 'KOS_SESSION_CANCELLED')
    }
  }
  await grewWithin(context, { pids: [node.pid], before, most: [(ROUNDS_BYTES * 3) / 4] })
  assert.equal((await client.call()).status, 'ok')
})

test('a peer that sends arguments faster than they are read', async (context) => {
  const { place, node } = await startShare(context)
  const client = await openPeerClient(place.config, 'camera-1')
  context.after(() => client.close())
  // Everything is collected before it is refused: no command takes so much.
  const value = Buffer.alloc(MIB - 4096, 1)
  const flood = (calls: number): Promise<readonly CallResult[]> =>
    Promise.all(Array.from({ length: calls }, () => client.session.call('echo', { value })))
  const codesOf = (results: readonly CallResult[]): readonly string[] =>
    [...new Set(results.map((one) => (one.status === 'ok' ? 'ok' : one.code)))].toSorted()
  await flood(8)
  const ends = [node.pid, process.pid]
  const before = await Promise.all(ends.map(resetPeak))
  for (let round = 0; round < 8; round += 1) {
    const codes = codesOf(await flood(40))
    assert.ok(codes.includes('KOS_CATALOG_ARGUMENTS'), codes.join(' '))
    await sleep(1000)
  }
  node.pause()
  // Its kernel takes what fits a socket; the rest is refused here, not kept.
  const stalled = flood(500)
  await sleep(STALL_MS)
  node.resume()
  const codes = codesOf(await stalled)
  assert.ok(
    codes.includes('KOS_SESSION_BUSY') || codes.includes('KOS_SESSION_STREAMS'),
    codes.join(' '),
  )
  // This end keeps what its streams have not sent yet.
  await grewWithin(context, { pids: ends, before, most: [SLACK_BYTES, 64 * MIB + SLACK_BYTES] })
  assert.equal((await client.call()).status, 'ok')
})

/** A node that shares one large file. */
async function startShare(context: TestContext): Promise<{ place: Place; node: Daemon }> {
  const place = new Place(context)
  await place.startAuthority()
  const node = await place.join('camera-1')
  const file = join(place.stateOf('camera-1'), 'share', 'large.bin')
  writeFileSync(file, '')
  truncateSync(file, FILE_BYTES)
  return { place, node }
}

/** A `kosctl` whose standard output is read when the test says so. */
interface Reader {
  readonly pid: number
  readonly taken: number
  readonly err: string
  readonly ended: Promise<number | null>
  /** Reads so many bytes more, or to the end. */
  take(bytes: number): Promise<void>
}

function startReader(context: TestContext, place: Place): Reader {
  const args = ['exec', 'camera-1', 'files.fetch', 'share/large.bin', '--deadline', '5m']
  const child: ChildProcessByStdio<null, Readable, Readable> = spawn(programPath('kosctl'), args, {
    env: place.environment,
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  context.after(() => child.kill('SIGKILL'))
  const { promise: ended, resolve } = Promise.withResolvers<number | null>()
  child.once('exit', (code) => resolve(code))
  let err = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    err += text
  })
  let [taken, isOver] = [0, false]
  child.stdout.once('end', () => {
    isOver = true
  })
  return {
    pid: child.pid ?? 0,
    ended,
    get taken(): number {
      return taken
    },
    get err(): string {
      return err
    },
    take: async (bytes) => {
      const goal = taken + bytes
      while (taken < goal && !isOver) {
        const piece = child.stdout.read() as Buffer | null
        if (piece) taken += piece.length
        else await nextPiece(child.stdout)
      }
    },
  }
}

function nextPiece(stream: Readable): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>()
  const events = ['readable', 'end'] as const
  for (const event of events) stream.once(event, resolve)
  return promise.finally(() => {
    for (const event of events) stream.off(event, resolve)
  })
}

/** Begins to measure the peak anew. @returns bytes that are resident now */
async function resetPeak(pid: number): Promise<number> {
  await writeFile(`/proc/${pid}/clear_refs`, '5')
  return memoryOf(pid, 'VmRSS')
}

async function memoryOf(pid: number, name: 'VmRSS' | 'VmHWM'): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8')
  const kib = new RegExp(`^${name}:\\s+(\\d+) kB$`, 'm').exec(status)?.[1]
  assert.ok(kib !== undefined, status)
  return Number(kib) * 1024
}

async function grewWithin(
  context: TestContext,
  ends: {
    readonly pids: readonly number[]
    readonly before: readonly number[]
    readonly most: readonly number[]
  },
): Promise<void> {
  const { pids, before, most } = ends
  const peaks = await Promise.all(pids.map((pid) => memoryOf(pid, 'VmHWM')))
  const grown = peaks.map((peak, index) => peak - (before[index] ?? 0))
  context.diagnostic(grown.map((bytes) => `+${Math.round(bytes / MIB)} MiB`).join(', '))
  for (const [index, bytes] of grown.entries()) {
    assert.ok(bytes <= (most[index] ?? 0), `process ${index} grew by ${bytes} bytes`)
  }
}
