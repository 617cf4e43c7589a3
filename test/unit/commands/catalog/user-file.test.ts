/** Command files: strict form, and every problem with its place. */
import assert from 'node:assert/strict'
import { chmodSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { commandSchemaFile } from '../../../../tools/commands-doc.ts'
import { commandFileJsonSchema } from '../../../../src/commands/catalog/index.ts'
import { commandFile, objectSchema, pointersOf, readFile } from '../../../kit/user-commands.ts'
import { temporaryFolder } from '../../../kit/temporary.ts'

const program = (run: object): Readonly<Record<string, unknown>> =>
  commandFile({ run: { program: '/usr/bin/printf', ...run } })
const optionalWord = objectSchema({ word: { type: 'string' } }, [])

test('a file that works gives its definition', () => {
  const { definition, problems } = readFile(commandFile())
  assert.deepEqual(problems, [])
  assert.equal(definition?.file.name, 'say.word')
  assert.deepEqual(definition?.file.limits.timeoutMs, 10_000)
})

const REFUSED: readonly (readonly [title: string, file: unknown, pointers: readonly string[]])[] = [
  ['no JSON', '{', ['']],
  ['a repeated name', '{"name":"a","name":"b"}', ['']],
  ['too long', `{"name":"${'a'.repeat(70_000)}"}`, ['']],
  ['an unknown member', commandFile({ shell: 'rm' }), ['/shell']],
  ['a missing member', { ...commandFile(), permission: undefined }, ['/permission']],
  ['a malformed name', commandFile({ name: 'Say' }), ['/name']],
  ['a name between nodes', commandFile({ name: 'fabric.node.fresh' }), ['/name']],
  ['a built-in name', commandFile({ name: 'calc' }), ['/name']],
  ['a permission between nodes', commandFile({ permission: 'fabric.x' }), ['/permission']],
  ['unknown effects', commandFile({ effects: 'none' }), ['/effects']],
  [
    'limits beyond the bounds',
    commandFile({ limits: { timeoutMs: 300_001 } }),
    ['/limits/timeoutMs'],
  ],
  ['an unknown limit', commandFile({ limits: { nice: 1 } }), ['/limits/nice']],
  ['no example', commandFile({ examples: [] }), ['/examples']],
  [
    'an example that does not fit',
    commandFile({ examples: [{ purpose: 'x', arguments: { word: 1 }, result: { text: 1 } }] }),
    ['/examples/0/arguments', '/examples/0/result'],
  ],
  ['an open argument object', commandFile({ arguments: { type: 'object' } }), ['/arguments']],
  [
    'a result that looks like a refusal',
    commandFile({ result: objectSchema({ allow: { type: 'string' } }) }),
    ['/result/properties/allow'],
  ],
  [
    'a text result of two members',
    commandFile({ result: objectSchema({ a: { type: 'string' }, b: { type: 'string' } }) }),
    ['/result'],
  ],
  ['a result schema that is missing', program({ output: 'json' }), ['/result']],
  [
    'positional names',
    commandFile({ positional: ['word', 'word', 'other'] }),
    ['/positional/1', '/positional/2'],
  ],
  [
    'a positional list of numbers',
    commandFile({
      arguments: objectSchema({ words: { type: 'array', items: { type: 'integer' } } }),
      positional: ['words'],
      examples: [{ purpose: 'x', arguments: { words: [] } }],
      run: { program: '/usr/bin/printf', arguments: ['{words}'] },
    }),
    ['/positional/0'],
  ],
  ['a relative program', commandFile({ run: { program: 'printf' } }), ['/run/program']],
  [
    'a program that is missing',
    commandFile({ run: { program: '/usr/bin/no-such' } }),
    ['/run/program', '/run/program'],
  ],
  ['a program by a link', commandFile({ run: { program: '/bin/printf' } }), ['/run/program']],
  [
    'a shell line',
    commandFile({ run: { program: '/usr/bin/printf x' } }),
    ['/run/program', '/run/program'],
  ],
  ['program and module', program({ module: './a.mjs' }), ['/result', '/run/program']],
  [
    'a module elsewhere',
    commandFile({ run: { module: '../a.mjs' }, result: optionalWord }),
    ['/run/module'],
  ],
  [
    'a module that is missing',
    commandFile({
      run: { module: './a.mjs' },
      result: optionalWord,
      examples: [{ purpose: 'x', arguments: { word: 'x' } }],
    }),
    ['/run/module'],
  ],
  ['an unknown way of standard error', program({ stderr: 'all' }), ['/run/stderr']],
  [
    'standard error without its member',
    { ...program({ stderr: 'result' }), result: objectSchema({ text: { type: 'string' } }) },
    ['/result/properties/stderr'],
  ],
  [
    'standard error in a member that can refuse it',
    {
      ...program({ output: 'json', stderr: 'result' }),
      result: objectSchema({ stderr: { type: 'string', maxLength: 10 } }),
      examples: [{ purpose: 'x', arguments: { word: 'x' } }],
    },
    ['/result/properties/stderr'],
  ],
  [
    'a stream of JSON',
    {
      ...program({ output: 'json' }),
      streams: true,
      result: optionalWord,
      examples: [{ purpose: 'x', arguments: { word: 'x' } }],
    },
    ['/streams'],
  ],
  [
    'a stream whose result cannot be empty',
    {
      ...program({}),
      streams: true,
      result: objectSchema({ text: { type: 'string', minLength: 1 } }),
    },
    ['/result'],
  ],
  [
    'a module that streams',
    { ...commandFile({ run: { module: './a.mjs' }, result: optionalWord }), streams: true },
    ['/streams'],
  ],
  ['a placeholder inside a word', program({ arguments: ['x{word}'] }), ['/run/arguments/0']],
  ['an unknown placeholder', program({ arguments: [['--a', '{other}']] }), ['/run/arguments/0/1']],
  ['a hyphen for nobody', program({ allowHyphen: ['other'] }), ['/run/allowHyphen/0']],
  [
    'an option that could lose its value',
    {
      ...program({ arguments: ['--word', '{word}'] }),
      arguments: optionalWord,
    },
    ['/run/arguments/1'],
  ],
  [
    'secrets',
    program({ reads: ['/', '/proc', '/no/such'] }),
    ['/run/reads/0', '/run/reads/1', '/run/reads/2'],
  ],
]

describe('a bad file names the place', () => {
  for (const [title, file, pointers] of REFUSED) {
    test(title, () =>
      assert.deepEqual(
        [...new Set(pointersOf(file))].toSorted(),
        [...new Set(pointers)].toSorted(),
      ),
    )
  }
})

test('a wrong form does not hide what is wrong with the schemas', () => {
  const file = commandFile({ effects: 'none', arguments: objectSchema({ word: { type: 'text' } }) })
  assert.deepEqual(pointersOf(file), ['/effects', '/arguments/properties/word/type'])
})

test('a list of texts may be the last positional argument only', () => {
  const list = { type: 'array', items: { type: 'string' } }
  const file = (positional: readonly string[]): unknown =>
    commandFile({
      arguments: objectSchema({ word: { type: 'string' }, list }),
      positional,
      examples: [{ purpose: 'x', arguments: { word: 'x', list: [] } }],
    })
  assert.deepEqual(pointersOf(file(['word', 'list'])), [])
  assert.deepEqual(pointersOf(file(['list', 'word'])), ['/positional/0'])
})

describe('what a command runs is nobody else’s', () => {
  test('a module that its group can write is refused', (context) => {
    const folder = temporaryFolder(context)
    const module = join(folder, 'a.mjs')
    writeFileSync(module, 'export const run = () => ({})')
    const file = commandFile({
      run: { module: './a.mjs' },
      result: optionalWord,
      examples: [{ purpose: 'x', arguments: { word: 'x' } }],
    })
    chmodSync(module, 0o644)
    assert.deepEqual(pointersOf(file, folder), [])
    chmodSync(module, 0o664)
    assert.deepEqual(pointersOf(file, folder), ['/run/module'])
    writeFileSync(module, 'x'.repeat(300_000))
    chmodSync(module, 0o644)
    assert.deepEqual(pointersOf(file, folder), ['/run/module'])
  })

  test('so are a program that others can write, one in such a folder, and one that is no program', (context) => {
    const folder = temporaryFolder(context)
    const path = join(folder, 'tool')
    const file = commandFile({ run: { program: path } })
    writeFileSync(path, '#!/usr/bin/true\n', { mode: 0o644 })
    assert.deepEqual(pointersOf(file), ['/run/program'])
    chmodSync(path, 0o755)
    assert.deepEqual(pointersOf(file), [])
    chmodSync(path, 0o757)
    assert.deepEqual(pointersOf(file), ['/run/program'])
    chmodSync(path, 0o755)
    chmodSync(folder, 0o777)
    assert.deepEqual(pointersOf(file), ['/run/program'])
    chmodSync(folder, 0o700)
    symlinkSync(path, join(folder, 'link'))
    assert.deepEqual(pointersOf(commandFile({ run: { program: join(folder, 'link') } })), [
      '/run/program',
    ])
    assert.deepEqual(pointersOf(commandFile({ run: { program: folder } })), ['/run/program'])
  })
})

test('the schema for editors is the one in docs, and has every member', () => {
  const page = readFileSync(
    join(import.meta.dirname, '../../../../docs/command.schema.json'),
    'utf8',
  )
  assert.equal(page, commandSchemaFile(), 'else: node tools/boot.js run tools/commands-doc.ts')
  const { properties, additionalProperties } = commandFileJsonSchema()
  assert.equal(additionalProperties, false)
  assert.ok(properties && typeof properties === 'object')
  for (const name of Object.keys(commandFile())) assert.ok(name in properties, name)
})
