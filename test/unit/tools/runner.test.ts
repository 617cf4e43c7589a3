/** The test runner and its gates: what must turn a run red. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { describe, test, type TestContext } from 'node:test'
import { createBatches } from '../../../tools/test/batches.ts'
import { type CoveredFile, coverageReport } from '../../../tools/test/coverage.ts'
import { temporaryFolder } from '../../kit/temporary.ts'

const ROOT = join(import.meta.dirname, '../../..')

/** Writes files, path → text, below a temporary folder. */
function folderOf(context: TestContext, files: Readonly<Record<string, string>>): string {
  const root = temporaryFolder(context)
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(root, path)), { recursive: true })
    writeFileSync(join(root, path), text)
  }
  return root
}

const DRIVER = `
import { run } from 'node:test'
import { report } from ${JSON.stringify(join(ROOT, 'tools/test/report.ts'))}
const [root, ...files] = process.argv.slice(2)
const to = { root, output: process.stdout }
process.exitCode = (await report(run({ cwd: root, files }), to)) ? 0 : 1
`

const BATCH_DRIVER = `
import { run } from 'node:test'
import { createBatches } from ${JSON.stringify(join(ROOT, 'tools/test/batches.ts'))}
import { report } from ${JSON.stringify(join(ROOT, 'tools/test/report.ts'))}
const [root, ...files] = process.argv.slice(2)
using batches = createBatches(root, files)
const to = { root, files, output: process.stdout }
process.exitCode = (await report(run({ cwd: root, files: [...batches.entries] }), to)) ? 0 : 1
`

/** The same with neighbours in one process. */
function runBatches(context: TestContext, files: Readonly<Record<string, string>>): Ended {
  const root = folderOf(context, { ...files, 'driver.mjs': BATCH_DRIVER })
  return spawnNode([join(root, 'driver.mjs'), root, ...Object.keys(files)])
}

interface Ended {
  readonly code: number | null
  readonly said: string
}

/** Reports a run over test files of these texts. */
function runFiles(context: TestContext, files: Readonly<Record<string, string>>): Ended {
  const root = folderOf(context, { ...files, 'driver.mjs': DRIVER })
  const paths = Object.keys(files).map((path) => join(root, path))
  return spawnNode([join(root, 'driver.mjs'), root, ...paths])
}

function spawnNode(args: readonly string[]): Ended {
  // A test run inside a test run is skipped unless it does not know.
  const { NODE_TEST_CONTEXT: _, ...env } = process.env
  const { status, stdout } = spawnSync(process.execPath, args, { env, encoding: 'utf8', cwd: ROOT })
  return { code: status, said: stdout }
}

const HEAD = "import { describe, test } from 'node:test'\n"

