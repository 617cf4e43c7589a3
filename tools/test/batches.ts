import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { pathToFileURL } from 'node:url'

/** Loading the product's modules costs more than most files of tests do with them. */
const FILES_PER_PROCESS = 8
/** What changes a whole process: such a file has one of its own. */
const ALONE =
  /\bsetFips\b|\bmock\.|\bglobalThis\b|\bprocess\.(?:umask|chdir|title|exitCode|exit|env|setuid)\b/

/** Test files, several to a process. */
export interface Batches extends Disposable {
  /** What is to be run: batches, and files that run alone. */
  readonly entries: readonly string[]
}

/**
 * Writes the batches of test files: neighbours of a folder in one process, each a suite named after its
 * path.
 *
 * @param root - what the paths are relative to
 */
export function createBatches(root: string, files: readonly string[]): Batches {
  const folder = mkdtempSync(join(tmpdir(), 'kos-tests-'))
  const isAlone = (file: string): boolean => ALONE.test(readFileSync(join(root, file), 'utf8'))
  const together = Object.groupBy(files, (file) => (isAlone(file) ? file : dirname(file)))
  const entries = Object.values(together).flatMap((group = []) =>
    chunksOf(group, FILES_PER_PROCESS).map((chunk) => {
      const [first = '', ...others] = chunk
      if (others.length === 0) return first
      const entry = join(folder, `${first.replaceAll('/', '-')}-and-${others.length}.test.mjs`)
      writeFileSync(entry, textOf(root, chunk))
      return entry
    }),
  )
  return {
    entries,
    [Symbol.dispose]: () => rmSync(folder, { recursive: true, force: true }),
  }
}

function textOf(root: string, files: readonly string[]): string {
  const suites = files.map((file) => {
    const url = pathToFileURL(join(root, file)).href
    return `describe(${JSON.stringify(file)}, () => import(${JSON.stringify(url)}))\n`
  })
  return `import { describe } from 'node:test'\n${suites.join('')}`
}

function chunksOf<T>(all: readonly T[], size: number): readonly (readonly T[])[] {
  const count = Math.ceil(all.length / size)
  return Array.from({ length: count }, (_, at) => all.slice(at * size, (at + 1) * size))
}
