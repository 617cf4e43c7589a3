/** `kosctl` as somebody types it: a process of its own on a pseudo-terminal. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { eventually } from './fabric.ts'

const MAIN = join(import.meta.dirname, '../../src/apps/cli/main.ts')
/** Node has no pseudo-terminals: Python's standard library lends one and passes bytes both ways. */
const RELAY = 'import os, pty, sys; sys.exit(os.waitstatus_to_exitcode(pty.spawn(sys.argv[1:])))'

/** Why a test on a terminal is skipped here; `false`: it is not. */
export const noTerminal: string | false =
  spawnSync('python3', ['-c', 'import pty']).status !== 0 && 'python3 with its pty module is needed'

/** Somebody at a terminal. */
export interface Typist {
  type(keys: string): void
  /** Waits until text that matches was shown since the last match. */
  sees(pattern: RegExp): Promise<void>
  readonly ended: Promise<number>
  /** All that was shown so far. */
  shown(): string
}

/**
 * Starts `kosctl` on a pseudo-terminal, ended after the test.
 *
 * @param args - its arguments
 * @param environment - variables beside those of this process
 */
export function sitDown(
  context: TestContext,
  args: readonly string[],
  environment: Readonly<Record<string, string>>,
): Typist {
  const main = `(await import(${JSON.stringify(MAIN)})).main(${JSON.stringify(args)})`
  const code = `process.exitCode = await ${main}`
  const shell = [process.execPath, '--input-type=module', '-e', code]
  const child: ChildProcess = spawn('python3', ['-c', RELAY, ...shell], {
    env: { ...process.env, KOS_AGENT: '', TERM: 'xterm', NO_COLOR: '1', ...environment },
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  context.after(() => void child.kill('SIGKILL'))
  let unread = ''
  let all = ''
  child.stdout?.setEncoding('utf8').on('data', (text: string) => {
    unread += text
    all += text
  })
  return {
    type: (keys) => void child.stdin?.write(keys),
    sees: async (pattern) => {
      await eventually(() => pattern.test(unread), String(pattern)).catch((error: unknown) => {
        throw new Error(`shown is ${JSON.stringify(unread)}`, { cause: error })
      })
      unread = unread.replace(new RegExp(`^[^]*?${pattern.source}`, pattern.flags), '')
    },
    shown: () => all,
    ended: once(child, 'close').then(([status]) => Number(status)),
  }
}
