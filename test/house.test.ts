/** The house stands: every import, mint and size in `src/` is as the architecture says. */
import assert from 'node:assert/strict'
import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { checkHouse, type SourceFile } from './kit/house.ts'

const ROOT = join(import.meta.dirname, '..')

function readSources(): readonly SourceFile[] {
  return globSync('src/**/*.{ts,tsx,mts,cts,js,mjs,cjs}', { cwd: ROOT })
    .toSorted()
    .map((path) => ({ path, text: readFileSync(join(ROOT, path), 'utf8') }))
}

test('src keeps the rules of the house', () => {
  const report = checkHouse(readSources())
  const faults = report.faults.map(
    ({ path, line, rule, message }) => `${path}:${line} ${rule}: ${message}`,
  )
  assert.equal(faults.join('\n'), '')
  assert.ok(report.files > 0 && report.edges > 0 && report.functions > 0)
})

/** The rules broken by one file of the given path and text (beside a harmless other file). */
function rulesBroken(path: string, text: string): readonly string[] {
  const other = { path: 'src/foundation/base/brand.ts', text: "import 'node:fs'\n" }
  const { faults } = checkHouse([other, { path, text }])
  return [...new Set(faults.map(({ rule }) => rule))]
}

const PLANTED: readonly (readonly [title: string, path: string, text: string, rule: string])[] = [
  ['a file outside every room', 'src/stray.ts', '', 'room'],
  ['an unknown room', 'src/trust/magic/index.ts', '', 'room'],
  [
    'an import of tests',
    'src/trust/pki/a.ts',
    "import { x } from '../../../test/kit/x.ts'",
    'room',
  ],
  [
    'an upward import',
    'src/trust/pki/a.ts',
    "import { x } from '../../network/session/index.ts'",
    'direction',
  ],
  [
    'an import of a wing on the same floor',
    'src/trust/policy/a.ts',
    "import { x } from '../../commands/catalog/index.ts'",
    'direction',
  ],
  [
    'an import of a room that stands behind',
    'src/trust/keys/a.ts',
    "import type { X } from '../pki/index.ts'",
    'direction',
  ],
  [
    'an upward re-export',
    'src/trust/keys/a.ts',
    "export { x } from '../audit/index.ts'",
    'direction',
  ],
  [
    'an upward import type',
    'src/trust/keys/a.ts',
    "export type T = import('../audit/index.ts').T",
    'direction',
  ],
  ['a side door', 'src/trust/pki/a.ts', "import { x } from '../keys/store.ts'", 'door'],
  ['the own package name', 'src/trust/pki/a.ts', "import { x } from 'kos/base'", 'door'],
  ['zod past its door', 'src/trust/pki/a.ts', "import { z } from 'zod'", 'door'],
  [
    'a foreign mint',
    'src/network/session/a.ts',
    "import { mintConnected } from '../../foundation/pipeline/index.ts'",
    'mint',
  ],
  [
    'a renamed foreign mint',
    'src/apps/node/a.ts',
    "import { mintRecorded as m } from '../../foundation/pipeline/index.ts'",
    'mint',
  ],
  [
    'a mint nobody owns',
    'src/trust/policy/a.ts',
    "import { mintAnything } from '../../foundation/pipeline/index.ts'",
    'mint',
  ],
  [
    'the whole pipeline as one name',
    'src/trust/policy/a.ts',
    "import * as p from '../../foundation/pipeline/index.ts'",
    'mint',
  ],
  [
    'a mint passed on by re-export',
    'src/trust/policy/a.ts',
    "export { mintAuthorised } from '../../foundation/pipeline/index.ts'",
    'mint',
  ],
  [
    'a mint passed on under another name',
    'src/trust/policy/a.ts',
    "import { mintAuthorised } from '../../foundation/pipeline/index.ts'\nexport { mintAuthorised as allow }",
    'mint',
  ],
  ['a decorator', 'src/trust/pki/a.ts', '@sealed class A {}', 'syntax'],
  ['an accessor', 'src/trust/pki/a.ts', 'class A { accessor x = 1 }', 'syntax'],
  ['broken syntax', 'src/trust/pki/a.ts', 'const = 1', 'syntax'],
  [
    'a dynamic import outside apps',
    'src/trust/pki/a.ts',
    "const x = await import('node:fs')",
    'dynamic',
  ],
  ['a default export', 'src/trust/pki/a.ts', 'export default 1', 'export'],
  [
    'a hidden default export',
    'src/trust/pki/a.ts',
    'const a = 1\nexport { a as default }',
    'export',
  ],
  ['an unlisted export', 'src/trust/pki/a.ts', "export * from './b.ts'", 'export'],
  ['a compared profile', 'src/trust/pki/a.ts', "if (profile === 'SEC-3') run()", 'profile'],
  ['a compared full profile', 'src/trust/pki/a.ts', "if ('kOS-SEC-0' != p.name) run()", 'profile'],
  ['a compared level', 'src/trust/pki/a.ts', 'if (profile.level >= 3) run()', 'profile'],
  ['a switched profile', 'src/trust/pki/a.ts', "switch (p) { case 'SEC-1': run() }", 'profile'],
  ['the environment', 'src/trust/pki/a.ts', 'const a = process.env.HOME', 'environment'],
  ['the environment by key', 'src/trust/pki/a.ts', "const a = process['env']", 'environment'],
  ['the environment taken apart', 'src/trust/pki/a.ts', 'const { env } = process', 'environment'],
  [
    'the environment by import',
    'src/trust/pki/a.ts',
    "import { env } from 'node:process'",
    'environment',
  ],
  ['the console outside the CLI', 'src/apps/node/a.ts', "console.log('x')", 'console'],
  ['a long file', 'src/trust/pki/a.ts', '// line\n'.repeat(601), 'size'],
  ['a long function', 'src/trust/pki/a.ts', `function f() {\n${'x()\n'.repeat(79)}}`, 'size'],
]

