import { readFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { type Clock, type Random, systemClock, systemRandom } from '../../foundation/base/index.ts'
import type { Terminal } from './output.ts'

/** Environment of a command, read once by the entry. */
export interface CliEnvironment {
  readonly home: string
  readonly config: string | undefined
  readonly state: string | undefined
  readonly isRoot: boolean
  readonly user: string
}

/** The world that a program runs in; handed in so that tests have one of their own. */
export interface CliWorld {
  readonly clock: Clock
  readonly random: Random
  readonly environment: CliEnvironment
  /** Reads standard input to its end. */
  readInput(): string
  /** Ends what runs until it is interrupted, as SIGTERM does; absent: only signals do. */
  readonly signal?: AbortSignal
}

/** What every command gets. */
export interface CliContext extends CliWorld {
  readonly terminal: Terminal
}

/** The world of this process. */
export function processWorld(): CliWorld {
  return Object.freeze({
    clock: systemClock,
    random: systemRandom,
    environment: readEnvironment(),
    readInput: () => readFileSync(0, 'utf8'),
  })
}

function readEnvironment(): CliEnvironment {
  const { env } = process
  return Object.freeze({
    home: homedir(),
    config: env['KOS_CONFIG'],
    state: env['KOS_STATE'],
    isRoot: process.getuid?.() === 0,
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
