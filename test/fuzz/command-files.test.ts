/** Command files: whatever they hold, they are read or refused with a place; patterns stay quick. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { patternProblem } from '../../src/commands/catalog/user-pattern.ts'
import { fuzz } from '../kit/fuzz.ts'
import {
  commandFile,
  objectSchema,
  readFile,
  recordingRunner,
  userCommand,
} from '../kit/user-commands.ts'

const KEYWORDS =
  'type properties required additionalProperties items minItems maxItems minLength maxLength pattern minimum enum const anyOf default $ref'.split(
    ' ',
  )
const TYPES = ['object', 'array', 'string', 'integer', 'number', 'boolean', 'null', 'toString']

/** Schemas that are nearly right, and values that are no schemas. */
const { schema } = fc.letrec((tie) => ({
  value: fc.oneof(
    { maxDepth: 4 },
    fc.constantFrom<unknown>(0, 1, 300, -1, true, false, null, '', 'a', '^a+$', '^(a+)+$', [], {}),
    fc.constantFrom(...TYPES),
    fc.array(tie('value'), { maxLength: 3 }),
    tie('schema'),
  ),
  schema: fc.oneof(
    { maxDepth: 4 },
    fc.constantFrom<unknown>({ type: 'string' }, { type: 'integer' }, { enum: ['a', 'b'] }),
    fc.dictionary(fc.constantFrom(...KEYWORDS), tie('value'), { maxKeys: 4 }),
    fc.record({
      type: fc.constant('object'),
      additionalProperties: fc.constantFrom(false, false, false, true),
      properties: fc.dictionary(fc.constantFrom('word', 'b', 'constructor'), tie('schema'), {
        maxKeys: 3,
      }),
    }),
    fc.record({ type: fc.constantFrom(...TYPES), items: tie('schema') }),
  ),
}))
const members = Object.keys(commandFile())

test('a file with one odd member is read, or refused with its place', () => {
  fuzz(
    fc.property(fc.constantFrom(...members), schema, (member, odd) => {
      const file = commandFile({ [member]: odd })
      const { definition, problems } = readFile(file)
      assert.equal(definition === undefined, problems.length > 0)
      for (const { pointer, problem } of problems) {
        assert.match(pointer, /^(?:\/[^/]*)*$/)
        assert.ok(problem.length > 0)
      }
      if (definition) userCommand(file, recordingRunner())
    }),
  )
})

test('an accepted schema of arguments parses and shows what it is', () => {
  let accepted = 0
  fuzz(
    fc.property(schema, fc.jsonValue(), (odd, value) => {
      const file = commandFile({
        arguments: objectSchema({ word: odd }, []),
        positional: [],
        examples: [{ purpose: 'x', arguments: {} }],
        run: { program: '/usr/bin/printf' },
      })
      const { definition } = readFile(file)
      if (!definition) return
      accepted++
      const command = userCommand(file, recordingRunner())
      const parsed = command.argumentSchema.safeParse({ word: value })
      // What it makes of a value, it makes again of itself.
      if (parsed.success) assert.deepEqual(command.argumentSchema.parse(parsed.data), parsed.data)
    }),
  )
  assert.ok(accepted > 20, `${accepted} accepted`)
})

const atom = fc.constantFrom(
  'a',
  'b',
  '-',
  '[ab]',
  '[^a]',
  '[a-z]',
  '\\d',
  '\\w',
  '[\\w.-]',
  '\\.',
  '(',
  '|',
  '.',
)
const quantifier = fc.constantFrom('', '', '?', '*', '+', '{2}', '{1,3}', '{2,}', '*?', '++')
const pattern = fc
  .array(fc.tuple(atom, quantifier), { maxLength: 8 })
  .map((pieces) => `^${pieces.map((piece) => piece.join('')).join('')}$`)

test('an accepted pattern compiles, and no long text keeps it busy', () => {
  let accepted = 0
  fuzz(
    fc.property(pattern, (source) => {
      if (patternProblem(source) !== undefined) return
      accepted++
      const compiled = new RegExp(source, 'u')
      // Going back without end would take longer than this test has.
      for (const text of ['a', 'b', 'ab', '1', 'a1', '-a', '.-']) {
        compiled.test(`${text.repeat(4000)}!`)
        compiled.test(text.repeat(4000))
      }
    }),
  )
  assert.ok(accepted > 20, `${accepted} accepted`)
})
