import { isRefusal, parseJson } from '../../foundation/base/index.ts'
import type { CborInput } from '../../foundation/codec/index.ts'
import {
  type Command,
  createBuiltins,
  createCatalog,
  type Catalog,
} from '../../commands/catalog/index.ts'
import { cliErrors } from './errors.ts'

const MAX_JSON_BYTES = 16_384

/** The definitions of the built-in commands; nothing of them is run on this side. */
export function builtinCatalog(): Catalog {
  const notHere = (): never => {
    throw new TypeError('a definition is not run by kosctl')
  }
  return createCatalog(
    createBuiltins({ system: { status: notHere, info: notHere } }, { fileRoots: [] }),
  )
}

/**
 * Makes the arguments of a call from the words of a command line.
 *
 * @param command - the definition; `undefined` for a command that only the peer knows
 * @param words - in the order of the definition's positional arguments
 * @param json - the arguments as one JSON object, instead of words
 * @throws {@link KosError} KOS_CLI_USAGE naming what does not fit
 */
export function callArguments(
  command: Command | undefined,
  words: readonly string[],
  json: string | undefined,
): CborInput {
  if (json !== undefined) return jsonArguments(json, words)
  if (words.length === 0) return {}
  const names = command?.positional ?? []
  if (!command)
    throw usage('this command is known to the peer only: give --args with a JSON object')
  if (words.length > names.length)
    throw usage(`${command.name} takes ${names.join(' ') || 'no arguments'}`)
  return Object.fromEntries(
    words.map((word, index) => {
      const name = names[index] ?? ''
      return [name, convert(word, { command, name })]
    }),
  )
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
  at: { readonly command: Command; readonly name: string },
): string | number | boolean {
  switch (typeOf(at.command, at.name)) {
    case 'integer':
    case 'number': {
      const number = Number(word)
      if (word.trim() === '' || !Number.isFinite(number)) throw usage(`${at.name} is a number`)
      return number
    }
    case 'boolean':
      if (word !== 'true' && word !== 'false') throw usage(`${at.name} is true or false`)
      return word === 'true'
    default:
      return word
  }
}

/** The JSON Schema type of one argument. */
function typeOf(command: Command, name: string): unknown {
  const properties = command.argumentJsonSchema['properties']
  if (typeof properties !== 'object' || properties === null) return undefined
  const property: unknown = (properties as Readonly<Record<string, unknown>>)[name]
  if (typeof property !== 'object' || property === null || !('type' in property)) return undefined
  return property.type
}

function usage(reason: string): Error {
  return cliErrors.error('KOS_CLI_USAGE', { reason })
}
