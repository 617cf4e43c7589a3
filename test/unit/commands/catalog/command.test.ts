/** Definitions of commands: what is checked at start. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import {
  bytesSchema,
  type CommandDefinition,
  defineCommand,
  isCommandName,
} from '../../../../src/commands/catalog/index.ts'
import { z } from '../../../../src/foundation/base/index.ts'

interface Args {
  readonly n: number
}

const definition: CommandDefinition<Args, Args> = {
  name: 'demo.double',
  domain: 'rpc',
  summary: 'Doubles a number',
  description: 'Returns twice the number.',
  argumentSchema: z.strictObject({ n: z.int().min(0).max(10) }),
  resultSchema: z.strictObject({ n: z.int() }),
  positional: ['n'],
  permission: 'demo',
  effects: 'read',
  limits: { maxArgumentBytes: 64, maxResultBytes: 64, timeoutMs: 1000, concurrency: 2 },
  examples: [{ purpose: 'Double two.', arguments: { n: 2 }, result: { n: 4 } }],
  run: (_context, { n }) => ({ n: 2 * n }),
}

const broken = (change: object): unknown => defineCommand({ ...definition, ...change })
const contradicts = (field: string): object => ({
  code: 'KOS_CATALOG_DEFINITION',
  details: { command: 'demo.double', field },
})

describe('a sound definition', () => {
  test('becomes a frozen command with derived JSON Schemas', () => {
    const command = defineCommand(definition)
    assert.ok(Object.isFrozen(command))
    assert.ok(Object.isFrozen(command.limits) && Object.isFrozen(command.positional))
    assert.deepEqual(command.argumentJsonSchema['properties'], {
      n: { type: 'integer', minimum: 0, maximum: 10 },
    })
    assert.equal(command.argumentJsonSchema['additionalProperties'], false)
    assert.deepEqual(command.resultJsonSchema['required'], ['n'])
  })

  test('can belong to the fabric domain when its name says so', () => {
    const change = { name: 'fabric.node.time', domain: 'fabric' } as const
    assert.equal(defineCommand({ ...definition, ...change }).domain, 'fabric')
  })

  test('an example need not tell its result', () => {
    const examples = [{ purpose: 'Double three.', arguments: { n: 3 } }]
    assert.equal(defineCommand({ ...definition, examples }).examples.length, 1)
  })
})

describe('names', () => {
  test('segments of lower-case letters, digits and hyphens', () => {
    for (const name of ['a', 'calc', 'files.read', 'a.b-c.d9', 'a'.repeat(64)]) {
      assert.ok(isCommandName(name), name)
    }
    const bad = [
      '',
      '.',
      'a.',
      '.a',
      'a..b',
      'A',
      'a b',
      '9a',
      '-a',
      'a/b',
      'ä',
      'a\n',
      '__proto__',
    ]
    for (const name of [...bad, 'a'.repeat(65), 'a.b.c.d.e.f.g.h.i']) {
      assert.equal(isCommandName(name), false, name)
    }
  })

  test('a malformed name, permission or domain is refused', () => {
    for (const change of [
      { name: 'Demo' },
      { permission: 'demo read' },
      { name: 'fabric.x' },
      { domain: 'fabric' },
    ]) {
      assert.throws(() => broken(change), { code: 'KOS_CATALOG_NAME' })
    }
  })
})

describe('contradictions are refused', () => {
  test('limits that are no limits', () => {
    for (const [field, most] of Object.entries({
      maxArgumentBytes: 16_384,
      maxResultBytes: 16 * 1024 * 1024,
      timeoutMs: 300_000,
      concurrency: 65_536,
    })) {
      for (const value of [0, -1, 1.5, Number.NaN, Number.POSITIVE_INFINITY, most + 1]) {
        assert.throws(
          () => broken({ limits: { ...definition.limits, [field]: value } }),
          contradicts(`limits.${field}`),
        )
      }
      assert.doesNotThrow(() => broken({ limits: { ...definition.limits, [field]: most } }))
    }
  })

  test('open argument schemas, and arguments that are no map', () => {
    for (const argumentSchema of [z.looseObject({ n: z.int() }), z.array(z.int()), z.string()]) {
      assert.throws(() => broken({ argumentSchema }), contradicts('argumentSchema'))
    }
  })

  test('results that are no map, or look like a refusal', () => {
    for (const resultSchema of [z.string(), z.strictObject({ allow: z.boolean() })]) {
      assert.throws(() => broken({ resultSchema }), contradicts('resultSchema'))
    }
  })

  test('positional arguments that do not exist or repeat', () => {
    for (const positional of [['m'], ['n', 'n'], ['toString']]) {
      assert.throws(() => broken({ positional }), contradicts('positional'))
    }
  })

  test('examples that are missing or do not work', () => {
    for (const examples of [
      [],
      [{ purpose: 'Too much.', arguments: { n: 11 } }],
      [{ purpose: 'Wrong.', arguments: { n: 1 }, result: { n: 'two' } }],
    ]) {
      assert.throws(() => broken({ examples }), contradicts('examples'))
    }
  })
})

test('byte arrays: bounded, and base64 in JSON Schema', () => {
  const schema = bytesSchema(4)
  assert.equal(schema.safeParse(new Uint8Array(4)).success, true)
  assert.equal(schema.safeParse(new Uint8Array(5)).success, false)
  assert.equal(schema.safeParse('abcd').success, false)
  const command = defineCommand({
    ...definition,
    argumentSchema: z.strictObject({ n: z.int(), data: schema.optional() }),
  })
  const properties = command.argumentJsonSchema['properties'] as Record<string, unknown>
  assert.deepEqual(properties['data'], {
    type: 'string',
    contentEncoding: 'base64',
    maxBytes: 4,
  })
})
