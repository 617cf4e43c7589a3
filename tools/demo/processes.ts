import { type ChildProcess, spawn } from 'node:child_process'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const READY_TIMEOUT_MS = 30_000

/** What a command printed, and how it ended. */
export interface Finished {
  readonly code: number
  readonly out: string
  readonly err: string
}

/** A daemon that said it is ready. */
export interface Daemon {
  readonly name: string
  /** What it printed up to the awaited line. */
  readonly out: string
  readonly readyMs: number
  stop(): Promise<void>
}

/** The folders of the demo, as the environment of every program it starts. */
export interface Place {
  readonly folder: string
}

function environment(place: Place): NodeJS.ProcessEnv {
  return {
    ...process.env,
    KOS_STATE: join(place.folder, 'state'),
    KOS_CONFIG: join(place.folder, 'config'),
  }
}

/** The path of one of the two programs. */
export function program(name: 'kosd' | 'kosctl'): string {
  return join(ROOT, 'bin', name)
}

/** Runs `kosctl` to its end. */
export async function kosctl(place: Place, args: readonly string[], input = ''): Promise<Finished> {
  const child = spawn(program('kosctl'), args, { env: environment(place) })
  const printed = collect(child)
  child.stdin.on('error', () => undefined)
  child.stdin.end(input)
  const { promise, resolve, reject } = Promise.withResolvers<number>()
  child.once('error', reject)
  child.once('close', (code) => resolve(code ?? 1))
  const code = await promise
  return { code, out: printed.out(), err: printed.err() }
}

/**
 * Starts `kosd` and waits until it prints a line.
 *
 * @param place - folders of the demo
 * @param start - name for messages, arguments, standard input, text that shows it is ready
 */
export async function startDaemon(
  place: Place,
  start: {
    readonly name: string
    readonly args: readonly string[]
    readonly input: string
    readonly readyText: string
  },
): Promise<Daemon> {
  const startedMs = performance.now()
  // A process group of its own: an interrupt of the terminal reaches the demo, which stops all.
  const child = spawn(program('kosd'), start.args, { env: environment(place), detached: true })
  const printed = collect(child)
  child.stdin.on('error', () => undefined)
  child.stdin.end(start.input)
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  const fail = (): void => reject(new Error(`${start.name} did not start:\n${printed.err()}`))
  const timer = setTimeout(fail, READY_TIMEOUT_MS)
  child.once('error', fail)
  child.once('close', fail)
  child.stdout.on('data', () => {
    if (printed.out().includes(start.readyText)) resolve()
  })
  try {
    await promise
  } catch (error) {
    child.kill('SIGKILL')
    throw error
  } finally {
    clearTimeout(timer)
  }
  const readyMs = performance.now() - startedMs
  return { name: start.name, out: printed.out(), readyMs, stop: () => stop(child) }
}

function collect(child: ChildProcess): { out(): string; err(): string } {
  const out: string[] = []
  const err: string[] = []
  child.stdout?.setEncoding('utf8').on('data', (text: string) => out.push(text))
  child.stderr?.setEncoding('utf8').on('data', (text: string) => err.push(text))
  return { out: () => out.join(''), err: () => err.join('') }
}

function stop(child: ChildProcess): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>()
  if (child.exitCode !== null || child.signalCode !== null) return Promise.resolve()
  const force = setTimeout(() => child.kill('SIGKILL'), 10_000)
  child.once('close', () => {
    clearTimeout(force)
    resolve()
  })
  child.kill('SIGTERM')
  return promise
}
