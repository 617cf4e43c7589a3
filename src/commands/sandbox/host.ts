import { execFile } from 'node:child_process'
import { lstatSync, readFileSync } from 'node:fs'
import { release } from 'node:os'

/** Numeric user and group of a process. */
export interface ProcessIdentity {
  readonly userId: number
  readonly groupId: number
}

/** How a program that the probe ran ended. */
export interface ProbeResult {
  /** `undefined` when it did not start or was killed. */
  readonly exitCode: number | undefined
  readonly output: string
}

/** What a file is and who can replace its content. */
export interface FileFacts {
  readonly regular: boolean
  readonly ownerId: number
  /** Permission bits. */
  readonly mode: number
}

/** The host as the probe sees it; tests hand in another. */
export interface ProbeHost {
  /** The daemon's own user. */
  readonly userId: number
  readonly kernelRelease: string
  /** A short text file; `undefined` when it cannot be read. */
  readText(path: string): string | undefined
  /** Facts of a file, links not followed; `undefined` when there is none. */
  fileFacts(path: string): FileFacts | undefined
  /**
   * Runs a program with an empty environment, under another identity where one is given, and kills it
   * after 5 s or 64 KiB of output.
   */
  run(
    program: string,
    args: readonly string[],
    identity: ProcessIdentity | undefined,
  ): Promise<ProbeResult>
}

const RUN_TIMEOUT_MS = 5000
const MAX_OUTPUT_BYTES = 65_536

/** The host this process runs on. */
export const systemProbeHost: ProbeHost = Object.freeze({
  userId: process.getuid?.() ?? 0,
  kernelRelease: release(),
  readText: (path: string) => attempt(() => readFileSync(path, 'utf8')),
  fileFacts: (path: string) =>
    attempt(() => {
      const stats = lstatSync(path)
      return { regular: stats.isFile(), ownerId: stats.uid, mode: stats.mode & 0o7777 }
    }),
  run: runProgram,
})

function attempt<T>(read: () => T): T | undefined {
  try {
    return read()
  } catch {
    return undefined
  }
}

function runProgram(
  program: string,
  args: readonly string[],
  identity: ProcessIdentity | undefined,
): Promise<ProbeResult> {
  const options = {
    cwd: '/',
    env: {},
    timeout: RUN_TIMEOUT_MS,
    killSignal: 'SIGKILL',
    maxBuffer: MAX_OUTPUT_BYTES,
    ...(identity && { uid: identity.userId, gid: identity.groupId }),
  } as const
  return new Promise((resolve) => {
    execFile(program, args, options, (error, output) => {
      const exitCode = error ? error.code : 0
      resolve({ exitCode: typeof exitCode === 'number' ? exitCode : undefined, output })
    })
  })
}
