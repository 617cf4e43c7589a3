/** JSON Schemas of files: what is accepted is enforced, and what is not understood is refused. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { z } from '../../../../src/foundation/base/index.ts'
import { patternProblem } from '../../../../src/commands/catalog/user-pattern.ts'
import { type FileProblem, readObjectSchema } from '../../../../src/commands/catalog/user-schema.ts'
import { objectSchema } from '../../../kit/user-commands.ts'

function read(schema: unknown): {
  readonly problems: readonly FileProblem[]
  readonly zod: z.ZodType
} {
  const problems: FileProblem[] = []
  const zod = readObjectSchema(schema, { pointer: '', maxLength: 1024 }, problems)
  return { problems, zod }
}

/** Values of one property `v` that fit and that do not. */
const ENFORCED: readonly (readonly [schema: unknown, fits: unknown[], not: unknown[]])[] = [
  [{ type: 'string', minLength: 1, maxLength: 2 }, ['a', 'ab'], ['', 'abc', 1, null]],
  [{ type: 'string' }, ['x'.repeat(1024)], ['x'.repeat(1025)]],
  [{ type: 'string', pattern: '^[a-z]+-[0-9]{2}$' }, ['ab-12'], ['ab-1', 'ab-123', 'AB-12']],
  [{ type: 'string', enum: ['a', 'b'] }, ['a'], ['c', '']],
  [{ const: 3 }, [3], ['3', 4]],
  [{ enum: ['a', 1, null] }, ['a', 1, null], ['1', 0]],
  [{ type: 'integer', minimum: 1, maximum: 3 }, [1, 3], [0, 4, 1.5, '1', 2 ** 53]],
  [{ type: 'number', exclusiveMinimum: 0, exclusiveMaximum: 1 }, [0.5], [0, 1, Infinity]],
  [{ type: 'boolean' }, [true], ['true', 1]],
  [{ type: 'null' }, [null], [0]],
  [
    { type: 'array', items: { type: 'integer' }, minItems: 1, maxItems: 2 },
    [[1]],
    [[], [1, 2, 3], ['a']],
  ],
  [{ type: 'array', items: { type: 'integer' } }, [Array(256).fill(1)], [Array(257).fill(1)]],
  [objectSchema({ a: { type: 'integer' } }), [{ a: 1 }], [{}, { a: 1, b: 2 }]],
  [{ anyOf: [{ type: 'string' }, { type: 'null' }] }, ['a', null], [1]],
]

describe('keywords are enforced', () => {
  for (const [schema, fits, not] of ENFORCED) {
    test(JSON.stringify(schema).slice(0, 80), () => {
      const { zod, problems } = read(objectSchema({ v: schema }))
      assert.deepEqual(problems, [])
      for (const v of fits) assert.ok(zod.safeParse({ v }).success, JSON.stringify(v))
      for (const v of not) assert.ok(!zod.safeParse({ v }).success, JSON.stringify(v))
      assert.ok(!zod.safeParse({ v: fits[0], other: 1 }).success)
    })
  }

  test('a member may be missing, and has its default then', () => {
    const { zod, problems } = read(
      objectSchema({ a: { type: 'integer', default: 7 }, b: { type: 'string' } }, []),
    )
    assert.deepEqual(problems, [])
    assert.deepEqual(zod.parse({}), { a: 7 })
  })

  test('the derived schema shows the bounds that were added', () => {
    const { zod } = read(objectSchema({ v: { type: 'string', description: 'A text' } }))
    const { properties } = z.toJSONSchema(zod)
    assert.deepEqual(properties?.['v'], {
      type: 'string',
      description: 'A text',
      minLength: 0,
      maxLength: 1024,
    })
  })
})

