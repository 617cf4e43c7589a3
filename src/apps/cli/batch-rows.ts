import { parseProfileName } from '../../foundation/profiles/index.ts'
import { MAX_BATCH_TOKENS } from '../../lifecycle/enrolment/index.ts'
import type { BatchRow } from '../authority/index.ts'
import { type CsvProblem, type CsvRow, parseCsv } from './csv.ts'

const COLUMNS = ['name', 'profile', 'kind', 'owner', 'groups', 'labels'] as const
type Column = (typeof COLUMNS)[number]

/** A device of the list, and the line that names it. */
export interface ListedDevice {
  readonly line: number
  readonly device: BatchRow
}

/**
 * Reads a list of devices: a header that names the columns, in any order, then a device a line. `name` must
 * be there; `profile` (SEC-2), `kind` (device), `owner` (who asks), `groups` and `labels` (both separated
 * by semicolons) may be.
 *
 * @param bytes - of the CSV file
 * @returns the devices, or everything that is wrong with the file
 */
export function readDeviceList(
  bytes: Uint8Array,
): readonly ListedDevice[] | { readonly problems: readonly CsvProblem[] } {
  const rows = parseCsv(bytes)
  if ('reason' in rows) return { problems: [rows] }
  const [header, ...rest] = rows
  const columns = header ? columnsOf(header) : { line: 1, reason: 'the file is empty' }
  if ('reason' in columns) return { problems: [columns] }
  if (rest.length === 0) return { problems: [{ line: 2, reason: 'there is no device' }] }
  if (rest.length > MAX_BATCH_TOKENS) {
    const line = rest[MAX_BATCH_TOKENS]?.line ?? 1
    return { problems: [{ line, reason: `more than ${MAX_BATCH_TOKENS} devices` }] }
  }
  const listed = rest.map((row) => deviceOf(row, columns))
  const problems = listed.filter((one) => 'reason' in one)
  if (problems.length > 0) return { problems }
  return listed.filter((one) => 'device' in one)
}

function columnsOf({ line, fields }: CsvRow): readonly Column[] | CsvProblem {
  const columns: Column[] = []
  for (const field of fields) {
    const column = COLUMNS.find((known) => known === field)
    if (!column) {
      const reason = `no column "${field.slice(0, 64)}": the columns are ${COLUMNS.join(', ')}`
      return { line, reason }
    }
    if (columns.includes(column)) return { line, reason: `the column ${column} stands twice` }
    columns.push(column)
  }
  return columns.includes('name') ? columns : { line, reason: 'the column name is missing' }
}

function deviceOf({ line, fields }: CsvRow, columns: readonly Column[]): ListedDevice | CsvProblem {
  const cell = (column: Column): string => fields[columns.indexOf(column)] ?? ''
  const name = cell('name')
  const profile = parseProfileName(cell('profile') || 'SEC-2')
  const kind = cell('kind') || 'device'
  const owner = cell('owner')
  const labels = labelsOf(cell('labels'))
  if (name === '' || name.length > 63) return { line, reason: 'a name has 1 to 63 characters' }
  if (!profile) return { line, reason: 'the profile is SEC-1 to SEC-4' }
  if (kind !== 'device' && kind !== 'agent') return { line, reason: 'the kind is device or agent' }
  if (!labels) return { line, reason: 'labels are like site=north;floor=2' }
  const device: BatchRow = {
    name,
    kind,
    profile,
    ...(owner !== '' && { owner }),
    groups: partsOf(cell('groups')),
    labels,
  }
  return { line, device }
}

/** Cells of several values separate them by semicolons: the comma separates cells. */
export function partsOf(cell: string): string[] {
  return cell === '' ? [] : cell.split(';')
}

/**
 * Reads `key=value` pairs.
 *
 * @returns `undefined` when a pair has another form or a key stands twice
 */
export function labelsOf(cell: string): Record<string, string> | undefined {
  const pairs = partsOf(cell).map((part) => part.split('='))
  const isFit = pairs.every((pair) => pair.length === 2)
  const labels = new Map(pairs.map(([key = '', value = '']) => [key, value]))
  return isFit && labels.size === pairs.length ? Object.fromEntries(labels) : undefined
}
