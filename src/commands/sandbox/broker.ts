import { type ChildProcess, spawn } from 'node:child_process'
import { Socket } from 'node:net'
import type { Writable } from 'node:stream'
import { BROKER_SCRIPT } from './broker-script.ts'
import type { ProcessIdentity } from './host.ts'
import { LAUNCHER_SCRIPT, textList } from './launcher.ts'

/** A sandbox that does not know yet what it is for. */
export interface BrokerSandbox {
  /** As whom; `undefined`: as the daemon's own user, which is not root. */
  readonly identity: ProcessIdentity | undefined
  /** bubblewrap and its options, up to the binds. */
  readonly before: readonly string[]
  /** Paths without symbolic link, bound read-only by descriptor. */
  readonly paths: readonly string[]
  readonly after: readonly string[]
}

/** What runs in a sandbox. */
export interface BrokerRun {
  /** What the launcher reads. @see launchRequest */
  readonly request: Uint8Array
  readonly input: Uint8Array
  readonly maxOutputBytes: number
  /**
   * Bytes of standard output that are read before their reader took them; `undefined`: any. The
   * program then waits at its pipe.
   */
  readonly windowBytes: number | undefined
  /** The bytes are a view that must be copied to be kept for long. */
  onOutput(stream: 'stdout' | 'stderr', bytes: Uint8Array): void
}

/** How a sandbox ended. */
export interface BrokerEnd {
  /** Whether the launcher read what to run; if not, nothing of it was begun. */
  readonly isBegun: boolean
  /** Why nothing was started; empty when it was. */
  readonly failure: string
  /**
   * What wait(2) told of the program; `undefined` when the launcher ended before the program did, or
   * never came so far.
   */
  readonly waitStatus: number | undefined
  /** Exit code that bubblewrap told of the launcher; `undefined` when it started none. */
  readonly launcherCode: number | undefined
  /** Whether bubblewrap itself was killed, by whomever. */
  readonly isBubblewrapKilled: boolean
  readonly isOutputFull: boolean
  /** Whether the broker killed it, for its output or because it was told to. */
  readonly isKilled: boolean
}

/** One sandbox, for one run. */
export interface SandboxHandle {
  /** Runs the program; once. */
  run(run: BrokerRun): void
  /** Lets as many more bytes of standard output come. */
  taken(bytes: number): void
  /** Ends it with all its processes; its end is told as any other. */
  kill(): void
}

type OnEnd = (end: BrokerEnd | undefined) => void

interface Sandbox {
  run: BrokerRun | undefined
  readonly onEnd: OnEnd
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
  readonly #sandboxes = new Map<number, Sandbox>()
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

  /** Whether it can make another sandbox. */
  get isAlive(): boolean {
    return !this.#isLost
  }

  get #isRunning(): boolean {
    return this.#sandboxes.values().some(({ run }) => run !== undefined)
  }

  /** Process id, for tests; `undefined` when it did not start. */
  get pid(): number | undefined {
    return this.#child.pid
  }

  /**
   * Makes a sandbox.
   *
   * @param sandbox - what it shows
   * @param onEnd - called once; `undefined`: the broker is gone, and with it everything it had started
   */
  make(sandbox: BrokerSandbox, onEnd: OnEnd): SandboxHandle {
    const id = this.#nextId++
    this.#sandboxes.set(id, { run: undefined, onEnd })
    const { identity, before, paths, after } = sandbox
    const user = [identity?.userId ?? '', identity?.groupId ?? ''].map(String)
    const launcher = [BROKER_PROGRAM, '-e', LAUNCHER_SCRIPT]
    this.#send(id, 'S', textList([...user, ...[before, paths, after, launcher].map(textList)]))
    return {
      run: (run) => this.#run(id, run),
      taken: (bytes) => this.#send(id, 'C', uint32(bytes)),
      kill: () => this.#send(id, 'K', Buffer.alloc(0)),
    }
  }

  /** Kills every sandbox and ends the broker. */
  close(): Promise<void> {
    this.#child.ref()
    this.#requests.end()
    return this.#ended
  }

  #run(id: number, run: BrokerRun): void {
    const sandbox = this.#sandboxes.get(id)
    if (!sandbox) return
    sandbox.run = run
    keepAlive(this.#child.stdout, true)
    const { request, input, maxOutputBytes, windowBytes } = run
    const bounds = [String(maxOutputBytes), String(windowBytes ?? '')]
    this.#send(id, 'G', textList([...bounds, Buffer.concat([request, input])]))
  }

  #send(id: number, type: 'S' | 'G' | 'C' | 'K', body: Uint8Array): void {
    if (!this.#sandboxes.has(id)) return
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
    const sandbox = this.#sandboxes.get(id)
    const body = frame.subarray(HEAD_BYTES)
    switch (frame.toString('latin1', 4, HEAD_BYTES)) {
      case '1':
        return sandbox?.run?.onOutput('stdout', body)
      case '2':
        return sandbox?.run?.onOutput('stderr', body)
      case 'E':
        this.#sandboxes.delete(id)
        // A sandbox that waits for a program keeps nobody alive.
        if (!this.#isRunning) keepAlive(this.#child.stdout, false)
        return sandbox?.onEnd(endOf(body))
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
    const lost = [...this.#sandboxes.values()]
    this.#sandboxes.clear()
    for (const { onEnd } of lost) onEnd(undefined)
  }
}

function endOf(body: Buffer): BrokerEnd {
  const texts: string[] = []
  for (let at = 0; at + 4 <= body.length;) {
    const length = body.readUInt32BE(at)
    texts.push(body.toString('utf8', at + 4, at + 4 + length))
    at += 4 + length
  }
  const [failure = '', bubblewrap = '', status = '', output = '', killed = '', said = ''] = texts
  const exitCode = /"exit-code": *(\d{1,3})\b/.exec(status)?.[1]
  const waitStatus = /^BE(\d{1,5})$/.exec(said)?.[1]
  return {
    isBegun: said.startsWith('B'),
    failure: said.startsWith('BF') ? said.slice(2) : failure,
    waitStatus: waitStatus === undefined ? undefined : Number(waitStatus),
    launcherCode: exitCode === undefined ? undefined : Number(exitCode),
    isBubblewrapKilled: bubblewrap !== '',
    isOutputFull: output !== '',
    isKilled: killed !== '',
  }
}

function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(value)
  return bytes
}

/** Pipes are sockets, which can be told whether they keep the process alive. */
function keepAlive(stream: unknown, isKept: boolean): void {
  if (!(stream instanceof Socket)) return
  if (isKept) stream.ref()
  else stream.unref()
}
