import { isRefusal, parseJson, refuse, type Refusal } from '../../foundation/base/index.ts'
import type { ExecutionQuota } from '../../foundation/profiles/index.ts'
import { type Command, type CommandContext, defineCommand } from './command.ts'
import type { ProgramLimits, ProgramResult, ProgramRun, ProgramRunner } from './program.ts'
import { templateOf, type UserDefinition } from './user-file.ts'
import type { ModuleSource, ProgramSource, UserLimits } from './user-format.ts'
import { moduleArguments, moduleInput, moduleNeeds } from './user-module.ts'
import {
  type CommandSecrets,
  fillEnvironment,
  guardStream,
  holdsBytes,
  holdsText,
  type RunEnvironment,
} from './user-secrets.ts'
import { fillTemplate } from './user-template.ts'
import { trustProblem } from './user-trust.ts'

/** What commands of files run with. */
export interface UserCommandDeps {
  readonly programs: ProgramRunner
  /** Of the device's profile; the file can only ask for less. */
  readonly quota: ExecutionQuota
  /** Absolute path of the Node that modules run in. */
  readonly nodeProgram: string
  /** User of the daemon. */
  readonly userId: number
  /** What command files may hand to their programs; absent: nothing. */
  readonly secrets?: CommandSecrets | undefined
}

type Values = Readonly<Record<string, unknown>>
type Spoken = Pick<ProgramRun, 'program' | 'arguments' | 'input' | 'readOnlyPaths'>

const MIB = 1024 * 1024
/** JSON with its white space is longer than the CBOR that the limit of a result counts. */
const OUTPUT_FACTOR = 4
const MIN_OUTPUT_BYTES = 4096
/** Of standard error, where a file lets callers see it. */
const MAX_STDERR_BYTES = 4096
const MAX_LINE_LENGTH = 200
const ENVIRONMENT = Object.freeze({ PATH: '/usr/bin:/bin', LANG: 'C.UTF-8', HOME: '/tmp' })

/**
 * Makes the command of a file. It runs in the sandbox only, and its own process dies with the call.
 *
 * @param deps - sandbox, quota, Node
 * @param definition - of {@link readUserCommand}
 * @returns the command, for the catalog
 * @throws {@link KosError} KOS_CATALOG_DEFINITION when the definition contradicts itself in a way that
 *   reading the file did not find
 */
export function createUserCommand(deps: UserCommandDeps, definition: UserDefinition): Command {
  const { file, argumentSchema, resultSchema } = definition
  const { timeoutMs, concurrency, maxArgumentBytes, maxResultBytes, maxStreamBytes } = file.limits
  const streams = file.streams === true
  return defineCommand<Values, Values>({
    name: file.name,
    domain: 'rpc',
    summary: file.summary,
    description: file.description ?? file.summary,
    argumentSchema,
    resultSchema,
    positional: file.positional,
    permission: file.permission,
    effects: file.effects,
    streams,
    limits: {
      timeoutMs,
      concurrency,
      maxArgumentBytes,
      // Of a command that streams, it counts both.
      maxResultBytes: maxResultBytes + (streams ? maxStreamBytes : 0),
    },
    examples: file.examples.map(({ purpose, arguments: args, result }) => ({
      purpose,
      arguments: args,
      ...(result && { result }),
    })),
    confine: (args) => refuseOptions(file.run, args),
    run: (context, args) => runUser({ deps, definition }, context, args),
  })
}

/** Asked before a run, so that such a call counts as refused: nothing was executed. */
function refuseOptions(run: ProgramSource | ModuleSource, args: Values): Refusal | undefined {
  if ('module' in run) return undefined
  const words = fillTemplate(templateOf(run), args)
  return isRefusal(words) ? words : undefined
}

