/** Two genuine members with small limits, one of which replaces its connection again and again. */
import { createHash } from 'node:crypto'
import type { CallRequest } from '../../src/foundation/pipeline/index.ts'
import type { OpenSession } from '../../src/apps/node/index.ts'
import type { CallOutcome } from '../../src/commands/execution/index.ts'
import type { SessionLimits } from '../../src/network/session/index.ts'
import { startFabric, type TestFabric } from './fabric.ts'
import { type Rogue, startRogue } from './rogue.ts'
import { startTcpProxy, type TcpProxy } from './tcp-proxy.ts'
import type { TestContext } from 'node:test'

/** Bytes of one piece of a test stream. */
const PIECE_BYTES = 64 * 1024

/** A server and a client behind a relay. */
export interface Recycled {
  readonly fabric: TestFabric
  readonly server: Rogue
  readonly client: Rogue
  readonly proxy: TcpProxy
  /** How often each call id was executed. */
  readonly executed: ReadonlyMap<string, number>
  /** Calls that wait for their answer, in the order they came. */
  readonly waiting: ((outcome: CallOutcome) => void)[]
  dial(): Promise<OpenSession>
  /** The sessions of the client with the server. */
  ofClient(): readonly OpenSession[]
  /** The sessions of the server with the client. */
  ofServer(): readonly OpenSession[]
}

/** How the two differ from ordinary members. */
export interface RecycledOptions {
  readonly limits?: Partial<SessionLimits>
  readonly serverLimits?: Partial<SessionLimits>
  readonly clientResumes?: boolean
}

/** Starts both; they answer `echo`, `wait`, and `flood` with as many bytes as are asked for. */
export async function startRecycled(
  context: TestContext,
  options: RecycledOptions = {},
): Promise<Recycled> {
  const fabric = await startFabric(context)
  const executed = new Map<string, number>()
  const waiting: ((outcome: CallOutcome) => void)[] = []
  const onCall = (call: CallRequest): CallOutcome | Promise<CallOutcome> => {
    executed.set(call.callId, (executed.get(call.callId) ?? 0) + 1)
    if (call.command === 'flood') return flood(call)
    if (call.command !== 'wait') return { status: 'ok', value: {} }
    const { promise, resolve } = Promise.withResolvers<CallOutcome>()
    waiting.push(resolve)
    return promise
  }
  const { limits = {}, serverLimits = limits, clientResumes = true } = options
  const started = { resumes: true, onCall }
  const server = await startRogue(context, fabric, {
    ...started,
    name: 'server',
    limits: serverLimits,
  })
  const client = await startRogue(context, fabric, {
    ...started,
    name: 'client',
    limits,
    resumes: clientResumes,
  })
  const { host, port } = server.address
  const proxy = await startTcpProxy(context, {
    host,
    to: { host, port },
    holdAfterBytes: Infinity,
  })
  return {
    fabric,
    server,
    client,
    proxy,
    executed,
    waiting,
    dial: async () => {
      const open = await client.runtime.dial({ host, port: proxy.port }, uriOf(server))
      if ('allow' in open) throw new Error(`refused: ${open.code} ${open.rule}`)
      return open
    },
    ofClient: () => sessionsWith(client, server),
    ofServer: () => sessionsWith(server, client),
  }
}

/** What a stream brought. */
export interface Streamed {
  readonly status: string
  readonly code: string | undefined
  readonly bytes: number
  readonly sha256: string
}

/**
 * Asks for a stream of test bytes and hashes what comes.
 *
 * @param onBytes - told how many have come, after each piece
 */
export async function stream(
  open: OpenSession,
  bytes: number,
  onBytes?: (arrived: number) => void,
): Promise<Streamed> {
  const hash = createHash('sha256')
  let arrived = 0
  const result = await open.session.call(
    'flood',
    { bytes },
    {
      deadlineMs: 60_000,
      onData: (piece) => {
        hash.update(piece)
        arrived += piece.length
        onBytes?.(arrived)
      },
    },
  )
  const { status } = result
  const code = result.status === 'ok' ? undefined : result.code
  return { status, code, bytes: arrived, sha256: hash.digest('hex') }
}

/** The hash that a whole stream has. */
export function streamHash(bytes: number): string {
  const hash = createHash('sha256')
  for (let at = 0; at < bytes; at += PIECE_BYTES) hash.update(pieceAt(at, bytes))
  return hash.digest('hex')
}

export function uriOf({ member }: Rogue): string {
  return member.membership.principal.uri
}

async function flood(call: CallRequest): Promise<CallOutcome> {
  const { bytes } = call.arguments as { readonly bytes: number }
  for (let at = 0; at < bytes; at += PIECE_BYTES) {
    if (!(await call.emit?.(pieceAt(at, bytes)))) return { status: 'failed', code: 'KOS_STOPPED' }
  }
  return { status: 'ok', value: {} }
}

/** No two pieces are alike: one that is lost, repeated or moved changes the hash. */
function pieceAt(at: number, bytes: number): Buffer {
  const piece = Buffer.alloc(Math.min(PIECE_BYTES, bytes - at), at / PIECE_BYTES)
  if (piece.length >= 8) piece.writeDoubleBE(at)
  return piece
}

function sessionsWith(one: Rogue, other: Rogue): readonly OpenSession[] {
  return [...one.runtime.sessions].filter(
    ({ authenticated }) => authenticated.peer.principal.uri === uriOf(other),
  )
}
