/**
 * Writes `docs/errors.md` from the error tables of all rooms: `npm run docs`. A test holds the file
 * equal to the tables.
 */
import { globSync, writeFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { pathToFileURL } from 'node:url'
import type { ErrorRow } from '../src/foundation/base/index.ts'

const ROOT = join(import.meta.dirname, '..')

/** One room's errors: its path below `src/` and its rows by code. */
export interface RoomErrors {
  readonly room: string
  readonly rows: Readonly<Record<string, ErrorRow>>
}

/** Finds the table of every room, in the order of the paths. */
export async function readErrorTables(): Promise<readonly RoomErrors[]> {
  const tables: RoomErrors[] = []
  for (const path of globSync('src/*/*/{errors,*-errors}.ts', { cwd: ROOT }).toSorted()) {
    const module = (await import(pathToFileURL(join(ROOT, path)).href)) as Record<string, unknown>
    for (const value of Object.values(module)) {
      if (!isTable(value)) continue
      tables.push({ room: relative('src', dirname(path)), rows: value.rows })
    }
  }
  return tables
}

function isTable(value: unknown): value is Pick<RoomErrors, 'rows'> {
  return typeof value === 'object' && value !== null && 'rows' in value && 'error' in value
}

/**
 * The text of `docs/errors.md`.
 *
 * @param tables - every room's errors
 */
export function errorsDocument(tables: readonly RoomErrors[]): string {
  const sections = tables.map(({ room, rows }) => {
    const lines = Object.entries(rows)
      .toSorted(([a], [b]) => (a < b ? -1 : 1))
      .map(
        ([code, { message, hint, retry }]) => `| ${cells([`\`${code}\``, message, hint, retry])} |`,
      )
    return `## ${room}\n\n| code | message | what to do | retry |\n|---|---|---|---|\n${lines.join('\n')}\n`
  })
  return `# Errors

Every error and every refusal of kOS carries one of these codes. A code keeps its meaning for ever.
*Retry* says whether the same request can succeed later without a change by the caller. The other side
of a connection sees the code and a request id only; the log has the details.

This page is written by \`npm run docs\` from the tables in the source; a test compares them.

${sections.join('\n')}`
}

function cells(texts: readonly string[]): string {
  return texts.map((text) => text.replaceAll('|', '\\|')).join(' | ')
}

if (import.meta.main) {
  writeFileSync(join(ROOT, 'docs/errors.md'), errorsDocument(await readErrorTables()))
}
