import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { z } from '../../src/foundation/base/index.ts'
import { bytesSchema } from '../../src/commands/catalog/command.ts'
import { schemaParser } from '../../src/commands/catalog/quick-schema.ts'

/** Schemas of members: those that are tested quickly, and their neighbours that are not. */
const member: fc.Arbitrary<z.ZodType> = fc.letrec<{ simple: z.ZodType; any: z.ZodType }>((tie) => ({
  simple: fc.oneof(
    fc.nat(6).map((max) => z.string().max(max)),
    fc.tuple(fc.nat(3), fc.nat(6)).map(([min, max]) => z.string().min(min).max(max)),
    fc.nat(6).map((max) => bytesSchema(max)),
    fc.constantFrom<z.ZodType>(
      z.string(),
      z.boolean(),
      z.number(),
      z.int(),
      z.number().min(0),
      z.string().trim(),
      z.string().toLowerCase().max(3),
      z.string().regex(/^a/),
      z.string().length(2),
      z.email(),
      z.coerce.string(),
      z.coerce.number(),
      z.literal('a'),
      z.enum(['a', 'b']),
      z.string().nullable(),
      z.string().default('x'),
      z.string().transform((text) => text.length),
      z.string().refine((text) => text !== 'a'),
      z.unknown(),
      bytesSchema(3).refine((bytes) => bytes[0] !== 0),
      z.strictObject({ a: z.string() }),
      z.array(z.string()),
    ),
  ),
  any: fc.oneof(
    { weight: 4, arbitrary: tie('simple') },
    fc.array(tie('simple'), { minLength: 1, maxLength: 3 }).map((options) => z.union(options)),
    tie('simple').map((schema) => schema.optional()),
    tie('simple').map((schema) => z.union([schema, z.number()]).optional()),
  ),
})).any

const key = fc.constantFrom('a', 'b', 'value', 'constructor', '')
const object = fc
  .tuple(
    fc.dictionary(key, member, { maxKeys: 4 }),
    fc.constantFrom('strict', 'loose', 'strip', 'refined'),
  )
  .map(([shape, kind]): z.ZodType => {
    if (kind === 'loose') return z.looseObject(shape)
    if (kind === 'strip') return z.object(shape)
    const strict = z.strictObject(shape)
    return kind === 'refined' ? strict.refine((value) => Object.keys(value).length !== 1) : strict
  })

const leaf = fc.oneof(
  fc.string({ maxLength: 7 }),
  fc.constantFrom<unknown>('a', 'ab', ' a ', 'A', '\ud800', undefined, null, '', -0, 1, 1.5),
  fc.double(),
  fc.boolean(),
  fc.uint8Array({ maxLength: 7 }),
  fc.constantFrom<unknown>([], ['a'], { a: 'a' }, 1n, new Uint16Array(1), Buffer.from('ab')),
)
const value = fc.oneof(
  { weight: 9, arbitrary: fc.dictionary(key, leaf, { maxKeys: 4, noNullPrototype: false }) },
  leaf,
  fc.constantFrom<unknown>(
    new (class {
      readonly a = 'a'
    })(),
    new Map([['a', 'a']]),
    () => 1,
  ),
)

describe('the quick parser of a schema', () => {
  it('says what the schema says, of any value, with the same outcome', () => {
    fc.assert(
      fc.property(object, value, (schema, given) => {
        const { success, data } = schema.safeParse(given)
        const parsed = schemaParser(schema)(given)
        if (!success) return assert.equal(parsed, undefined)
        assert.deepStrictEqual(parsed, data)
        return assert.deepEqual(Object.keys(parsed as object), Object.keys(data as object))
      }),
      { numRuns: 3000 },
    )
  })

  it('makes an object of its own, as the schema does', () => {
    const parse = schemaParser(z.strictObject({ a: z.string(), b: z.boolean().optional() }))
    const given = Object.freeze({ a: 'x' })
    const parsed = parse(given)
    assert.deepStrictEqual(parsed, { a: 'x' })
    assert.notEqual(parsed, given)
  })

  it('asks a schema of bytes that was narrowed afterwards', () => {
    const schema = z.strictObject({ a: bytesSchema(4).refine((bytes) => bytes[0] === 1) })
    assert.equal(schemaParser(schema)({ a: Uint8Array.of(2) }), undefined)
  })
})