describe('planted faults are caught', () => {
  for (const [title, path, text, rule] of PLANTED) {
    test(title, () => assert.deepEqual(rulesBroken(path, text), [rule]))
  }

  test('a public name without docstring', () => {
    const door = {
      path: 'src/trust/pki/index.ts',
      text: "export { a, type B, c } from './a.ts'\n",
    }
    const room = {
      path: 'src/trust/pki/a.ts',
      text: '/** Says a. */\nexport const a = 1\nexport type B = 1\n// c\nexport function c() {}\n',
    }
    const { faults } = checkHouse([door, room])
    assert.deepEqual(
      faults.map(({ rule, message }) => `${rule}: ${message}`),
      ['B', 'c'].map((name) => `docstring: ${name} is public and has no docstring`),
    )
  })

  test('long files in general', () => {
    const long = { path: 'src/trust/pki/a.ts', text: "import 'node:fs'\n".repeat(351) }
    assert.deepEqual(
      checkHouse([long]).faults.map(({ message }) => message),
      ['p90 of file lines is 351'],
    )
  })

  test('long functions in general', () => {
    const text = `import 'node:fs'\nfunction f() {\n${'x()\n'.repeat(39)}}\n`
    assert.deepEqual(
      checkHouse([{ path: 'src/trust/pki/a.ts', text }]).faults.map(({ message }) => message),
      ['p90 of function lines is 41'],
    )
  })

  test('no file at all', () => {
    assert.deepEqual(
      checkHouse([]).faults.map(({ rule }) => rule),
      ['empty'],
    )
  })
})

const HARMLESS: readonly (readonly [title: string, path: string, text: string])[] = [
  [
    'a lower floor through its door',
    'src/network/session/a.ts',
    "import { x } from '../../trust/pki/index.ts'",
  ],
  ['a room that stands before', 'src/trust/pki/a.ts', "import { x } from '../keys/index.ts'"],
  ['the own room', 'src/trust/pki/a.ts', "import { x } from './b.ts'"],
  [
    'an own mint',
    'src/network/admission/a.ts',
    "import { mintConnected } from '../../foundation/pipeline/index.ts'",
  ],
  ['the environment in apps', 'src/apps/node/a.ts', 'const a = process.env'],
  ['a dynamic import in apps', 'src/apps/cli/a.ts', "const a = await import('./b.ts')"],
  ['the console in the CLI', 'src/apps/cli/a.ts', "console.log('x')"],
  ['a profile as a value', 'src/apps/cli/a.ts', "const profile = 'SEC-2'"],
  ['a profile compared in its room', 'src/foundation/profiles/a.ts', "const a = p === 'SEC-2'"],
  [
    'a function of 80 lines',
    'src/trust/pki/a.ts',
    `${'f = () => 1\n'.repeat(20)}f = () => {\n${'x()\n'.repeat(78)}}`,
  ],
]

describe('what is allowed passes', () => {
  for (const [title, path, text] of HARMLESS) {
    test(title, () => assert.deepEqual(rulesBroken(path, text), []))
  }
})
