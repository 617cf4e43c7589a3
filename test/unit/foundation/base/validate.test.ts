import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { parseJson, validate, z } from '../../../../src/foundation/base/index.ts'

const ruleOf = (result: { readonly allow: boolean; readonly rule?: string }): string | undefined =>
  result.rule

/** Arrays nested so deep. */
const nested = (depth: number): unknown => {
  let value: unknown = 1
  for (let n = 0; n < depth; n += 1) value = [value]
  return value
}

describe('validate', () => {
  const schema = z.strictObject({ name: z.string().max(8), tags: z.array(z.int()).optional() })

  test('returns the typed value', () => {
    assert.deepEqual(validate(schema, { name: 'a' }), { allow: true, value: { name: 'a' } })
  })

  test('names path and rule, never the value', () => {
    const result = validate(schema, { name: 'a', tags: [1, 'hunter2'] })
    assert.deepEqual(result, {
      allow: false,
      code: 'KOS_BASE_INVALID',
      rule: 'tags.1: invalid_type',
    })
  })

  test('refuses what the schema does not name', () => {
    assert.equal(ruleOf(validate(schema, { name: 'a', x: 1 })), 'value: unrecognized_keys')
  })

  test('does not repeat a name that the input chose', () => {
    const record = z.record(z.string(), z.int())
    assert.equal(ruleOf(validate(record, { 'a\nb': 'x' })), '?: invalid_type')
    assert.equal(ruleOf(validate(record, { [`${'k'.repeat(65)}`]: 'x' })), '?: invalid_type')
    assert.equal(ruleOf(validate(record, { fine: 'x' })), 'fine: invalid_type')
  })

  test('bounds depth before the schema looks', () => {
    const any = z.unknown()
    assert.ok(validate(any, nested(16)).allow)
    assert.equal(ruleOf(validate(any, nested(17))), 'value: too deep')
    assert.equal(ruleOf(validate(any, nested(3), { maxDepth: 2, maxItems: 9 })), 'value: too deep')
    assert.equal(ruleOf(validate(any, nested(100_000))), 'value: too deep')
  })

  test('bounds the number of items before the schema looks', () => {
    const limits = { maxDepth: 4, maxItems: 4 }
    assert.ok(validate(z.unknown(), [1, { a: 1 }, 2], limits).allow)
    assert.equal(
      ruleOf(validate(z.unknown(), [1, { a: 1, b: 2 }, 2], limits)),
      'value: too many items',
    )
  })

  test('bytes count as one item', () => {
    const limits = { maxDepth: 4, maxItems: 1 }
    assert.ok(validate(z.unknown(), [new Uint8Array(100)], limits).allow)
  })
})

describe('parseJson', () => {
  const accepted: readonly string[] = [
    '{}',
    '[]',
    'null',
    ' {"a":[1,-2,0.5,1e3,true,false,null,"x"],"b":{"a":1}} ',
    '[{"a":1},{"a":2}]',
    '{"a":{"a":{"a":1}},"b":"a"}',
    '"a\\"b\\\\"',
    '["{\\"a\\":1,\\"a\\":2}"]',
    '"\\ud83d\\ude00"',
    '9007199254740991',
    '-9007199254740991',
    '1.0',
    '-0',
  ]
  for (const text of accepted) {
    test(`accepts ${text}`, () => {
      const result = parseJson(text, 1000)
      assert.ok(result.allow)
      assert.deepEqual(result.value, JSON.parse(text))
    })
  }

  const refused: readonly (readonly [text: string, rule: string])[] = [
    ['{"a":1,"a":1}', 'json: repeated name'],
    ['{"a":1,"\\u0061":2}', 'json: repeated name'],
    ['[{"x":{"b":[],"a":{},"b":0}}]', 'json: repeated name'],
    ['{"a":{},"b":[{"c":1}],"a":1}', 'json: repeated name'],
    ['{"__proto__":{}}', 'json: forbidden name'],
    ['{"\\u005f_proto__":{}}', 'json: forbidden name'],
    ['"\\ud83d"', 'json: lone surrogate'],
    ['{"\\udc00":1}', 'json: lone surrogate'],
    ['"\ud83d"', 'json: lone surrogate'],
    ['9007199254740993', 'json: number out of range'],
    ['[-9007199254740992]', 'json: number out of range'],
    ['1e400', 'json: number out of range'],
    ['-1e400', 'json: number out of range'],
    ['1e300', 'json: number out of range'],
    ['', 'json: malformed'],
    ['{', 'json: malformed'],
    ['"', 'json: malformed'],
    ['"\\', 'json: malformed'],
    ['"\\x"', 'json: malformed'],
    ['}', 'json: malformed'],
    ['{"a":1,}', 'json: malformed'],
    ['[1]]', 'json: malformed'],
    ['1-2', 'json: malformed'],
    ['01', 'json: malformed'],
    ["{'a':1}", 'json: malformed'],
    ['\ufeff{}', 'json: malformed'],
    ['undefined', 'json: malformed'],
  ]
  for (const [text, rule] of refused) {
    test(`refuses ${JSON.stringify(text)}`, () => {
      assert.deepEqual(parseJson(text, 1000), { allow: false, code: 'KOS_BASE_INVALID', rule })
    })
  }

  test('bounds the bytes, not the characters', () => {
    assert.ok(parseJson('"é"', 4).allow)
    assert.equal(ruleOf(parseJson('"é"', 3)), 'json: too long')
  })

  test('bounds the depth', () => {
    const text = (depth: number): string => '['.repeat(depth) + ']'.repeat(depth)
    assert.ok(parseJson(text(64), 1000).allow)
    assert.equal(ruleOf(parseJson(text(65), 1000)), 'json: too deep')
    assert.equal(ruleOf(parseJson(text(1_000_000), 3_000_000)), 'json: too deep')
  })
})
