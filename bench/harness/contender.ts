import type { BenchMember } from './fleet.ts'

/** What one end of a contender is started with. */
export interface EndSetup {
  readonly member: BenchMember
  /** A folder of its own, removed after the run. */
  readonly directory: string
}

/** The server process of a contender. */
export interface ServerEnd {
  readonly port: number
  /** User and system time so far of processes beside this one, in microseconds. */
  moreCpuUs?(): number
  close(): Promise<void> | void
}

/** The client process of a contender. */
export interface ClientEnd {
  /**
   * Does what is measured, once; rejects when the answer is wrong.
   *
   * @param sequence - rises with every operation
   */
  operate(sequence: number): Promise<void>
  close(): Promise<void> | void
}

/** A module of `contenders/`: both ends of one way to do the same thing. */
export interface Contender {
  startServer(setup: EndSetup): Promise<ServerEnd>
  startClient(setup: EndSetup, port: number): Promise<ClientEnd>
}

/** Payload of every call, in bytes. */
export const PAYLOAD_BYTES = 64

/** A payload that no other call has: its first four bytes are the sequence number. */
export function payloadOf(sequence: number): Buffer {
  const payload = Buffer.alloc(PAYLOAD_BYTES, 0x5a)
  payload.writeUInt32BE(sequence >>> 0, 0)
  return payload
}

/** Fails the run when an answer is not what was sent: fast and wrong does not count. */
export function requireEcho(sent: Uint8Array, answer: unknown): void {
  if (!(answer instanceof Uint8Array) || Buffer.compare(sent, answer) !== 0) {
    throw new Error('an answer differs from what was sent')
  }
}
