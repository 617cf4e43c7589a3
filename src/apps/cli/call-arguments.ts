import { isRefusal, parseJson } from '../../foundation/base/index.ts'
import type { CborInput } from '../../foundation/codec/index.ts'
import type { CommandWords, WordType } from './builtin-words.ts'
import { cliErrors } from './errors.ts'

const MAX_JSON_BYTES = 16_384

/**
 * Makes the arguments of a call from the words of a command line.
 *
 * @param command - the definition; `undefined` for a command that only the peer knows
 * @param words - in the order of the definition's positional arguments
 * @param json - the arguments as one JSON object, instead of words
 * @throws {@link KosError} KOS_CLI_USAGE naming what does not fit
 */
export function callArguments(
  command: CommandWords | undefined,
  words: readonly string[],
  json: string | undefined,
): CborInput {
  if (json !== undefined) return jsonArguments(json, words)
  if (words.length === 0) return {}
  const names = command?.positional ?? []
  if (!command)
    throw usage('this command is known to the peer only: give --args with a JSON object')
  const [last, lastType] = names.at(-1) ?? []
  const takesRest = lastType === 'array'
  if (words.length > names.length && !takesRest)
    throw usage(`${command.name} takes ${names.map(([name]) => name).join(' ') || 'no arguments'}`)
  const single = takesRest ? words.slice(0, names.length - 1) : words
  const given = single.map((word, index) => {
    const [name, type] = names[index] ?? ['', 'string']
    return [name, convert(word, { name, type })]
  })
  const rest = words.slice(single.length)
  const all = takesRest && rest.length > 0 ? [...given, [last, rest]] : given
  return Object.fromEntries(all) as Record<string, CborInput>
}

function jsonArguments(json: string, words: readonly string[]): CborInput {
  if (words.length > 0) throw usage('give either words or --args')
  const parsed = parseJson(json, MAX_JSON_BYTES)
  if (isRefusal(parsed)) throw usage(`--args: ${parsed.rule}`)
  const { value } = parsed
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw usage('--args is a JSON object')
  }
  return value as CborInput
}

function convert(
  word: string,
  at: { readonly name: string; readonly type: WordType },
): string | number | boolean {
  switch (at.type) {
    case 'number': {
      const number = Number(word)
      if (word.trim() === '' || !Number.isFinite(number)) throw usage(`${at.name} is a number`)
      return number
    }
    case 'boolean':
      if (word !== 'true' && word !== 'false') throw usage(`${at.name} is true or false`)
      return word === 'true'
    case 'string':
    case 'array':
      return word
  }
}

function usage(reason: string): Error {
  return cliErrors.error('KOS_CLI_USAGE', { reason })
}
