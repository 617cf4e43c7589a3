/** Words of a command line become arguments of a call, by the definition of the command. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { BUILTIN_WORDS, type CommandWords } from '../../../../src/apps/cli/builtin-words.ts'
import { callArguments } from '../../../../src/apps/cli/call-arguments.ts'
import {
  type Command,
  createBuiltins,
  describingCommands,
  policyExplainCommand,
} from '../../../../src/commands/catalog/index.ts'

const typed: CommandWords = {
  name: 'typed',
  positional: [
    ['text', 'string'],
    ['count', 'number'],
    ['share', 'number'],
    ['flag', 'boolean'],
  ],
}

test('words take the types of the definition', () => {
  assert.deepEqual(callArguments(typed, ['1', '2', '2.5', 'false'], undefined), {
    text: '1',
    count: 2,
    share: 2.5,
    flag: false,
  })
  assert.deepEqual(callArguments(typed, [], undefined), {})
})

test('an array takes the words that are left, as texts', () => {
  const listed: CommandWords = {
    name: 'listed',
    positional: [
      ['program', 'string'],
      ['arguments', 'array'],
    ],
  }
  assert.deepEqual(callArguments(listed, ['df'], undefined), { program: 'df' })
  assert.deepEqual(callArguments(listed, ['df', '-h', '1'], undefined), {
    program: 'df',
    arguments: ['-h', '1'],
  })
})

test('words that do not fit are named', () => {
  for (const [words, reason] of [
    [['a', 'b'], 'count is a number'],
    [['a', ' '], 'count is a number'],
    [['a', '1', '1', 'yes'], 'flag is true or false'],
    [['a', '1', '1', 'true', 'more'], 'typed takes text count share flag'],
  ] as const) {
    assert.throws(() => callArguments(typed, words, undefined), {
      code: 'KOS_CLI_USAGE',
      details: { reason },
    })
  }
})

test('a command that only the peer knows takes JSON or nothing', () => {
  assert.deepEqual(callArguments(undefined, [], undefined), {})
  assert.deepEqual(callArguments(undefined, [], '{"a":[1]}'), { a: [1] })
  assert.throws(() => callArguments(undefined, ['a'], undefined), { code: 'KOS_CLI_USAGE' })
  for (const json of ['', '[1]', 'null', '"a"', '{"a":1,"a":2', '{']) {
    assert.throws(() => callArguments(undefined, [], json), { code: 'KOS_CLI_USAGE' }, json)
  }
  assert.throws(() => callArguments(typed, ['a'], '{}'), {
    details: { reason: 'give either words or --args' },
  })
})

/** The type of the words for one argument; an argument of any type is given as text. */
function wordType(command: Command, name: string): string {
  const properties = command.argumentJsonSchema['properties'] as Record<string, { type?: string }>
  const type = properties[name]?.type ?? 'string'
  return type === 'integer' ? 'number' : type
}

test('the built-in commands take the words that their definitions say', () => {
  const notHere = (): never => assert.fail('a definition is not run')
  const builtins = createBuiltins({ system: { status: notHere, info: notHere } }, { fileRoots: [] })
  const describing = describingCommands({ list: notHere, userNames: notHere, refused: notHere })
  assert.deepEqual(
    BUILTIN_WORDS,
    [...builtins, ...describing, policyExplainCommand({ explain: notHere })].map((command) => ({
      name: command.name,
      positional: command.positional.map((name) => [name, wordType(command, name)]),
      // What can only stream.
      ...(command.name === 'files.fetch' && { streams: true }),
    })),
  )
})
