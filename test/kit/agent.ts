/** An agent of `kosctl` in this process, and a way to send it anything. */
import assert from 'node:assert/strict'
import { connect } from 'node:net'
import { join } from 'node:path'
import {
  captureTerminal,
  type Ending,
  eventually,
  type KosctlChanges,
  type TestFabric,
} from './fabric.ts'

/** A running agent. */
export interface TestAgent {
  readonly socket: string
  readonly ended: Promise<number>
  /** Ends it as SIGTERM does; its exit code. */
  stop(): Promise<number>
}

/** Starts the agent of a fabric's operator and waits until it listens; it ends with the test. */
export async function startTestAgent(
  context: Ending,
  fabric: TestFabric,
  changes: Omit<KosctlChanges, 'terminal' | 'signal'> & { readonly args?: readonly string[] } = {},
): Promise<TestAgent> {
  const abort = new AbortController()
  const terminal = captureTerminal()
  const { args = [], ...others } = changes
  const ended = fabric
    .kosctl(['agent', ...args], { ...others, terminal, signal: abort.signal })
    .then(({ code }) => code)
  await eventually(
    () => /^pid /m.test(terminal.printed.out) || terminal.printed.err !== '',
    'the agent listens',
  )
  assert.equal(terminal.printed.err, '')
  const stop = (): Promise<number> => {
    abort.abort()
    return ended
  }
  context.after(async () => void (await stop()))
  return {
    socket: join(fabric.operator, 'agent', 'socket'),
    ended,
    stop,
  }
}

/** Sends bytes to a Unix socket; what came back until it was closed. */
export function sendRaw(path: string, bytes: Uint8Array): Promise<Buffer> {
  const { promise, resolve } = Promise.withResolvers<Buffer>()
  const chunks: Buffer[] = []
  const socket = connect(path, () => socket.write(bytes))
  socket.on('data', (chunk: Buffer) => chunks.push(chunk))
  socket.on('error', () => undefined)
  socket.once('close', () => resolve(Buffer.concat(chunks)))
  return promise
}
