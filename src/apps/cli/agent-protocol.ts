import { isRefusal, refuse, type Refusal } from '../../foundation/base/index.ts'
import {
  type CborInput,
  cborToPlain,
  codecErrors,
  decodeCbor,
  encodeCbor,
} from '../../foundation/codec/index.ts'
import type { CallResult } from '../../network/session/index.ts'
import type { PeerCall } from './peer-calls.ts'

/** Largest request in bytes; arguments on a command line are smaller. */
export const MAX_REQUEST_BYTES: number = 256 * 1024
/** Largest answer in bytes: the largest result of a command, and what stands around it. */
export const MAX_ANSWER_BYTES: number = 2 * 1024 * 1024
/** Longest deadline of a call in milliseconds. @see protocol: Limits */
export const MAX_DEADLINE_MS = 300_000
const LENGTH_BYTES = 4
const MAX_NAME_CHARACTERS = 255

/** What a client asks of the agent. */
export type AgentRequest =
  | ({ readonly ask: 'call' } & PeerCall)
  | { readonly ask: 'status' }
  | { readonly ask: 'stop' }

/** What the agent says of itself. */
export interface AgentStatus {
  readonly pid: number
  readonly principal: string
  /** Peers with an open session. */
  readonly peers: readonly string[]
  readonly calls: number
}

/** What the agent answers. */
export type AgentAnswer =
  | { readonly answer: 'result'; readonly result: CallResult }
  | { readonly answer: 'status'; readonly status: AgentStatus }
  | { readonly answer: 'stopping' }
  | {
      readonly answer: 'error'
      readonly code: string
      readonly details: Readonly<Record<string, string | number | boolean>>
    }

/** A message with its length in front: four bytes, the most significant first. */
export function encodeFrame(message: AgentRequest | AgentAnswer): Uint8Array {
  const payload = encodeCbor(message as unknown as CborInput)
  const frame = Buffer.allocUnsafe(LENGTH_BYTES + payload.length)
  frame.writeUInt32BE(payload.length)
  frame.set(payload, LENGTH_BYTES)
  return frame
}

/** Collects the one frame that each direction of a connection carries. */
export class FrameReader {
  readonly #maxBytes: number
  #received: Buffer = Buffer.alloc(0)

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes
  }

  /**
   * Takes bytes of the socket.
   *
   * @returns the payload once it is whole; KOS_CLI_AGENT when it is too large, or followed by more
   */
  take(chunk: Uint8Array): Uint8Array | Refusal | undefined {
    // The length is judged before anything is kept: at most one frame and one chunk are held.
    this.#received = Buffer.concat([this.#received, chunk])
    if (this.#received.length < LENGTH_BYTES) return undefined
    const length = this.#received.readUInt32BE()
    if (length > this.#maxBytes) return refuse('KOS_CLI_AGENT', 'frame/length')
    const missing = LENGTH_BYTES + length - this.#received.length
    if (missing < 0) return refuse('KOS_CLI_AGENT', 'frame/more')
    return missing === 0 ? this.#received.subarray(LENGTH_BYTES) : undefined
  }
}

/** Decodes a request strictly: known fields, each of its type and within its bounds, nothing else. */
export function decodeRequest(payload: Uint8Array): AgentRequest | Refusal {
  const fields = decodeFields(payload, MAX_REQUEST_BYTES)
  if (isRefusal(fields)) return fields
  const { ask } = fields
  if ((ask === 'status' || ask === 'stop') && hasOnly(fields, ['ask'])) return { ask }
  if (ask !== 'call' || !hasOnly(fields, ['ask', 'peer', 'command', 'arguments', 'deadlineMs'])) {
    return refuse('KOS_CLI_AGENT', 'request/fields')
  }
  const { peer, command, deadlineMs } = fields
  if (!isName(peer) || !isName(command)) return refuse('KOS_CLI_AGENT', 'request/name')
  if (!isDeadline(deadlineMs)) return refuse('KOS_CLI_AGENT', 'request/deadline')
  const args = fields['arguments']
  if (!isObject(args)) return refuse('KOS_CLI_AGENT', 'request/arguments')
  return { ask, peer, command, deadlineMs, arguments: args as CborInput }
}

/** Decodes an answer; the agent is this user's own, so its results are passed on as they are. */
export function decodeAnswer(payload: Uint8Array): AgentAnswer | Refusal {
  const fields = decodeFields(payload, MAX_ANSWER_BYTES)
  if (isRefusal(fields)) return fields
  const { answer, result, status, code, details } = fields
  const isWhole =
    (answer === 'result' && isObject(result) && typeof result['status'] === 'string') ||
    (answer === 'status' && isObject(status)) ||
    answer === 'stopping' ||
    (answer === 'error' && typeof code === 'string' && isObject(details))
  return isWhole ? (fields as unknown as AgentAnswer) : refuse('KOS_CLI_AGENT', 'answer/fields')
}

function decodeFields(payload: Uint8Array, maxBytes: number): Record<string, unknown> | Refusal {
  try {
    const value = cborToPlain(decodeCbor(payload, { maxBytes }))
    return isObject(value) ? value : refuse('KOS_CLI_AGENT', 'message/kind')
  } catch (error) {
    if (!codecErrors.has(error)) throw error
    return refuse('KOS_CLI_AGENT', 'message/encoding')
  }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return (
    typeof value === 'object' &&
    value !== null &&
    !Array.isArray(value) &&
    !(value instanceof Uint8Array)
  )
}

function hasOnly(fields: object, names: readonly string[]): boolean {
  const given = Object.keys(fields)
  return given.length === names.length && given.every((name) => names.includes(name))
}

function isName(value: unknown): value is string {
  return typeof value === 'string' && value.length > 0 && value.length <= MAX_NAME_CHARACTERS
}

function isDeadline(value: unknown): value is number {
  return (
    typeof value === 'number' && Number.isInteger(value) && value > 0 && value <= MAX_DEADLINE_MS
  )
}
