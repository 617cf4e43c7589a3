/** Attack: a command file whose schema takes for ever to read, or to check a value against. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { commandFile, objectSchema, readFile } from '../kit/user-commands.ts'

type Json = Readonly<Record<string, unknown>>

function refusedAt(file: unknown): readonly string[] {
  const { definition, problems } = readFile(file)
  assert.equal(definition, undefined)
  return problems.map(({ pointer }) => pointer)
}

function nested(levels: number): Json {
  let schema: Json = { type: 'string' }
  for (let level = 0; level < levels; level++) schema = { type: 'array', items: schema }
  return schema
}

test('a deep schema is refused where it gets too deep', () => {
  const deep = refusedAt(commandFile({ arguments: objectSchema({ word: nested(20) }) }))
  assert.equal(deep.length, 1)
  assert.match(deep[0] ?? '', /^\/arguments\/properties\/word(?:\/items){6}$/)
  // Deeper than JSON itself is read.
  assert.deepEqual(refusedAt(`{"arguments":${'{"a":'.repeat(10_000)}1${'}'.repeat(10_000)}}`), [''])
})

test('a wide schema is refused, and said so once', () => {
  const wide = objectSchema(
    Object.fromEntries(
      Array.from({ length: 40 }, (_, index) => [
        `p${index}`,
        objectSchema(
          Object.fromEntries(Array.from({ length: 40 }, (__, at) => [`q${at}`, { type: 'null' }])),
        ),
      ]),
    ),
  )
  const problems = refusedAt(commandFile({ arguments: wide }))
  assert.equal(problems.length, 1)
})

test('references, with which a small file could mean a huge schema, are refused', () => {
  const level = (next: number): Json => ({
    anyOf: [{ $ref: `#/$defs/l${next}` }, { $ref: `#/$defs/l${next}` }],
  })
  const file = commandFile({
    arguments: {
      ...objectSchema({ word: level(1) }),
      $defs: { l1: level(2), l2: { type: 'null' } },
    },
  })
  assert.ok(refusedAt(file).includes('/arguments/$defs'))
})

test('patterns that go back and try again without end are refused', () => {
  for (const pattern of [
    '^(a+)+$',
    '^(a|a)*$',
    '^a*a*a*a*a*b$',
    '^(.*)*$',
    '^[a-z]+[a-z0-9]*[0-9]+$',
  ]) {
    const word = { type: 'string', maxLength: 16_384, pattern }
    assert.deepEqual(refusedAt(commandFile({ arguments: objectSchema({ word }) })), [
      '/arguments/properties/word/pattern',
    ])
  }
})

test('the accepted patterns take the longest text in steps that it has characters', () => {
  // With going back, each of these would take longer than the life of the test.
  for (const [pattern, text] of [
    ['^[a-z]+-[0-9]+$', 'a'.repeat(16_384)],
    ['^[a-z]*-?[0-9]*_?[A-Z]+$', `${'a'.repeat(8000)}-${'0'.repeat(8000)}`],
    ['^[ab]*c{256}$', 'ab'.repeat(8192)],
  ] as const) {
    const word = { type: 'string', maxLength: 16_384, pattern }
    const file = commandFile({
      arguments: objectSchema({ word }, []),
      examples: [{ purpose: 'x', arguments: {} }],
      run: { program: '/usr/bin/printf' },
    })
    const { definition, problems } = readFile(file)
    assert.deepEqual(problems, [])
    assert.equal(definition?.argumentSchema.safeParse({ word: text }).success, false)
  }
})
