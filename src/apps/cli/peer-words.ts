import { isRefusal, parseJson } from '../../foundation/base/index.ts'
import type { CborInput } from '../../foundation/codec/index.ts'
import type { CallResult } from '../../network/session/index.ts'
import type { CommandWords, WordType } from './builtin-words.ts'
import { cliErrors } from './errors.ts'

/** Calls a command of the peer in question. */
export type AskPeer = (command: string, args: CborInput) => Promise<CallResult>

/** Longest schema that a peer may describe. */
const MAX_SCHEMA_BYTES = 16_384

/**
 * Asks a peer how the words of a command line become the arguments of one of its commands. Nothing is
 * kept between calls: a definition may change at any time.
 *
 * @param ask - calls the peer
 * @param name - a command that only the peer knows
 * @returns the words, or the result of asking where that says that there is no such command or no peer
 * @throws {@link KosError} KOS_CLI_USAGE when the peer does not describe it: the arguments have to be
 *   given by name
 */
export async function peerWords(
  ask: AskPeer,
  name: string,
): Promise<CommandWords | Exclude<CallResult, { status: 'ok' }>> {
  const result = await ask('commands.show', { name })
  if (result.status === 'ok') return wordsOf(result.value, name)
  const isAnswer = result.rule === 'catalog/unknown-command' || result.origin === 'local'
  if (isAnswer) return result
  const reason = `the peer does not describe ${name} (${result.rule ?? result.code}): give --args with a JSON object`
  throw cliErrors.error('KOS_CLI_USAGE', { reason })
}

function wordsOf(description: unknown, name: string): CommandWords {
  const { positional, argumentSchema } = members(description)
  const parsed =
    typeof argumentSchema === 'string' ? parseJson(argumentSchema, MAX_SCHEMA_BYTES) : undefined
  if (!Array.isArray(positional) || !parsed || isRefusal(parsed)) {
    throw cliErrors.error('KOS_CLI_USAGE', {
      reason: 'the peer describes the command in a way that is not understood: give --args',
    })
  }
  const properties = members(members(parsed.value)['properties'])
  return {
    name,
    positional: positional
      .filter((argument) => typeof argument === 'string')
      .map((argument): [string, WordType] => [argument, typeOf(properties[argument])]),
  }
}

function typeOf(schema: unknown): WordType {
  const { type } = members(schema)
  if (type === 'array') return 'array'
  if (type === 'integer' || type === 'number') return 'number'
  return type === 'boolean' || type === 'array' ? type : 'string'
}

function members(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null
    ? (value as Readonly<Record<string, unknown>>)
    : {}
}
