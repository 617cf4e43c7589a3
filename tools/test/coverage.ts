import { globSync, readFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { parseSync } from 'oxc-parser'

/** The part of node's coverage report that the gates need. */
export interface CoveredFile {
  readonly path: string
  readonly totalLineCount: number
  readonly coveredLineCount: number
  readonly lines: readonly { readonly line: number; readonly count: number }[]
}

interface Gates {
  readonly default: number
  readonly folders: Readonly<Record<string, number>>
}

interface FolderCoverage {
  readonly folder: string
  readonly gate: number
  readonly percent: number
  readonly missed: readonly string[]
}

/**
 * Line coverage per room against `tools/coverage-gates.json`. A source file that no test loaded counts
 * as uncovered.
 *
 * @param root - project folder
 * @param covered - what node measured
 * @returns the table to print, and whether every folder meets its gate
 */
export function coverageReport(
  root: string,
  covered: readonly CoveredFile[],
): { readonly text: string; readonly passed: boolean } {
  const gates = JSON.parse(readFileSync(join(root, 'tools/coverage-gates.json'), 'utf8')) as Gates
  const measured = new Map(covered.map((file) => [relative(root, file.path), file]))
  const sources = globSync('src/**/*.ts', { cwd: root }).toSorted()
  const files = sources.flatMap((path) => measured.get(path) ?? unloaded(root, path))
  const byFolder = Map.groupBy(files, ({ path }) => folderOf(relative(root, path)))
  const folders = [...byFolder].map(([folder, members]) => ({
    folder,
    gate: gates.folders[folder] ?? gates.default,
    ...coverageOf(root, members),
  }))
  const passed = folders.length > 0 && folders.every(({ percent, gate }) => percent >= gate)
  return { text: table(folders), passed }
}

/** `src/<wing>/<room>` of a path. */
function folderOf(path: string): string {
  return path.split('/').slice(0, 3).join('/')
}

/** A file that no test loaded; one that only declares types or passes names on has nothing to cover. */
function unloaded(root: string, path: string): readonly CoveredFile[] {
  const text = readFileSync(join(root, path), 'utf8')
  const hasCode = parseSync(path, text).program.body.some((statement) => {
    if (statement.type !== 'ExportNamedDeclaration') return !NO_CODE.test(statement.type)
    return statement.declaration !== null && !NO_CODE.test(statement.declaration.type)
  })
  if (!hasCode) return []
  const lines = text.split('\n').map((_, index) => ({ line: index + 1, count: 0 }))
  return [{ path: join(root, path), totalLineCount: lines.length, coveredLineCount: 0, lines }]
}

const NO_CODE = /^(?:TSInterfaceDeclaration|TSTypeAliasDeclaration|ImportDeclaration|ExportAll)/

function coverageOf(
  root: string,
  files: readonly CoveredFile[],
): { readonly percent: number; readonly missed: readonly string[] } {
  const sum = (count: (file: CoveredFile) => number): number =>
    files.reduce((total, file) => total + count(file), 0)
  const total = sum(({ totalLineCount }) => totalLineCount)
  const covered = sum(({ coveredLineCount }) => coveredLineCount)
  const missed = files
    .filter(({ totalLineCount, coveredLineCount }) => coveredLineCount < totalLineCount)
    .map((file) => `${relative(root, file.path)}:${ranges(file)}`)
  return { percent: total === 0 ? 100 : (100 * covered) / total, missed }
}

/** Uncovered lines as `3-7,12`. */
function ranges(file: CoveredFile): string {
  const found: { first: number; last: number }[] = []
  for (const { line, count } of file.lines) {
    if (count > 0) continue
    const last = found.at(-1)
    if (last?.last === line - 1) last.last = line
    else found.push({ first: line, last: line })
  }
  return found.map(({ first, last }) => (first === last ? first : `${first}-${last}`)).join(',')
}

function table(folders: readonly FolderCoverage[]): string {
  const width = Math.max(...folders.map(({ folder }) => folder.length))
  const rows = folders.map(({ folder, gate, percent, missed }) => {
    const mark = percent >= gate ? '✔' : '✖'
    // Rounding down: 99.99 % must not look like the 100 % that is asked for.
    const shown = (Math.floor(percent * 100) / 100).toFixed(2).padStart(6)
    const row = `${mark} ${folder.padEnd(width)} ${shown} % of lines, gate ${gate} %\n`
    return percent >= gate ? row : row + missed.map((range) => `    ${range}\n`).join('')
  })
  return `\nCoverage per room\n${rows.join('')}`
}
