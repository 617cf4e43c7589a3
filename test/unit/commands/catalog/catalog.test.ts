/** The catalog, and the minting of validated calls. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import {
  calcCommand,
  createCatalog,
  defineCommand,
  echoCommand,
} from '../../../../src/commands/catalog/index.ts'
import { isRefusal, refuse, z } from '../../../../src/foundation/base/index.ts'
import { mintAuthorised, Validated } from '../../../../src/foundation/pipeline/index.ts'
import { authenticatedPeer, callOf, TEST_GRANT } from '../../../kit/calls.ts'
import { validateCall } from '../../../kit/commands.ts'

const lower = defineCommand<{ readonly path: string; readonly tags?: string[] | undefined }, {}>({
  name: 'demo.lower',
  domain: 'rpc',
  summary: 'Demo',
  description: 'Demo.',
  argumentSchema: z.strictObject({
    path: z.string().max(100),
    tags: z.array(z.string()).optional(),
  }),
  resultSchema: z.strictObject({}),
  positional: ['path'],
  permission: 'demo',
  effects: 'read',
  limits: { maxArgumentBytes: 1024, maxResultBytes: 64, timeoutMs: 1000, concurrency: 1 },
  examples: [{ purpose: 'Lower a path.', arguments: { path: 'A' } }],
  canonicalise: (args) =>
    args.path === 'bad'
      ? refuse('KOS_CATALOG_ARGUMENTS', 'demo/bad')
      : { ...args, path: args.path.toLowerCase() },
  confine: ({ path }) =>
    path.startsWith('/etc') ? refuse('KOS_CATALOG_FILE_REFUSED', 'demo/etc') : undefined,
  run: () => ({}),
})

const ruleOf = (args: unknown): string => {
  const refusal = validateCall(lower, args)
  return isRefusal(refusal) ? refusal.rule : 'allowed'
}

describe('the catalog', () => {
  test('finds commands by their exact name and lists them sorted', () => {
    const catalog = createCatalog([echoCommand, calcCommand])
    assert.equal(catalog.get('calc'), calcCommand)
    for (const name of ['Calc', 'calc ', 'toString', '__proto__', '']) {
      assert.equal(catalog.get(name), undefined)
    }
    assert.deepEqual(catalog.list(), [calcCommand, echoCommand])
    assert.ok(Object.isFrozen(catalog) && Object.isFrozen(catalog.list()))
  })

  test('refuses a second command of a name, and a name that is none', () => {
    assert.throws(() => createCatalog([echoCommand, { ...echoCommand }]), {
      code: 'KOS_CATALOG_DUPLICATE',
    })
    assert.throws(() => createCatalog([{ ...echoCommand, name: 'Echo' }]), {
      code: 'KOS_CATALOG_NAME',
    })
  })

  test('does not validate for a command that was not called, or that is not its own', () => {
    const catalog = createCatalog([echoCommand, calcCommand])
    const call = callOf('echo', { value: 'x' })
    const facts = { call, grant: TEST_GRANT, decideArguments: undefined }
    const authorised = mintAuthorised(authenticatedPeer(), facts)
    for (const command of [calcCommand, { ...echoCommand }, lower]) {
      assert.throws(() => catalog.validate(command, authorised), { code: 'KOS_CATALOG_DEFINITION' })
    }
  })
})

describe('validation', () => {
  test('mints a stage with canonical, frozen arguments', () => {
    const tags = ['a']
    const validated = validateCall(lower, { path: '/Srv/A', tags })
    assert.ok(validated instanceof Validated)
    assert.deepEqual(validated.arguments, { path: '/srv/a', tags: ['a'] })
    assert.ok(Object.isFrozen(validated.arguments))
    assert.equal(validated.grant, TEST_GRANT)
    tags.push('b')
    assert.deepEqual(validated.arguments, { path: '/srv/a', tags: ['a'] })
  })

  test('names the field and the rule, never the value', () => {
    assert.equal(ruleOf({ path: 1 }), 'arguments.path: invalid_type')
    assert.equal(ruleOf({ path: 'a', tags: ['x', 2] }), 'arguments.tags.1: invalid_type')
    assert.equal(ruleOf({}), 'arguments.path: invalid_type')
    assert.equal(ruleOf({ path: 'a', secret: 'x' }), 'arguments.value: unrecognized_keys')
    assert.equal(ruleOf({ path: 'x'.repeat(101) }), 'arguments.path: too_big')
    assert.equal(ruleOf({ path: 'x'.repeat(2000) }), 'arguments: too-long')
    assert.equal(ruleOf({ path: 'a\u0007' }), 'arguments: control-character')
  })

  test('arguments are one map', () => {
    for (const args of [null, undefined, [], 'path', 1, new Uint8Array(1)]) {
      assert.match(ruleOf(args), /^arguments: not-(?:a-map|data)$|^arguments\./)
    }
    const refusal = validateCall(lower, [])
    assert.deepEqual(refusal, {
      allow: false,
      code: 'KOS_CATALOG_ARGUMENTS',
      rule: 'arguments: not-a-map',
      remedy: 'Give arguments that fit the schema of demo.lower.',
    })
  })

  test('a refusal of the canonical form is passed on', () => {
    assert.equal(ruleOf({ path: 'bad' }), 'demo/bad')
  })
})

describe('order of the rules', () => {
  test('policy decides on the canonical value, before the command itself does', () => {
    const seen: unknown[] = []
    const deny = refuse('KOS_POLICY_DENIED', 'fleet/deny-etc')
    const refusal = validateCall(lower, { path: '/ETC/shadow' }, (args) => {
      seen.push(args)
      assert.ok(Object.isFrozen(args))
      return deny
    })
    assert.equal(refusal, deny)
    assert.deepEqual(seen, [{ path: '/etc/shadow' }])
  })

  test('what policy allows, the command can still refuse', () => {
    const refusal = validateCall(lower, { path: '/ETC/shadow' }, () => TEST_GRANT)
    assert.ok(isRefusal(refusal))
    assert.equal(refusal.rule, 'demo/etc')
  })

  test('the grant of an argument rule stands in the stage', () => {
    const grant = { ...TEST_GRANT, rule: 'owner/allow-srv' }
    const validated = validateCall(lower, { path: '/srv' }, () => grant)
    assert.ok(validated instanceof Validated)
    assert.equal(validated.grant, grant)
  })

  test('a schema failure asks no rule', () => {
    const decide = (): never => assert.fail('asked')
    assert.ok(isRefusal(validateCall(lower, { path: 1 }, decide)))
  })
})

test('canonical arguments are those of a call, and nothing is decided', () => {
  const catalog = createCatalog([lower])
  const canonical = catalog.canonicalise(lower, { path: '/ETC/Shadow' })
  // The command would not run with it: that is not the question here.
  assert.ok(!isRefusal(canonical))
  assert.deepEqual(canonical.arguments, { path: '/etc/shadow' })
  assert.ok(Object.isFrozen(canonical.arguments))
  for (const [given, rule] of [
    [{ path: 'bad' }, 'demo/bad'],
    [{ path: 1 }, ruleOf({ path: 1 })],
    ['path', ruleOf('path')],
    [{ path: 'a', '\u0000': 1 }, ruleOf({ path: 'a', '\u0000': 1 })],
  ] as const) {
    const refused = catalog.canonicalise(lower, given)
    assert.ok(isRefusal(refused))
    assert.equal(refused.rule, rule)
  }
  assert.throws(() => catalog.canonicalise(echoCommand, {}), { code: 'KOS_CATALOG_DEFINITION' })
})
