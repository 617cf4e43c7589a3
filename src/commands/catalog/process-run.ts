import { isRefusal, refuse, type Refusal, z } from '../../foundation/base/index.ts'
import type { ExecutionQuota } from '../../foundation/profiles/index.ts'
import { bytesSchema, type Command, type CommandContext, defineCommand } from './command.ts'
import { WIRE_SHAPE } from './data.ts'
import { fitsPlaces, MAX_PROGRAM_ARGUMENTS } from './process-arguments.ts'
import {
  type AllowedProgram,
  type AllowedPrograms,
  PROGRAM_NAME,
  type ProgramBounds,
} from './process-programs.ts'
import type { ProgramLimits, ProgramResult, ProgramRunner } from './program.ts'

/** What `process.run` starts, and with what. */
export interface ProcessOptions {
  /** `undefined`: this is a definition only, every run is refused. */
  readonly runner: ProgramRunner | undefined
  readonly programs: AllowedPrograms
  /** Of the profile; a program can have less. */
  readonly limits: ProgramLimits
}

interface RunArguments {
  readonly program: string
  readonly arguments: readonly string[]
  readonly input?: string | Uint8Array | undefined
}

interface RunResult {
  exitCode: number | null
  signal: string | null
  reason: ProgramResult['reason']
  stdout: string | Uint8Array
  stderr: string | Uint8Array
  truncated: boolean
  durationMs: number
  sandbox: { backend: 'bubblewrap'; missing: string[] }
}

/** Both streams fit into one result: a value on the wire has at most 1 MiB. */
const MAX_RESULT_STREAM_BYTES = 384 * 1024
const MAX_STREAMED_BYTES = 4 * 1024 * 1024
const MAX_ARGUMENT_BYTES = 16_384
/** Where every program starts from. */
const ENVIRONMENT: Readonly<Record<string, string>> = Object.freeze({
  HOME: '/tmp',
  LANG: 'C.UTF-8',
  PATH: '/usr/bin:/bin',
})

/** Bounds where no profile says more: a definition that nobody runs. */
export const NO_PROGRAMS: ProcessOptions = Object.freeze({
  runner: undefined,
  programs: new Map(),
  limits: Object.freeze({
    wallMs: 1,
    cpuSeconds: 1,
    maxOutputBytes: 1,
    maxMemoryBytes: 1,
    maxProcesses: 1,
    maxFileBytes: 1,
    maxOpenFiles: 1,
  }),
})

/** The limits of every run under a profile. */
export function programLimits(quota: ExecutionQuota): ProgramLimits {
  return {
    wallMs: quota.wallTimeMs,
    cpuSeconds: quota.cpuTimeSeconds,
    maxOutputBytes: quota.maxOutputBytes,
    maxMemoryBytes: quota.memoryBytes,
    maxProcesses: quota.maxProcesses,
    maxFileBytes: quota.scratchBytes,
    maxOpenFiles: quota.maxOpenFiles,
  }
}

const output = z.union([z.string(), bytesSchema(MAX_STREAMED_BYTES)])

/**
 * `process.run`: one program of the node's allow list, in the sandbox.
 *
 * **Security:** output is untrusted text and may hold control characters: escape it before it reaches
 * a terminal.
 *
 * @param options - runner, allow list, limits of the profile
 */
export function processRunCommand(options: ProcessOptions): Command {
  return defineCommand<RunArguments, RunResult>({
    name: 'process.run',
    domain: 'rpc',
    summary: 'Runs an allowed program in the sandbox',
    description:
      'Starts a program by its name in the allow list of the node, with arguments as a list that no ' +
      'shell reads. The list of the node says what may stand at each place. The program sees `/usr` ' +
      'and a private `/tmp`, no network, no other process and no variable of the node; the limits of ' +
      'the profile hold. Standard output comes as a stream where the caller asks for one, else in the ' +
      'result: as text when it is UTF-8 of at most 16,384 bytes, else as bytes. A program whose output ' +
      'exceeds the limit is killed, as is one that takes too long. An exit code is no failure of the ' +
      'call. `missing` names the protections that the sandbox of the node lacks.',
    argumentSchema: z.strictObject({
      program: z.string().regex(PROGRAM_NAME),
      arguments: z.array(z.string().max(4096)).max(MAX_PROGRAM_ARGUMENTS).default([]),
      input: z.union([z.string().max(16_384), bytesSchema(16_384)]).optional(),
    }),
    resultSchema: z.strictObject({
      exitCode: z.int().min(0).max(255).nullable(),
      signal: z.string().max(16).nullable(),
      reason: z.enum(['exit', 'wall-time', 'output', 'cancelled']),
      stdout: output,
      stderr: output,
      truncated: z.boolean(),
      durationMs: z.number().min(0),
      sandbox: z.strictObject({
        backend: z.literal('bubblewrap'),
        missing: z.array(z.string().max(64)).max(32),
      }),
    }),
    positional: ['program', 'arguments'],
    permission: 'process.run',
    effects: 'change',
    streams: true,
    limits: {
      maxArgumentBytes: MAX_ARGUMENT_BYTES,
      maxResultBytes: MAX_STREAMED_BYTES + 1024 * 1024,
      timeoutMs: 300_000,
      concurrency: 8,
    },
    examples: [
      {
        purpose: 'Ask for kernel and machine.',
        arguments: { program: 'uname', arguments: ['-a'] },
      },
      { purpose: 'See how full the disk is.', arguments: { program: 'df', arguments: ['-h'] } },
    ],
    confine: (args) => confine(options.programs, args),
    run: (context, args) => runProgram(options, context, args),
  })
}