async function runUser(
  user: { readonly deps: UserCommandDeps; readonly definition: UserDefinition },
  context: CommandContext,
  args: Values,
): Promise<Values | Refusal> {
  const { deps, definition } = user
  const spoken = speak(user, context, args)
  if (isRefusal(spoken)) return spoken
  const { run } = definition.file
  const filled = fillEnvironment(run.environment, deps.secrets)
  if (isRefusal(filled)) return filled
  context.note?.({ program: 'module' in run ? run.module : run.program, sandbox: 'bubblewrap' })
  const result = await runProgram(deps, context, {
    ...filled,
    spoken,
    limits: limitsOf(definition, deps.quota, context),
  })
  if (isRefusal(result)) return result
  context.note?.({
    missing: deps.programs.missing.join(' '),
    reason: result.reason,
    ...(result.exitCode !== null && { exitCode: result.exitCode }),
    ...(result.signal !== null && { signal: result.signal }),
  })
  const { hidden } = filled
  if (holdsBytes(result.stdout, hidden)) return SECRET_TOLD
  if (run.stderr === 'result' && holdsBytes(result.stderr, hidden)) return SECRET_TOLD
  const value = endRefusal(result, run.stderr) ?? readOutput(definition, result)
  // In JSON a secret can be written with escapes.
  return holdsText(value, hidden) ? SECRET_TOLD : value
}

/** A program that repeats a secret is stopped or its result withheld, whoever asked. */
const SECRET_TOLD: Refusal = refuse('KOS_CATALOG_PROGRAM', 'program/secret-in-output', {
  remedy: 'Mend the program on the device: its output repeats a secret of its environment.',
})

async function runProgram(
  { programs }: UserCommandDeps,
  { signal, emit }: CommandContext,
  run: RunEnvironment & { readonly spoken: Spoken; readonly limits: ProgramLimits },
): Promise<ProgramResult | Refusal> {
  const { spoken, limits, hidden } = run
  const environment = { ...run.environment, ...ENVIRONMENT }
  const guarded = emit && hidden.length > 0 ? guardStream(emit, hidden) : undefined
  const onStdout = guarded ? guarded.emit : emit
  try {
    const result = await programs.run({ ...spoken, environment, limits, signal, onStdout })
    await guarded?.end()
    return result
  } catch (error) {
    if (guarded?.isStopped) return SECRET_TOLD
    throw error
  }
}

function speak(
  user: { readonly deps: UserCommandDeps; readonly definition: UserDefinition },
  context: CommandContext,
  args: Values,
): Spoken | Refusal {
  const { deps, definition } = user
  const { run, limits } = definition.file
  if ('module' in run) {
    return {
      program: deps.nodeProgram,
      arguments: moduleArguments(heapOf(limits, deps.quota)),
      input: moduleInput(definition.moduleText ?? '', args, context),
      readOnlyPaths: [deps.nodeProgram],
    }
  }
  // The file was checked when it was read; the program may have changed hands since.
  if (trustProblem(run.program, deps.userId, 'file') !== undefined) {
    return refuse('KOS_CATALOG_PROGRAM', 'program/owner', {
      remedy: 'Make the program a file of root that only root can write.',
    })
  }
  const words = fillTemplate(templateOf(run), args)
  if (isRefusal(words)) return words
  return {
    program: run.program,
    arguments: words,
    input: Buffer.from(run.input === 'json' ? `${JSON.stringify(args)}\n` : ''),
    readOnlyPaths: run.program.startsWith('/usr/') ? run.reads : [run.program, ...run.reads],
  }
}

function heapOf({ memoryMiB }: UserLimits, { memoryBytes }: ExecutionQuota): number {
  return Math.min(memoryMiB, Math.floor(memoryBytes / MIB))
}

