/** Runs single commands and validations without an executor. */
import { isRefusal, type Refusal } from '../../src/foundation/base/index.ts'
import {
  type ArgumentDecision,
  mintAuthorised,
  type Validated,
} from '../../src/foundation/pipeline/index.ts'
import {
  type Catalog,
  type Command,
  type CommandContext,
  createCatalog,
  type FileRoot,
  createBuiltins,
  readHostInfo,
  readHostStatus,
  type SystemPort,
} from '../../src/commands/catalog/index.ts'
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