function confine(programs: AllowedPrograms, args: RunArguments): Refusal | undefined {
  const allowed = programs.get(args.program)
  if (!allowed) return refuseProgram('process/program', 'This node runs other programs only.')
  if (!fitsPlaces(allowed.places, args.arguments)) {
    return refuseProgram('process/arguments', 'The node allows other arguments to this program.')
  }
  const inputBytes = inputOf(args).length
  return inputBytes <= allowed.maxInputBytes
    ? undefined
    : refuseProgram('process/input', `Send at most ${allowed.maxInputBytes} bytes of input.`)
}

async function runProgram(
  { runner, programs, limits }: ProcessOptions,
  context: CommandContext,
  args: RunArguments,
): Promise<RunResult | Refusal> {
  const allowed = programs.get(args.program)
  if (!runner || !allowed) {
    return refuseProgram('process/program', 'This node runs other programs only.')
  }
  const { missing } = runner
  context.note?.({ program: args.program, sandbox: 'bubblewrap', missing: missing.join(' ') })
  const ended = await runner.run({
    program: allowed.path,
    arguments: args.arguments,
    environment: { ...ENVIRONMENT, ...allowed.environment },
    input: inputOf(args),
    readOnlyPaths: allowed.readOnlyPaths,
    limits: limitsOf(allowed, limits, context),
    signal: context.signal,
    onStdout: context.emit,
  })
  if (isRefusal(ended)) return ended
  context.note?.({
    // The probe of the host may have ended only now.
    missing: runner.missing.join(' '),
    reason: ended.reason,
    ...(ended.exitCode !== null && { exitCode: ended.exitCode }),
    ...(ended.signal !== null && { signal: ended.signal }),
  })
  return resultOf(ended, runner.missing)
}

function resultOf(ended: ProgramResult, missing: readonly string[]): RunResult {
  const stderr = ended.stderr.subarray(0, MAX_RESULT_STREAM_BYTES)
  return {
    exitCode: ended.exitCode,
    signal: ended.signal,
    reason: ended.reason,
    stdout: textOrBytes(ended.stdout),
    stderr: textOrBytes(stderr),
    truncated: ended.truncated || stderr.length < ended.stderr.length,
    durationMs: Math.round(ended.durationMs * 1000) / 1000,
    sandbox: { backend: 'bubblewrap', missing: [...missing] },
  }
}

/** The stricter of profile and program; the end comes early enough for its result to arrive. */
function limitsOf(
  { limits: own }: AllowedProgram,
  profile: ProgramLimits,
  { deadlineMs, emit }: CommandContext,
): ProgramLimits {
  const least = (name: keyof ProgramBounds): number =>
    Math.min(profile[name], own[name] ?? Infinity)
  const room = Math.max(deadlineMs / 2, deadlineMs - 250)
  const most = emit ? MAX_STREAMED_BYTES : MAX_RESULT_STREAM_BYTES
  return {
    wallMs: Math.min(least('wallMs'), room),
    cpuSeconds: least('cpuSeconds'),
    maxOutputBytes: Math.min(least('maxOutputBytes'), most),
    maxMemoryBytes: least('maxMemoryBytes'),
    maxProcesses: least('maxProcesses'),
    maxFileBytes: least('maxFileBytes'),
    maxOpenFiles: least('maxOpenFiles'),
  }
}

function inputOf({ input }: RunArguments): Uint8Array {
  return typeof input === 'string' ? Buffer.from(input, 'utf8') : (input ?? new Uint8Array())
}

function textOrBytes(bytes: Uint8Array): string | Uint8Array {
  if (bytes.length > WIRE_SHAPE.maxTextBytes) return bytes
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch {
    return bytes
  }
}

function refuseProgram(rule: string, remedy: string): Refusal {
  return refuse('KOS_CATALOG_PROGRAM_REFUSED', rule, { remedy })
}