function limitsOf(
  { file: { limits, run } }: UserDefinition,
  quota: ExecutionQuota,
  context: CommandContext,
): ProgramLimits {
  const heapMiB = heapOf(limits, quota)
  const processes = Math.min(limits.processes, quota.maxProcesses)
  const wallMs = Math.min(limits.timeoutMs, quota.wallTimeMs, context.deadlineMs)
  return {
    wallMs,
    cpuSeconds: Math.min(limits.cpuSeconds, quota.cpuTimeSeconds),
    maxOutputBytes: Math.min(
      context.emit ? limits.maxStreamBytes : maxOutputBytes(limits),
      quota.maxOutputBytes,
    ),
    maxFileBytes: quota.scratchBytes,
    maxOpenFiles: quota.maxOpenFiles,
    ...('module' in run
      ? moduleNeeds(heapMiB, processes)
      : { maxMemoryBytes: heapMiB * MIB, maxProcesses: processes }),
  }
}

function maxOutputBytes({ maxResultBytes }: UserLimits): number {
  return Math.max(MIN_OUTPUT_BYTES, maxResultBytes * OUTPUT_FACTOR)
}

/** Why a run that ended has no result. */
function endRefusal(
  { reason, exitCode, signal, stderr }: ProgramResult,
  told: ProgramSource['stderr'],
): Refusal | undefined {
  const line = told === 'result' ? lastLine(stderr) : ''
  const remedy = line === '' ? {} : { remedy: `It said: ${line}` }
  if (reason !== 'exit') return refuse('KOS_CATALOG_PROGRAM', `program/${reason}`, remedy)
  if (signal !== null) return refuse('KOS_CATALOG_PROGRAM', `program/signal-${signal}`, remedy)
  return exitCode === 0
    ? undefined
    : refuse('KOS_CATALOG_PROGRAM', `program/exit-${exitCode ?? '?'}`, remedy)
}

/** What a program wrote becomes its result, or stays here. */
function readOutput(
  { file, resultSchema }: UserDefinition,
  { stdout, stderr }: ProgramResult,
): Values | Refusal {
  const text = decodeUtf8(stdout)
  if (text === undefined) return refuse('KOS_CATALOG_PROGRAM', 'program/output-not-utf8')
  const value = valueOf(file, text)
  if (isRefusal(value)) return value
  const told = file.run.stderr === 'result' ? { stderr: tail(stderr) } : {}
  // What is no object stays as it is, for the schema to refuse.
  const whole = isObject(value) ? { ...value, ...told } : value
  const checked = resultSchema.safeParse(whole)
  return checked.success ? checked.data : refuse('KOS_CATALOG_PROGRAM', 'program/output-schema')
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** The end of standard error; what is no UTF-8 is replaced. */
function tail(stderr: Uint8Array): string {
  return Buffer.from(stderr.subarray(-MAX_STDERR_BYTES)).toString('utf8')
}

function lastLine(stderr: Uint8Array): string {
  const line = tail(stderr).trimEnd().split('\n').at(-1) ?? ''
  return line.slice(0, MAX_LINE_LENGTH).replaceAll(/\p{Cc}/gu, '?')
}

function valueOf(file: UserDefinition['file'], text: string): unknown {
  const { run, limits } = file
  if ('program' in run && run.output === 'text') {
    return { [textMember(file)]: text.replace(/\r?\n$/, '') }
  }
  const parsed = parseJson(text, maxOutputBytes(limits))
  return isRefusal(parsed) ? refuse('KOS_CATALOG_PROGRAM', 'program/output-not-json') : parsed.value
}

const UTF8 = new TextDecoder('utf-8', { fatal: true })

function decodeUtf8(bytes: Uint8Array): string | undefined {
  try {
    return UTF8.decode(bytes)
  } catch {
    return undefined
  }
}

/** The member of the result of a program that writes text. */
function textMember({ result, run }: UserDefinition['file']): string {
  const isTold = run.stderr === 'result'
  const properties = result?.['properties']
  const names = typeof properties === 'object' && properties !== null ? Object.keys(properties) : []
  return names.find((name) => !isTold || name !== 'stderr') ?? 'text'
}