const property = (v: unknown): unknown => objectSchema({ v })
const REFUSED: readonly (readonly [schema: unknown, pointer: string])[] = [
  [true, ''],
  [{ type: 'array', items: { type: 'string' } }, ''],
  [{ type: 'object', properties: {} }, ''],
  [{ type: 'object', properties: {}, additionalProperties: true }, ''],
  [{ ...objectSchema({}), $schema: 'http://json-schema.org/draft-04/schema#' }, '/$schema'],
  [{ ...objectSchema({}), patternProperties: {} }, '/patternProperties'],
  [{ ...objectSchema({}), required: ['x'] }, '/required/0'],
  [{ ...objectSchema({}), required: 'x' }, '/required'],
  [objectSchema({ constructor: { type: 'string' } }), '/properties/constructor'],
  [objectSchema({ 'a/b': { type: 'string' } }), '/properties/a~1b'],
  [property({ $ref: '#/$defs/x' }), '/properties/v/$ref'],
  [property({ $ref: 'https://example.org/x.json' }), '/properties/v/$ref'],
  [property({}), '/properties/v'],
  [property(true), '/properties/v'],
  [property({ type: ['string', 'null'] }), '/properties/v/type'],
  [property({ type: 'toString' }), '/properties/v/type'],
  [property({ type: 'string', format: 'email' }), '/properties/v/format'],
  [property({ type: 'string', maxLength: 16_385 }), '/properties/v/maxLength'],
  [property({ type: 'string', maxLength: 1, minLength: 2 }), '/properties/v/minLength'],
  [property({ type: 'string', pattern: '^(a+)+$' }), '/properties/v/pattern'],
  [property({ type: 'string', pattern: 7 }), '/properties/v/pattern'],
  [property({ type: 'string', description: 7 }), '/properties/v/description'],
  [property({ type: 'integer', minimum: '1' }), '/properties/v/minimum'],
  [property({ type: 'array' }), '/properties/v/items'],
  [property({ type: 'array', items: { type: 'null' }, maxItems: 5000 }), '/properties/v/maxItems'],
  [property({ type: 'array', items: { type: 'null' }, minItems: 300 }), '/properties/v/minItems'],
  [property({ enum: [] }), '/properties/v/enum'],
  [property({ enum: ['a', 'a'] }), '/properties/v/enum'],
  [property({ enum: [{}] }), '/properties/v/enum'],
  [property({ type: 'string', enum: [1] }), '/properties/v/enum'],
  [property({ enum: [1], const: 1 }), '/properties/v/enum'],
  [property({ anyOf: [] }), '/properties/v/anyOf'],
  [property({ anyOf: [{ type: 'string' }], type: 'string' }), '/properties/v/anyOf'],
  [property({ type: 'string', default: 'x' }), '/properties/v/default'],
  [objectSchema({ v: { type: 'string', default: 7 } }, []), '/properties/v/default'],
]

describe('what cannot be bounded or is not understood is refused with its place', () => {
  for (const [schema, pointer] of REFUSED) {
    test(`${pointer || '/'} of ${JSON.stringify(schema).slice(0, 90)}`, () => {
      assert.deepEqual(
        read(schema).problems.map((problem) => problem.pointer),
        [pointer],
      )
    })
  }
})

describe('patterns', () => {
  for (const pattern of [
    '^[a-z][a-z0-9-]{0,62}$',
    '^\\d{4}-\\d{2}-\\d{2}$',
    '^[\\w.-]+@[\\w-]+$',
    '^[^/]+/[^/]+$',
    '^[+\\-]?[0-9]{1,9}$',
    '^v[0-9]+\\.[0-9]+$',
    '^[a-c\\]x-z]{2,}$',
    '^\\.$',
  ]) {
    test(`accepted: ${pattern}`, () => {
      assert.equal(patternProblem(pattern), undefined)
      assert.ok(new RegExp(pattern, 'u'))
    })
  }

  for (const pattern of [
    'abc',
    '^abc',
    '^a\\$',
    '^(a|b)$',
    '^a|b$',
    '^a*a*$',
    '^[a-z]+[a-z0-9]+$',
    '^a*?$',
    '^a++$',
    '^.*$',
    '^\\bx$',
    '^\\1$',
    '^(?=a)a$',
    '^[z-a]$',
    '^[]$',
    '^[a$',
    '^[[a]]$',
    '^[a-\\d]$',
    '^[\\d-z]$',
    '^a{2,1}$',
    '^a{1001}$',
    '^a{x}$',
    `^${'a'.repeat(255)}$`,
    '^a?a?a?a?a?a?a?a?$',
  ]) {
    test(`refused: ${pattern.slice(0, 40)}`, () => {
      assert.notEqual(patternProblem(pattern), undefined)
    })
  }
})
