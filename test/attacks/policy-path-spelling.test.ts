/** A denied folder is asked for by every other spelling of its path that might mean the same place. */
import assert from 'node:assert/strict'
import { posix } from 'node:path'
import { test } from 'node:test'
import { isRefusal } from '../../src/foundation/base/index.ts'
import { createBuiltins, createCatalog } from '../../src/commands/catalog/index.ts'
import { ask, engineWith, manifestOf, ruleOf } from '../kit/policy.ts'

const SECRET = '/srv/data/secret'
const unused = (): never => assert.fail('nothing runs')
const catalog = createCatalog(
  createBuiltins(
    { system: { status: unused, info: unused } },
    { fileRoots: [{ name: 'share', directory: '/srv/data' }] },
  ),
)
const engine = engineWith([
  manifestOf([
    ruleOf(),
    ruleOf({
      id: 'no-secrets',
      effect: 'deny',
      actions: ['files.>'],
      when: [{ argument: 'path', pathPrefix: SECRET }],
    }),
  ]),
])

/** The canonical path of a call that policy allows; `undefined`: it is refused somewhere. */
function allowedPath(command: string, path: unknown): string | undefined {
  const definition = catalog.get(command)
  assert.ok(definition)
  const canonical = catalog.canonicalise(definition, { path })
  if (isRefusal(canonical)) return undefined
  const decision = engine.decide(ask({ action: command, arguments: canonical.arguments }))
  return decision.allow === true ? (canonical.arguments as { path: string }).path : undefined
}

const SPELLINGS: readonly string[] = [
  'share/secret',
  'share/secret/key',
  'share//secret',
  'share/./secret/key',
  'share/secret/',
  'share/x/../secret',
  './share/secret',
  '/srv/data/secret',
  '//srv/data/secret/key',
  '/srv//data///secret/key',
  '/srv/./data/./secret/./key',
  '/srv/data/secret/.',
  '/srv/data/secret//',
  '/srv/data/public/../secret',
  '/../srv/data/secret',
  '/srv/data/secret/../secret/key',
  '/srv/data/secret\u0000',
  '/srv/data/secret\u0000/../public',
  '/srv/data\\secret',
  '\\srv\\data\\secret',
]

test('no spelling of a denied path is allowed', () => {
  for (const command of ['files.read', 'files.list']) {
    for (const path of SPELLINGS) assert.equal(allowedPath(command, path), undefined, path)
    // The rule is as wide as it says and no wider.
    assert.equal(allowedPath(command, '/srv/data/secrets'), '/srv/data/secrets')
    assert.equal(allowedPath(command, 'share/public'), '/srv/data/public')
  }
})

test('what looks like a denied path and is allowed is another file', () => {
  // To the kernel a path is bytes: none of these is decoded, folded or normalised by anybody.
  const lookalikes = [
    '/srv/data/%73ecret',
    '/srv/data/%2e%2e/data/secret',
    '/srv/data/SECRET',
    '/srv/data/ｓecret',
    '/srv/data/s\u00e9cret',
    '/srv/data/se\u0301cret',
    '/srv∕data∕secret',
    '/srv／data／secret',
    '/srv/data/secret\u200b',
    '/srv/data/ѕecret',
    '~/secret',
    'file:///srv/data/secret',
  ]
  const bytes = new Set([SECRET])
  for (const path of lookalikes) {
    const allowed = allowedPath('files.read', path)
    if (allowed === undefined) continue
    const resolved = posix.resolve('/', allowed)
    assert.equal(resolved, allowed, 'the rules saw what will be opened')
    assert.ok(!resolved.startsWith(`${SECRET}/`) && !bytes.has(resolved), path)
    bytes.add(resolved)
  }
})

test('values of another kind are not compared as paths', () => {
  for (const path of [
    null,
    7,
    true,
    ['/srv/data/secret'],
    { path: SECRET },
    new Uint8Array([47]),
  ]) {
    assert.equal(allowedPath('files.read', path), undefined)
  }
  // Without the command’s own schema a rule still denies what it cannot compare.
  for (const path of [7, null, [SECRET], '/srv/data/public/../secret', undefined]) {
    const decision = engine.decide(ask({ arguments: { path } }))
    assert.equal(decision.allow, false)
  }
})
