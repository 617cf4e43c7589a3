/** `kosd` and `kosctl` in this process, as they are typed on one machine. */
import assert from 'node:assert/strict'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { main as kosdMain } from '../../src/apps/cli/kosd.ts'
import { main as kosctlMain } from '../../src/apps/cli/main.ts'
import {
  type CapturedTerminal,
  captureTerminal,
  eventually,
  type Ran,
  testWorld,
} from './fabric.ts'
import { createJumpClock } from './jump-clock.ts'
import { temporaryFolder } from './temporary.ts'

/** Folders and clock of one machine. */
export interface Machine {
  readonly folder: string
  /** Starts `kosd`; it is stopped with the test at the latest. */
  readonly start: (argv: readonly string[], input?: string) => Daemon
  readonly kosctl: (...argv: readonly string[]) => Promise<Ran>
}

/** A started `kosd`. */
export interface Daemon {
  readonly terminal: CapturedTerminal
  readonly ended: Promise<number>
  /** Waits for a text on standard output, or the end. */
  printed(text: string): Promise<void>
  /** The same on standard error. */
  complained(text: string): Promise<void>
  stop(): Promise<number>
}

/** Makes a machine; what it started ends with the test. */
export function machine(context: TestContext): Machine {
  const folder = temporaryFolder(context)
  const clock = createJumpClock()
  const world = (input: string, signal?: AbortSignal): ReturnType<typeof testWorld> => ({
    ...testWorld({ clock, readInput: () => input, ...(signal && { signal }) }),
    environment: {
      home: folder,
      config: undefined,
      state: join(folder, 'state'),
      isRoot: false,
      user: 'olga',
    },
  })
  return {
    folder,
    start: (argv, input = '') => {
      const abort = new AbortController()
      const terminal = captureTerminal()
      let isOver = false
      const ended = kosdMain(argv, terminal, world(input, abort.signal)).finally(() => {
        isOver = true
      })
      const stop = (): Promise<number> => {
        abort.abort()
        return ended
      }
      context.after(stop)
      const shows = async (where: 'out' | 'err', text: string): Promise<void> => {
        await eventually(() => isOver || terminal.printed[where].includes(text))
        assert.ok(terminal.printed[where].includes(text), JSON.stringify(terminal.printed))
      }
      return {
        terminal,
        ended,
        stop,
        printed: (text) => shows('out', text),
        complained: (text) => shows('err', text),
      }
    },
    kosctl: async (...argv) => {
      const terminal = captureTerminal()
      const code = await kosctlMain(argv, terminal, world(''))
      return { code, ...terminal.printed }
    },
  }
}
