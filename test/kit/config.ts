/** The configuration of a daemon: a state folder, `kosctl config` and `kosd` in this process. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import type { CliWorld } from '../../src/apps/cli/context.ts'
import { main as kosdMain } from '../../src/apps/cli/kosd.ts'
import { main as kosctlMain } from '../../src/apps/cli/main.ts'
import type { Terminal } from '../../src/apps/cli/output.ts'
import { Secret, utf8 } from '../../src/foundation/base/index.ts'
import { captureTerminal, type Ran, testWorld } from './fabric.ts'
import { temporaryFolder } from './temporary.ts'

/** What a test changes about one run. */
interface RunChanges {
  readonly input?: string
  /** What somebody types, once per question; absent: nobody is there. */
  readonly typed?: readonly string[]
  readonly editor?: string
  /** The user's folder in memory; absent: the one of the state folders. */
  readonly runtime?: string
  readonly terminal?: Partial<Terminal>
}

/** A state folder with its configuration. */
export interface ConfigFolder {
  readonly folder: string
  /** Its `config.yaml`. */
  readonly path: string
  /** Folder above, of the state folders of both daemons. */
  readonly state: string
  readonly read: () => string
  readonly write: (text: string, mode?: number) => void
  /** Runs `kosctl config …` on the folder. */
  readonly config: (args: readonly string[], changes?: RunChanges) => Promise<Ran>
  /** Seals a secret. */
  readonly seal: (name: string, value: string) => Promise<void>
  /** Starts the daemon of the folder; it stops at once when it starts at all. */
  readonly start: (...args: readonly string[]) => Promise<Ran>
}

/** Makes a state folder without keys; it is gone after the test. */
export function createConfigFolder(
  context: TestContext,
  role: 'authority' | 'node' = 'node',
): ConfigFolder {
  const state = temporaryFolder(context)
  const folder = join(state, role)
  const path = join(folder, 'config.yaml')
  mkdirSync(folder, { mode: 0o700 })
  const world = ({ input = '', typed, editor, runtime = state }: RunChanges): CliWorld => {
    const answers = [...(typed ?? [])]
    const plain = testWorld({ config: join(state, 'operator'), readInput: () => input })
    return {
      ...plain,
      environment: { ...plain.environment, state, home: state, editor, runtime },
      ...(typed && {
        prompt: () => {
          const answer = answers.shift()
          return answer === undefined ? undefined : Secret.copy(utf8(answer))
        },
      }),
    }
  }
  const config = async (args: readonly string[], changes: RunChanges = {}): Promise<Ran> => {
    const terminal = captureTerminal(changes.terminal)
    const code = await kosctlMain(['config', ...args], terminal, world(changes))
    return { code, ...terminal.printed }
  }
  return {
    folder,
    path,
    state,
    config,
    read: () => readFileSync(path, 'utf8'),
    write: (text, mode = 0o600) => writeFileSync(path, text, { mode }),
    seal: async (name, value) => {
      const { code, err } = await config(['set', `secrets.${name}`, '-'], { input: value })
      if (code !== 0) throw new Error(err)
    },
    start: async (...args) => {
      const terminal = captureTerminal()
      const signal = AbortSignal.abort()
      const code = await kosdMain([role, ...args], terminal, { ...world({}), signal })
      return { code, ...terminal.printed }
    },
  }
}
