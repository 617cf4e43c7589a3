/** Runs single commands and validations without an executor. */
import { isRefusal, type Refusal, z } from '../../src/foundation/base/index.ts'
import {
  type ArgumentDecision,
  mintAuthorised,
  type Validated,
} from '../../src/foundation/pipeline/index.ts'
import {
  type AllowedPrograms,
  type Catalog,
  type Command,
  type CommandContext,
  type CommandDefinition,
  createCatalog,
  defineCommand,
  type FileRoot,
  createBuiltins,
  type ProgramResult,
  type ProgramRunner,
  programLimits,
  readHostInfo,
  readHostStatus,
  type SystemPort,
} from '../../src/commands/catalog/index.ts'
import { PROFILES } from '../../src/foundation/profiles/index.ts'
import { authenticatedPeer, callOf, TEST_GRANT } from './calls.ts'

/** A context in which nothing is ever stopped. */
export function commandContext(signal?: AbortSignal): CommandContext {
  return {
    peer: authenticatedPeer().peer,
    callId: '0'.repeat(32),
    traceId: '0'.repeat(32),
    deadlineMs: 10_000,
    signal: signal ?? new AbortController().signal,
  }
}

/** Takes arguments through the checks of a catalog. */
export function validateCall(
  command: Command,
  args: unknown,
  decideArguments?: ArgumentDecision,
): Validated | Refusal {
  const catalog: Catalog = createCatalog([command])
  const call = callOf(command.name, args)
  const facts = { call, grant: TEST_GRANT, decideArguments }
  return catalog.validate(command, mintAuthorised(authenticatedPeer(), facts))
}

/** Validates and runs a command; gives its result in the form of its schema, or its refusal. */
export async function runCommand(
  command: Command,
  args: unknown,
  context: CommandContext = commandContext(),
): Promise<Readonly<Record<string, unknown>>> {
  const validated = validateCall(command, args)
  if (isRefusal(validated)) return { ...validated }
  const result = await command.run(context, validated.arguments)
  if (isRefusal(result)) return { ...result }
  return command.resultSchema.parse(result) as Readonly<Record<string, unknown>>
}

/** Answers of a daemon that has just started. */
export const testSystem: SystemPort = Object.freeze({
  status: () => ({
    ...readHostStatus(),
    daemonUptimeMs: 1234,
    residentBytes: 5_000_000,
    sessions: 2,
    runningCalls: 1,
    auditHealthy: true,
    locksFreshBy: 'authority',
    locksAgeMs: 5000,
  }),
  info: () => ({ ...readHostInfo(), kosVersion: '0.1.0', profile: 'SEC-2' as const }),
})

/** One built-in command by name. */
export function builtin(name: string, fileRoots: readonly FileRoot[] = []): Command {
  const command = createBuiltins({ system: testSystem }, { fileRoots }).find(
    (candidate) => candidate.name === name,
  )
  if (!command) throw new TypeError('no such built-in')
  return command
}

/** An end of a program that does nothing. */
export const PROGRAM_END: ProgramResult = Object.freeze({
  exitCode: 0,
  signal: null,
  reason: 'exit',
  stdout: new Uint8Array(),
  stderr: new Uint8Array(),
  truncated: false,
  durationMs: 1.5,
})

/** `process.run` of a SEC-2 device whose programs are run by the test. */
export function processCommand(
  programs: AllowedPrograms,
  run: ProgramRunner['run'] = () => Promise.resolve(PROGRAM_END),
): Command {
  const { quota } = PROFILES['SEC-2']
  if (!quota) throw new TypeError('no quota')
  const runner: ProgramRunner = { run, missing: ['landlock'] }
  const options = { fileRoots: [], programs: { runner, programs, limits: programLimits(quota) } }
  const command = createBuiltins({ system: testSystem }, options).find(
    ({ name }) => name === 'process.run',
  )
  if (!command) throw new TypeError('no such built-in')
  return command
}

/** Arguments and results of {@link testCommand}. */
export interface TestData {
  readonly value?: unknown
}

/** A command that takes and returns any `value`; parts can be replaced. */
export function testCommand(
  run: CommandDefinition<TestData, TestData>['run'],
  parts: Partial<CommandDefinition<TestData, TestData>> = {},
): Command {
  return defineCommand<TestData, TestData>({
    name: 'test.run',
    domain: 'rpc',
    summary: 'Runs a test',
    description: 'Does what the test wants.',
    argumentSchema: z.strictObject({ value: z.unknown().optional() }),
    resultSchema: z.strictObject({ value: z.unknown().optional() }),
    positional: ['value'],
    permission: 'test',
    effects: 'read',
    limits: {
      maxArgumentBytes: 16_384,
      maxResultBytes: 65_536,
      timeoutMs: 60_000,
      concurrency: 100,
    },
    examples: [{ purpose: 'Run it.', arguments: {} }],
    run,
    ...parts,
  })
}

/** A command whose runs end when the test says so. */
export interface HeldCommand {
  readonly command: Command
  /** The runs in the order in which they began. */
  readonly runs: readonly HeldRun[]
}

/** One run of a {@link HeldCommand}. */
export interface HeldRun {
  readonly context: CommandContext
  readonly args: TestData
  readonly resolve: (result: TestData) => void
  readonly reject: (error: Error) => void
}

/** Makes a command whose runs end when the test says so. */
export function heldCommand(
  parts: Partial<CommandDefinition<TestData, TestData>> = {},
): HeldCommand {
  const runs: HeldRun[] = []
  const command = testCommand((context, args) => {
    const { promise, resolve, reject } = Promise.withResolvers<TestData>()
    runs.push({ context, args, resolve, reject })
    return promise
  }, parts)
  return { command, runs }
}
