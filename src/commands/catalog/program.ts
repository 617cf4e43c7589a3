import type { Refusal } from '../../foundation/base/index.ts'

/** Hard bounds of one run of a program. */
export interface ProgramLimits {
  /** Wall time in milliseconds, then the program and all its children are killed. */
  readonly wallMs: number
  /** Processor time in seconds, per process. */
  readonly cpuSeconds: number
  /** Bytes of standard output, and as many of standard error; the program is killed beyond. */
  readonly maxOutputBytes: number
  /** Address space in bytes, per process. */
  readonly maxMemoryBytes: number
  /** Processes and threads at the same time. */
  readonly maxProcesses: number
  /** Bytes of one file, and of the private `/tmp` as a whole. */
  readonly maxFileBytes: number
  readonly maxOpenFiles: number
}

/** One program to run in isolation: never a shell line, always a vector of arguments. */
export interface ProgramRun {
  /** Absolute path; only `/usr` and {@link ProgramRun.readOnlyPaths} can be seen inside. */
  readonly program: string
  /** Handed over as they are, without the program's own name. */
  readonly arguments: readonly string[]
  /** The whole environment of the program; nothing of the daemon's is inherited. */
  readonly environment: Readonly<Record<string, string>>
  /** Standard input, closed after the last byte. */
  readonly input: Uint8Array
  /** Files or folders that can be read besides `/usr`, at the same path inside. */
  readonly readOnlyPaths: readonly string[]
  readonly limits: ProgramLimits
  /** Aborted: the program and all its children are killed. */
  readonly signal: AbortSignal
  /**
   * Takes standard output as it comes, piece by piece and in order; the result then has none. The next
   * piece comes once the promise resolves, and the program waits at its pipe meanwhile: no more than
   * 256 KiB are read ahead. A rejection kills the program, and the run rejects with it.
   */
  readonly onStdout?: ((bytes: Uint8Array) => Promise<void>) | undefined
}

/** How a program ended. */
export interface ProgramResult {
  /** `null` when a signal ended it. */
  readonly exitCode: number | null
  /** Name of the signal that ended it, such as `SIGSEGV`; `null` when it exited. */
  readonly signal: string | null
  /** `exit`: by itself. Otherwise what made the runner kill it. */
  readonly reason: 'exit' | 'wall-time' | 'output' | 'cancelled'
  readonly stdout: Uint8Array
  readonly stderr: Uint8Array
  /** Whether output was lost to {@link ProgramLimits.maxOutputBytes}. */
  readonly truncated: boolean
  readonly durationMs: number
}

/** Port of the commands that run programs; the sandbox room has the adapter. */
export interface ProgramRunner {
  /**
   * Runs one program to its end.
   *
   * @returns how it ended; a refusal when it did not start: no sandbox on this host, no such program,
   * too many runs at the same time. A program that started never ends in a refusal.
   */
  run(run: ProgramRun): Promise<ProgramResult | Refusal>
  /** Names of the guarantees that this sandbox lacks, for the record. */
  readonly missing: readonly string[]
}
