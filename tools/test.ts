/**
 * Runs the tests: `npm test [-- [--coverage] [--long] [pattern …]]`. A pattern is a part of a path or a
 * glob. Fails when no test ran, and with `--coverage` when a folder is below its gate.
 */
import { globSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { join, matchesGlob } from 'node:path'
import { run } from 'node:test'
import { parseArgs } from 'node:util'
import { createBatches } from './test/batches.ts'
import { type CoveredFile, coverageReport } from './test/coverage.ts'
import { report } from './test/report.ts'

const ROOT = join(import.meta.dirname, '..')
const MINUTE_MS = 60_000
const LONG = 'test/long/**'

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { coverage: { type: 'boolean' }, long: { type: 'boolean' } },
})

/**
 * What tests and the programs they start find: one cache of compiled code for the whole run, because
 * hundreds of processes load the same files. Coverage is exact only without it.
 */
function environment(): NodeJS.ProcessEnv {
  const { NODE_COMPILE_CACHE: _, ...others } = process.env
  const folder = join(ROOT, 'node_modules', '.cache', 'tests')
  return values.coverage ? others : { ...others, NODE_COMPILE_CACHE: folder }
}

/** Test files of the asked kind that match one of the patterns (or all without a pattern). */
function findTests(): string[] {
  const all = globSync('test/**/*.test.ts', { cwd: ROOT }).toSorted()
  const ofKind = all.filter((path) => matchesGlob(path, LONG) === (values.long ?? false))
  if (positionals.length === 0) return ofKind
  return ofKind.filter((path) =>
    positionals.some((pattern) => path.includes(pattern) || matchesGlob(path, pattern)),
  )
}

async function main(): Promise<boolean> {
  const files = findTests()
  if (files.length === 0) {
    process.stdout.write('✖ no test file matches\n')
    return false
  }
  let covered: readonly CoveredFile[] = []
  using batches = values.long ? undefined : createBatches(ROOT, files)
  const events = run({
    cwd: ROOT,
    env: environment(),
    files: [...(batches?.entries ?? files)],
    // Tests wait for one another’s processes a good part of the time.
    concurrency: values.long ? 2 : availableParallelism() + 1,
    timeout: (values.long ? 30 : 10) * MINUTE_MS,
    coverage: values.coverage ?? false,
    coverageIncludeGlobs: ['src/**/*.ts'],
  })
  events.on('test:coverage', ({ summary }) => (covered = summary.files))
  const passed = await report(events, { root: ROOT, files, output: process.stdout })
  if (!values.coverage) return passed
  const coverage = coverageReport(ROOT, covered)
  process.stdout.write(coverage.text)
  return passed && coverage.passed
}

process.exitCode = (await main()) ? 0 : 1
