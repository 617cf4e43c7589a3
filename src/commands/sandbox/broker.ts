import { type ChildProcess, spawn } from 'node:child_process'
import { Socket } from 'node:net'
import type { Writable } from 'node:stream'
import { BROKER_SCRIPT } from './broker-script.ts'
import type { ProcessIdentity } from './host.ts'

/** One start of bubblewrap. */
export interface BrokerRun {
  /** As whom; `undefined`: as the daemon's own user, which is not root. */
  readonly identity: ProcessIdentity | undefined
  /** bubblewrap and its options, up to the binds. */
  readonly before: readonly string[]
  /** Paths without symbolic link, bound read-only by descriptor. */
  readonly paths: readonly string[]
  readonly after: readonly string[]
  readonly input: Uint8Array
  readonly maxOutputBytes: number
}

/** How a start of bubblewrap ended. */
export interface BrokerEnd {
  /** Why nothing was started; empty when it was. */
  readonly failure: string
  /** Exit code that bubblewrap told; `undefined` when the command inside did not start or end. */
  readonly exitCode: number | undefined
  /** Whether bubblewrap itself was killed, by whomever. */
  readonly isBubblewrapKilled: boolean
  readonly isOutputFull: boolean
  /** Whether the broker killed it, for its output or because it was told to. */
  readonly isKilled: boolean
}

/** What is told of one run. */
export interface BrokerEvents {
  /** The bytes are a view that must be copied to be kept for long. */
  onOutput(stream: 'stdout' | 'stderr', bytes: Uint8Array): void
  /** Once; `undefined`: the broker is gone, and with it everything it had started. */
  onEnd(end: BrokerEnd | undefined): void
}

/** Perl by its place, never by a search path. */
export const BROKER_PROGRAM = '/usr/bin/perl'
/** A frame of the broker holds at most one read from a pipe. */
const MAX_FRAME_BYTES = 128 * 1024
const HEAD_BYTES = 5

/** The daemon's end of the broker process. @see BROKER_SCRIPT */
export class Broker {
  readonly #child: ChildProcess
  readonly #requests: Writable
  readonly #runs = new Map<number, BrokerEvents>()
  readonly #ended: Promise<void>
  #nextId = 1
  #rest: Uint8Array = new Uint8Array()
  #isLost = false

  constructor() {
    const child = spawn(BROKER_PROGRAM, ['-e', BROKER_SCRIPT], {
      cwd: '/',
      env: {},
      stdio: ['pipe', 'pipe', 'ignore'],
    })
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#child = child
    this.#requests = child.stdin
    this.#ended = promise
    child.stdin.on('error', () => this.#lose())
    child.stdout.on('data', (chunk: Buffer) => this.#take(chunk))
    child.once('error', () => {
      this.#lose()
      resolve()
    })
    child.once('close', () => {
      this.#lose()
      resolve()
    })
    // An idle broker keeps nobody alive; it ends with its daemon.
    child.unref()
    keepAlive(child.stdin, false)
    keepAlive(child.stdout, false)
  }

  /** Whether it can start another run. */
  get isAlive(): boolean {
    return !this.#isLost
  }

  /** Process id, for tests; `undefined` when it did not start. */
  get pid(): number | undefined {
    return this.#child.pid
  }

  /** Starts a run; `kill` ends it with all its processes, and its end is told as any other. */
  start(run: BrokerRun, events: BrokerEvents): { kill(): void } {
    const id = this.#nextId++
    keepAlive(this.#child.stdout, true)
    this.#runs.set(id, events)
    const { identity } = run
    const facts = [identity?.userId ?? '', identity?.groupId ?? '', run.maxOutputBytes].map(String)
    const lists = [run.before, run.paths, run.after].map((texts) => list(texts.map(bytesOf)))
    this.#send(id, 'S', list([...facts.map(bytesOf), run.input, ...lists]))
    return {
      kill: () => {
        if (this.#runs.has(id)) this.#send(id, 'K', Buffer.alloc(0))
      },
    }
  }

  /** Kills every run and ends the broker. */
  close(): Promise<void> {
    this.#child.ref()
    this.#requests.end()
    return this.#ended
  }

  #send(id: number, type: 'S' | 'K', body: Uint8Array): void {
    const head = Buffer.alloc(4 + HEAD_BYTES)
    head.writeUInt32BE(HEAD_BYTES + body.length, 0)
    head.writeUInt32BE(id, 4)
    head.write(type, 8, 'latin1')
    this.#requests.write(Buffer.concat([head, body]))
  }

  #take(chunk: Buffer): void {
    const bytes = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk])
    let at = 0
    while (bytes.length - at >= 4) {
      const length = bytes.readUInt32BE(at)
      if (length < HEAD_BYTES || length > MAX_FRAME_BYTES) return this.#abandon()
      if (bytes.length - at - 4 < length) break
      this.#told(bytes.subarray(at + 4, at + 4 + length))
      at += 4 + length
    }
    this.#rest = bytes.subarray(at)
  }

  #told(frame: Buffer): void {
    const id = frame.readUInt32BE(0)
    const events = this.#runs.get(id)
    const body = frame.subarray(HEAD_BYTES)
    switch (frame.toString('latin1', 4, HEAD_BYTES)) {
      case '1':
        return events?.onOutput('stdout', body)
      case '2':
        return events?.onOutput('stderr', body)
      case 'E':
        this.#runs.delete(id)
        if (this.#runs.size === 0) keepAlive(this.#child.stdout, false)
        return events?.onEnd(endOf(body))
      default:
        return this.#abandon()
    }
  }

  /** What does not speak as the broker does is none. */
  #abandon(): void {
    this.#child.kill('SIGKILL')
    this.#lose()
  }

  #lose(): void {
    this.#isLost = true
    const running = [...this.#runs.values()]
    this.#runs.clear()
    for (const events of running) events.onEnd(undefined)
  }
}

function endOf(body: Buffer): BrokerEnd {
  const texts: string[] = []
  for (let at = 0; at + 4 <= body.length;) {
    const length = body.readUInt32BE(at)
    texts.push(body.toString('utf8', at + 4, at + 4 + length))
    at += 4 + length
  }
  const [failure = '', waitStatus = '', status = '', output = '', killed = ''] = texts
  const exitCode = /"exit-code": *(\d{1,3})\b/.exec(status)?.[1]
  return {
    failure,
    exitCode: exitCode === undefined ? undefined : Number(exitCode),
    // The low seven bits of a wait status are the signal. @see wait(2)
    isBubblewrapKilled: (Number(waitStatus) & 0x7f) !== 0,
    isOutputFull: output !== '',
    isKilled: killed !== '',
  }
}

/** Texts with their length before them: Perl's `(N/a*)*`. */
function list(items: readonly Uint8Array[]): Buffer {
  return Buffer.concat(
    items.flatMap((item) => {
      const length = Buffer.alloc(4)
      length.writeUInt32BE(item.length)
      return [length, item]
    }),
  )
}

function bytesOf(text: string): Uint8Array {
  return Buffer.from(text, 'utf8')
}

/** Pipes are sockets, which can be told whether they keep the process alive. */
function keepAlive(stream: unknown, isKept: boolean): void {
  if (!(stream instanceof Socket)) return
  if (isKept) stream.ref()
  else stream.unref()
}
