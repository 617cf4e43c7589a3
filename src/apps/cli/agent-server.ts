import { chmodSync, lstatSync, mkdirSync, rmSync } from 'node:fs'
import { connect, createServer, type Server, type Socket } from 'node:net'
import { once } from 'node:events'
import { dirname } from 'node:path'
import { isRefusal, KosError, type Refusal } from '../../foundation/base/index.ts'
import { placeRefusal } from './agent-place.ts'
import {
  type AgentAnswer,
  type AgentRequest,
  decodeRequest,
  encodeFrame,
  FrameReader,
  MAX_ANSWER_BYTES,
  MAX_REQUEST_BYTES,
} from './agent-protocol.ts'
import { cliErrors } from './errors.ts'
import type { HeldCalls } from './held-calls.ts'

const MAX_CONNECTIONS = 64
/** How long a client may take to say what it wants. */
const REQUEST_MS = 5000

/** How an agent behaves. */
export interface AgentOptions {
  /** Absolute path of its socket. */
  readonly socket: string
  /** Told of every request: puts off the end of an idle agent. */
  readonly onRequest: () => void
  /** Told that a client asked it to stop. */
  readonly onStop: () => void
}

/** An agent that listens. */
export interface RunningAgent {
  /** Requests that are being worked on. */
  readonly running: number
  close(): Promise<void>
}

/**
 * Serves the operator's calls on a Unix socket of mode 0600 in a folder of mode 0700.
 *
 * **Security:** whoever may open the socket acts as the operator on every peer: any process of this
 * user, and root. They can do so without an agent, too: the credential lies in the same user's
 * files. The agent gives nobody the key itself.
 *
 * @param calls - the sessions; they belong to the agent and end with it
 * @param options - see {@link AgentOptions}
 * @throws {@link KosError} KOS_CLI_AGENT_PLACE when the place is not safe; KOS_CLI_AGENT (rule
 * `running`) when another agent listens there
 */
export async function startAgent(calls: HeldCalls, options: AgentOptions): Promise<RunningAgent> {
  const { socket: path } = options
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 })
  const unsafe = placeRefusal(path)
  if (unsafe) throw cliErrors.error('KOS_CLI_AGENT_PLACE', { path, rule: unsafe.rule })
  return Agent.listen(calls, options)
}

class Agent implements RunningAgent {
  readonly #calls: HeldCalls
  readonly #options: AgentOptions
  readonly #sockets = new Set<Socket>()
  readonly #server: Server
  #running = 0
  #served = 0

  private constructor(calls: HeldCalls, options: AgentOptions) {
    this.#calls = calls
    this.#options = options
    this.#server = createServer({ allowHalfOpen: false }, (socket) => this.#accept(socket))
    this.#server.maxConnections = MAX_CONNECTIONS
  }

  static async listen(calls: HeldCalls, options: AgentOptions): Promise<Agent> {
    const agent = new Agent(calls, options)
    const { socket: path } = options
    if (lstatSync(path, { throwIfNoEntry: false })) await removeStale(path)
    agent.#server.listen(path)
    await once(agent.#server, 'listening')
    chmodSync(path, 0o600)
    return agent
  }

  get running(): number {
    return this.#running
  }

  async close(): Promise<void> {
    const closed = once(this.#server, 'close')
    this.#server.close()
    for (const socket of this.#sockets) socket.destroy()
    await closed
    await this.#calls.close()
  }

  #accept(socket: Socket): void {
    this.#sockets.add(socket)
    const abort = new AbortController()
    socket.on('error', () => socket.destroy())
    socket.once('close', () => {
      this.#sockets.delete(socket)
      abort.abort()
    })
    socket.setTimeout(REQUEST_MS, () => socket.destroy())
    const reader = new FrameReader(MAX_REQUEST_BYTES)
    let isAsked = false
    socket.on('data', (chunk: Buffer) => {
      // One connection, one request: more bytes are no request of ours.
      const payload = isAsked ? undefined : reader.take(chunk)
      if (!payload) return isAsked ? void socket.destroy() : undefined
      isAsked = true
      socket.setTimeout(0)
      const request = isRefusal(payload) ? payload : decodeRequest(payload)
      void this.#answer(socket, request, abort.signal)
    })
  }

  async #answer(
    socket: Socket,
    request: AgentRequest | Refusal,
    signal: AbortSignal,
  ): Promise<void> {
    if (isRefusal(request)) {
      const { code, rule } = request
      socket.end(encodeFrame({ answer: 'error', code, details: { rule } }))
      return
    }
    this.#options.onRequest()
    this.#running += 1
    try {
      const answer = await this.#serve(request, signal)
      socket.end(encodeBounded(answer), () => {
        if (answer.answer === 'stopping') this.#options.onStop()
      })
    } finally {
      this.#running -= 1
      this.#options.onRequest()
    }
  }

  async #serve(request: AgentRequest, signal: AbortSignal): Promise<AgentAnswer> {
    try {
      switch (request.ask) {
        case 'call': {
          const { ask: _, ...call } = request
          this.#served += 1
          return { answer: 'result', result: await this.#calls.call(call, signal) }
        }
        case 'status': {
          const held = this.#calls.describe()
          const status = { pid: process.pid, calls: this.#served, ...held }
          return { answer: 'status', status }
        }
        case 'stop':
          return { answer: 'stopping' }
      }
    } catch (error) {
      return errorAnswer(error)
    }
  }
}

function encodeBounded(answer: AgentAnswer): Uint8Array {
  try {
    const frame = encodeFrame(answer)
    if (frame.length <= MAX_ANSWER_BYTES) return frame
    return encodeFrame(errorAnswer(cliErrors.error('KOS_CLI_AGENT', { rule: 'answer/length' })))
  } catch (error) {
    return encodeFrame(errorAnswer(error))
  }
}

function errorAnswer(error: unknown): AgentAnswer {
  if (error instanceof KosError) {
    return { answer: 'error', code: String(error.code), details: error.details }
  }
  return { answer: 'error', code: 'KOS_CLI_AGENT', details: { rule: 'internal' } }
}

/** Removes what an agent that was killed left behind; one that listens stays. */
async function removeStale(path: string): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<boolean>()
  const socket = connect(path, () => resolve(true))
  socket.once('error', () => resolve(false))
  const isServed = await promise
  socket.destroy()
  if (isServed) throw cliErrors.error('KOS_CLI_AGENT', { rule: 'running', path })
  rmSync(path)
}