describe('batches', () => {
  test('are neighbours in one process; what changes its process stands alone', (context) => {
    const files = Object.fromEntries(
      Array.from({ length: 10 }, (_, at) => [`a/${at}.test.mjs`, at === 4 ? 'process.env' : '']),
    )
    const root = folderOf(context, { ...files, 'b/c.test.mjs': '' })
    using batches = createBatches(root, [...Object.keys(files), 'b/c.test.mjs'])
    const names = batches.entries.map((entry) => entry.split('/').slice(-2).join('/'))
    assert.equal(names.length, 4)
    assert.match(names[0] ?? '', /a-0\.test\.mjs-and-7\.test\.mjs$/)
    assert.deepEqual(names.slice(1), ['a/9.test.mjs', 'a/4.test.mjs', 'b/c.test.mjs'])
  })

  const same = "test('same process', () => process.stdout.write(`pid ${process.pid}\\n`))"

  test('say a line for each file, and fail with the file that fails', (context) => {
    const good = { 'a.test.mjs': `${HEAD}${same}`, 'b.test.mjs': `${HEAD}${same};${same}` }
    const passed = runBatches(context, good)
    assert.equal(passed.code, 0, passed.said)
    assert.match(passed.said, /^✔ a\.test\.mjs \(1 tests, \d+ ms\)$/m)
    assert.match(passed.said, /^✔ b\.test\.mjs \(2 tests, \d+ ms\)$/m)
    assert.equal(new Set(passed.said.match(/pid \d+/g)).size, 1)
    assert.match(passed.said, /^ℹ tests 3$/m)
    const failing = `${HEAD}test('wrong', () => { throw new Error('so it is') })`
    const failed = runBatches(context, { ...good, 'c.test.mjs': failing })
    assert.equal(failed.code, 1)
    assert.match(failed.said, /^✔ b\.test\.mjs/m)
    assert.match(failed.said, /^✖ c\.test\.mjs \(1 tests, \d+ ms\)$/m)
    assert.match(failed.said, /so it is/)
  })

  test('fail with a file that has no test, does not load, or ends the process', (context) => {
    const good = { 'a.test.mjs': `${HEAD}${same}` }
    const empty = runBatches(context, { ...good, 'b.test.mjs': '' })
    assert.equal(empty.code, 1)
    assert.match(empty.said, /^✖ b\.test\.mjs \(0 tests/m)
    const broken = runBatches(context, { ...good, 'b.test.mjs': "throw new Error('at once')" })
    assert.equal(broken.code, 1)
    assert.match(broken.said, /at once/)
    const dead = `${HEAD}test('kill', () => process.kill(process.pid, 'SIGKILL'))`
    assert.equal(runBatches(context, { ...good, 'b.test.mjs': dead }).code, 1)
  })
})

describe('the runner', () => {
  test('passes passing files, one line each, and ends as node does', (context) => {
    const { code, said } = runFiles(context, {
      'a.test.mjs': `${HEAD}describe('s', () => { test('x', () => {}); test('y', () => {}) })`,
      'b.test.mjs': `${HEAD}test('x', () => {}); test('z', { skip: 'no swtpm' }, () => {})`,
    })
    assert.equal(code, 0)
    assert.match(said, /^✔ a\.test\.mjs \(2 tests, \d+ ms\)$/m)
    assert.match(said, /^✔ b\.test\.mjs \(2 tests, \d+ ms\)$/m)
    assert.match(said, /^﹣ z # no swtpm$/m)
    assert.match(said, /^ℹ tests 4\nℹ suites 1\nℹ pass 3\nℹ fail 0\nℹ cancelled 0\nℹ skipped 1$/m)
  })

  test('fails on a failing test and shows it', (context) => {
    const { code, said } = runFiles(context, {
      'a.test.mjs': `${HEAD}describe('s', () => { test('broken', () => { throw new Error('why') }) })`,
    })
    assert.equal(code, 1)
    assert.match(said, /✖ broken/)
    assert.match(said, /Error: why/)
  })

  test('fails on a file that breaks before its tests', (context) => {
    const { code, said } = runFiles(context, { 'a.test.mjs': "throw new Error('early')" })
    assert.equal(code, 1)
    assert.match(said, /early/)
  })

  test('fails on a file without tests', (context) => {
    const { code, said } = runFiles(context, {
      'a.test.mjs': '',
      'b.test.mjs': `${HEAD}test('x', () => {})`,
    })
    assert.equal(code, 1)
    assert.match(said, /✖ a\.test\.mjs has no test/)
  })

  test('fails when nothing matches', () => {
    const { code, said } = spawnNode(['tools/test.ts', 'no/such/pattern'])
    assert.deepEqual([code, said], [1, '✖ no test file matches\n'])
  })

  test('finds files by a part of their path or a glob', () => {
    for (const pattern of ['unit/docs/logging', 'test/unit/docs/l*.test.ts']) {
      const { code, said } = spawnNode(['tools/test.ts', pattern])
      assert.equal(code, 0)
      assert.match(said, /^✔ test\/unit\/docs\/logging\.test\.ts \(1 tests/m)
    }
  })
})

describe('coverage gates', () => {
  const gates = JSON.stringify({ default: 50, folders: { 'src/trust/pki': 100 } })

  /** A measured file of ten lines, the first of them covered. */
  const measured = (root: string, path: string, covered: number): CoveredFile => ({
    path: join(root, path),
    totalLineCount: 10,
    coveredLineCount: covered,
    lines: Array.from({ length: 10 }, (_, n) => ({ line: n + 1, count: n < covered ? 1 : 0 })),
  })

  test('hold each room to its own gate', (context) => {
    const root = folderOf(context, {
      'tools/coverage-gates.json': gates,
      'src/trust/pki/a.ts': 'a()',
      'src/trust/keys/a.ts': 'a()',
    })
    const covered = [
      measured(root, 'src/trust/pki/a.ts', 10),
      measured(root, 'src/trust/keys/a.ts', 5),
    ]
    const { text, passed } = coverageReport(root, covered)
    assert.ok(passed)
    assert.match(text, /^✔ src\/trust\/pki {2}100\.00 % of lines, gate 100 %$/m)
    assert.match(text, /^✔ src\/trust\/keys +50\.00 % of lines, gate 50 %$/m)
  })

  test('fail a room below its gate and name the lines', (context) => {
    const root = folderOf(context, {
      'tools/coverage-gates.json': gates,
      'src/trust/pki/a.ts': 'a()',
    })
    const { text, passed } = coverageReport(root, [measured(root, 'src/trust/pki/a.ts', 9)])
    assert.ok(!passed)
    assert.match(
      text,
      /^✖ src\/trust\/pki {2}90\.00 % of lines, gate 100 %\n {4}src\/trust\/pki\/a\.ts:10$/m,
    )
  })

  test('never round up to the gate', (context) => {
    const root = folderOf(context, {
      'tools/coverage-gates.json': gates,
      'src/trust/pki/a.ts': 'a()',
    })
    const nearly = {
      ...measured(root, 'src/trust/pki/a.ts', 10),
      totalLineCount: 100_000,
      coveredLineCount: 99_999,
    }
    const { text, passed } = coverageReport(root, [nearly])
    assert.ok(!passed)
    assert.match(text, /99\.99 %/)
  })

  test('count a file that no test loaded, unless it has nothing to run', (context) => {
    const types =
      "import type { B } from './b.ts'\n/** A. */\nexport interface A { readonly b: B }\nexport type C = A\n"
    const door = "export { a } from './a.ts'\nexport * from './a.ts'\n"
    const files = {
      'tools/coverage-gates.json': gates,
      'src/trust/keys/types.ts': types,
      'src/trust/keys/index.ts': door,
    }
    assert.ok(!coverageReport(folderOf(context, files), []).passed, 'nothing measured at all')
    const root = folderOf(context, { ...files, 'src/trust/keys/a.ts': 'export const a = 1\n' })
    assert.match(coverageReport(root, []).text, /✖ src\/trust\/keys {3}0\.00 %/)
    assert.ok(coverageReport(root, [measured(root, 'src/trust/keys/a.ts', 10)]).passed)
  })
})
