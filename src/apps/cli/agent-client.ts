import { lstatSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { isRefusal } from '../../foundation/base/index.ts'
import type { CallResult } from '../../network/session/index.ts'
import { agentSocket, placeRefusal } from './agent-place.ts'
import {
  type AgentAnswer,
  type AgentRequest,
  decodeAnswer,
  encodeFrame,
  FrameReader,
  MAX_ANSWER_BYTES,
} from './agent-protocol.ts'
import type { CliContext, CliWorld } from './context.ts'
import { cliErrors } from './errors.ts'
import { paint } from './output.ts'
import type { PeerCalls } from './peer-calls.ts'

/** What an agent that is asked for nothing long has to answer in. */
const ANSWER_MS = 10_000

/**
 * The agent of this credential, if one runs. A socket that is not there, or that nobody listens on, is
 * no agent. One that somebody else could have put there is not asked, and that is said.
 */
export async function openAgent(context: CliContext): Promise<PeerCalls | undefined> {
  const path = agentSocket(context.environment)
  if (path === undefined || !lstatSync(path, { throwIfNoEntry: false })) return undefined
  const unsafe = placeRefusal(path)
  if (unsafe) {
    const { terminal } = context
    const why = `the agent at ${path} is not used: its place is not safe (${unsafe.rule})`
    terminal.err(`${paint(terminal, 'yellow', 'warning')}  ${why}`)
    return undefined
  }
  let first = await connectTo(path)
  if (!first) return undefined
  return {
    call: async (call, signal) => {
      // One connection carries one call.
      const socket = first ?? (await connectTo(path))
      first = undefined
      if (!socket) throw cliErrors.error('KOS_CLI_AGENT', { rule: 'connection' })
      return callThrough(socket, { ask: 'call', ...call }, signal)
    },
  }
}

async function callThrough(
  socket: Socket,
  request: Extract<AgentRequest, { ask: 'call' }>,
  signal: AbortSignal | undefined,
): Promise<CallResult> {
  // The agent cancels the call when its client goes away.
  const cancel = (): void => void socket.destroy()
  signal?.addEventListener('abort', cancel, { once: true })
  try {
    const answer = await converse(socket, request, request.deadlineMs + ANSWER_MS)
    if (answer.answer === 'result') return inOrder(answer.result)
    throw asError(answer)
  } finally {
    signal?.removeEventListener('abort', cancel)
  }
}

/** The fields in the order of a call without an agent: the encoding has an order of its own. */
function inOrder(result: CallResult): CallResult {
  if (result.status === 'ok') return { status: 'ok', value: result.value, origin: 'peer' }
  const { status, code, rule, remedy, retryAfterMs, origin } = result
  return {
    status,
    code,
    ...(rule !== undefined && { rule }),
    ...(remedy !== undefined && { remedy }),
    ...(retryAfterMs !== undefined && { retryAfterMs }),
    origin,
  }
}

/** An error of the agent as the command would have met it itself. */
function asError(answer: AgentAnswer): Error {
  if (answer.answer !== 'error') return cliErrors.error('KOS_CLI_AGENT', { rule: answer.answer })
  const { code, details } = answer
  return Object.hasOwn(cliErrors.rows, code)
    ? cliErrors.error(code as keyof typeof cliErrors.rows, details)
    : cliErrors.error('KOS_CLI_AGENT', { code, ...details })
}

/**
 * Asks the agent of this credential about itself, or to stop.
 *
 * @returns its answer; `undefined` when none runs
 * @throws {@link KosError} KOS_CLI_AGENT_PLACE, KOS_CLI_AGENT
 */
export async function askAgent(
  world: CliWorld,
  ask: 'status' | 'stop',
): Promise<AgentAnswer | undefined> {
  const path = agentSocket(world.environment)
  if (path === undefined || !lstatSync(path, { throwIfNoEntry: false })) return undefined
  const unsafe = placeRefusal(path)
  if (unsafe) throw cliErrors.error('KOS_CLI_AGENT_PLACE', { path, rule: unsafe.rule })
  const socket = await connectTo(path)
  return socket && converse(socket, { ask }, ANSWER_MS)
}

/** `undefined` where nobody listens: a socket that an agent left behind when it was killed. */
async function connectTo(path: string): Promise<Socket | undefined> {
  const { promise, resolve } = Promise.withResolvers<Socket | undefined>()
  const socket = connect(path, () => resolve(socket))
  socket.once('error', () => resolve(undefined))
  return promise
}

/** One request and its answer; the connection ends with it. */
async function converse(
  socket: Socket,
  request: AgentRequest,
  timeoutMs: number,
): Promise<AgentAnswer> {
  const { promise, resolve, reject } = Promise.withResolvers<AgentAnswer>()
  const reader = new FrameReader(MAX_ANSWER_BYTES)
  const fail = (rule: string): void => reject(cliErrors.error('KOS_CLI_AGENT', { rule }))
  socket.on('data', (chunk: Buffer) => {
    const payload = reader.take(chunk)
    if (!payload) return
    const answer = isRefusal(payload) ? payload : decodeAnswer(payload)
    if (isRefusal(answer)) fail(answer.rule)
    else resolve(answer)
  })
  // What was asked may have been done: it is not asked again by another way.
  socket.once('close', () => fail('connection'))
  socket.once('error', () => fail('connection'))
  socket.setTimeout(timeoutMs, () => fail('silent'))
  socket.write(encodeFrame(request))
  try {
    return await promise
  } finally {
    socket.destroy()
  }
}
