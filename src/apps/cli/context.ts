import { existsSync, readFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'
import {
  type Clock,
  type Random,
  type Secret,
  systemClock,
  systemRandom,
} from '../../foundation/base/index.ts'
import type { PassphraseSource } from '../node/index.ts'
import type { Terminal } from './output.ts'
import { createPassphraseSource } from './passphrase.ts'
import { promptPassphrase, promptYes } from './passphrase-prompt.ts'
import type { PeerCalls } from './peer-calls.ts'
import type { Program } from './program.ts'

/** Environment of a command, read once by the entry. */
export interface CliEnvironment {
  readonly home: string
  readonly config: string | undefined
  readonly state: string | undefined
  readonly isRoot: boolean
  readonly user: string
  /** File with the passphrase of the keys; absent: a person is asked. */
  readonly passphraseFile?: string | undefined
  /** Where the agent listens instead of below the configuration folder; empty: no agent is asked. */
  readonly agent?: string | undefined
  /** Editor of the user, with its arguments. */
  readonly editor?: string | undefined
  /** Folder in memory that belongs to the user alone. */
  readonly runtime?: string | undefined
}

/** The world that a program runs in; handed in so that tests have one of their own. */
export interface CliWorld {
  readonly clock: Clock
  readonly random: Random
  readonly environment: CliEnvironment
  /** Where passphrases of key stores come from; absent: only stores with a key file open. */
  readonly passphrases?: PassphraseSource
  /** Asks a person for what must not be seen; absent, or `undefined`: nobody is there. */
  prompt?(question: string): Secret | undefined
  /** Asks a person whether it shall be; absent, or `undefined`: nobody is there. */
  confirm?(question: string): boolean | undefined
  /** Reads standard input to its end. */
  readInput(): string
  /** Standard input and output as streams, for what reads line by line. */
  openStreams?(): CliStreams
  /** Ends what runs until it is interrupted, as SIGTERM does; absent: only signals do. */
  readonly signal?: AbortSignal
}

/** What a shell reads lines from and writes its prompt to. */
export interface CliStreams {
  readonly input: NodeJS.ReadableStream
  readonly output: NodeJS.WritableStream
  /** Whether somebody types there. */
  readonly isTerminal: boolean
}

/** What every command gets. */
export interface CliContext extends CliWorld {
  readonly terminal: Terminal
  /** The program that the command is part of. */
  readonly program: Program
  /** Sessions that stay open between commands, in a shell. */
  readonly calls?: PeerCalls
}

/** The world of this process. */
export function processWorld(): CliWorld {
  const environment = readEnvironment()
  return Object.freeze({
    clock: systemClock,
    random: systemRandom,
    environment,
    prompt: promptPassphrase,
    confirm: promptYes,
    passphrases: createPassphraseSource({
      file: environment.passphraseFile,
      prompt: promptPassphrase,
      wait: standStill,
    }),
    readInput: () => readFileSync(0, 'utf8'),
    openStreams: () => {
      const { stdin, stdout } = process
      return { input: stdin, output: stdout, isTerminal: stdin.isTTY && stdout.isTTY }
    },
  })
}

/** A world whose passphrases come from a file that a command names. */
export function withPassphraseFile(context: CliContext, file: string | undefined): CliContext {
  if (file === undefined) return context
  return { ...context, passphrases: createPassphraseSource({ file, wait: standStill }) }
}

/** A world whose passphrases are those of one file of keys: named by a command, or typed. */
export function forKeyFile(context: CliContext, file: string | undefined): CliContext {
  const prompt = (question: string): Secret | undefined => context.prompt?.(question)
  const passphrases = createPassphraseSource({ file, prompt, wait: standStill })
  return { ...context, passphrases }
}

function standStill(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms)
}

/** Named by the user, or handed over by the service manager. @see systemd.exec(5): LoadCredential= */
function passphraseFile(env: NodeJS.ProcessEnv): string | undefined {
  const { KOS_PASSPHRASE_FILE: named, CREDENTIALS_DIRECTORY: folder } = env
  if (named !== undefined || folder === undefined) return named
  const path = join(folder, 'kos-passphrase')
  return existsSync(path) ? path : undefined
}

function readEnvironment(): CliEnvironment {
  const { env } = process
  return Object.freeze({
    home: homedir(),
    config: env['KOS_CONFIG'],
    state: env['KOS_STATE'],
    passphraseFile: passphraseFile(env),
    isRoot: process.getuid?.() === 0,
    agent: env['KOS_AGENT'],
    editor: env['VISUAL'] || env['EDITOR'] || undefined,
    runtime: env['XDG_RUNTIME_DIR'],
    user: env['SUDO_USER'] ?? env['USER'] ?? env['LOGNAME'] ?? 'operator',
  })
}

/** The folder of the operator's credential. */
export function configFolder(environment: CliEnvironment): string {
  return environment.config ?? join(environment.home, '.config', 'kos')
}

/** The state folder of a daemon: system-wide for root, else below the home folder. */
export function stateFolder(environment: CliEnvironment, role: 'authority' | 'node'): string {
  if (environment.state !== undefined) return join(environment.state, role)
  if (environment.isRoot) return join('/var/lib/kos', role)
  return join(environment.home, '.local', 'state', 'kos', role)
}
