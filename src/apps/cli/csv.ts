/** Largest CSV file, in bytes. */
export const MAX_CSV_BYTES: number = 1024 * 1024

/** A row with the line that it begins on, from 1. */
export interface CsvRow {
  readonly line: number
  readonly fields: readonly string[]
}

/** What is wrong with a CSV file, and where. */
export interface CsvProblem {
  readonly line: number
  readonly reason: string
}

const QUOTE = '"'

/**
 * Reads a CSV file strictly: UTF-8, comma, lines that end in CRLF or LF, fields in quotes where they hold
 * either or a quote, which is doubled then. Nothing is trimmed, guessed or repaired.
 *
 * @param bytes - of the file; at most {@link MAX_CSV_BYTES}
 * @returns all rows, the header too; or the first thing that is wrong
 * @see RFC 4180 section 2
 */
export function parseCsv(bytes: Uint8Array): readonly CsvRow[] | CsvProblem {
  if (bytes.length > MAX_CSV_BYTES) return { line: 1, reason: 'the file is larger than 1 MiB' }
  let text: string
  try {
    // A byte order mark, as spreadsheets write it, is no part of the text.
    text = new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch {
    return { line: 1, reason: 'the file is not UTF-8' }
  }
  return readRows(text)
}

interface Cursor {
  readonly text: string
  at: number
  line: number
}

function readRows(text: string): readonly CsvRow[] | CsvProblem {
  const cursor: Cursor = { text, at: 0, line: 1 }
  const rows: CsvRow[] = []
  while (cursor.at < text.length) {
    const row = readRow(cursor)
    if ('reason' in row) return row
    const [header = row] = rows
    if (row.fields.length !== header.fields.length) {
      const { length } = header.fields
      return { line: row.line, reason: `${row.fields.length} fields, the header has ${length}` }
    }
    rows.push(row)
  }
  return rows
}

function readRow(cursor: Cursor): CsvRow | CsvProblem {
  const { line } = cursor
  const fields: string[] = []
  for (;;) {
    const field = cursor.text[cursor.at] === QUOTE ? readQuoted(cursor) : readPlain(cursor)
    if (typeof field !== 'string') return field
    fields.push(field)
    const end = endOfField(cursor)
    if (end === 'row') return { line, fields }
    if (end !== 'field') return end
  }
}

/** Behind a field comes a comma, the end of the line, or the end of the file. */
function endOfField(cursor: Cursor): 'field' | 'row' | CsvProblem {
  const { text, at, line } = cursor
  const next = text[at]
  if (next === ',') {
    cursor.at++
    return 'field'
  }
  const length = text.startsWith('\r\n', at) ? 2 : 1
  if (next !== undefined && next !== '\n' && length === 1) {
    return { line, reason: 'something follows the quote that ends a field' }
  }
  cursor.at += length
  cursor.line++
  return 'row'
}

function readPlain(cursor: Cursor): string | CsvProblem {
  const { text, at, line } = cursor
  let end = at
  while (end < text.length && !'",\r\n'.includes(text.charAt(end))) end++
  const isBareReturn = text[end] === '\r' && text[end + 1] !== '\n'
  if (text[end] === QUOTE) return { line, reason: 'a quote inside a field that is not quoted' }
  if (isBareReturn) return { line, reason: 'a carriage return without a line feed' }
  const field = text.slice(at, end)
  cursor.at = end
  return hasControls(field) ? { line, reason: 'a control character' } : field
}

function readQuoted(cursor: Cursor): string | CsvProblem {
  const { text, line } = cursor
  let field = ''
  let from = cursor.at + 1
  for (;;) {
    const quote = text.indexOf(QUOTE, from)
    if (quote < 0) return { line, reason: 'a quoted field has no end' }
    field += text.slice(from, quote)
    if (text[quote + 1] !== QUOTE) {
      cursor.at = quote + 1
      cursor.line += field.split('\n').length - 1
      return hasControls(field) ? { line, reason: 'a control character' } : field
    }
    field += QUOTE
    from = quote + 2
  }
}

/** Line breaks aside, which a quoted field may hold. */
function hasControls(field: string): boolean {
  // oxlint-disable-next-line no-control-regex -- control characters are what this looks for
  return /[\u0000-\u0009\u000b\u000c\u000e-\u001f\u007f]/.test(field)
}

/**
 * Writes rows as CSV, quoted where they must be.
 *
 * **Security:** nothing is written that a spreadsheet takes for a formula: callers write names, ids and
 * join lines, none of which begins with `=`, `+`, `-` or `@`.
 *
 * @see RFC 4180 section 2
 */
export function formatCsv(rows: readonly (readonly string[])[]): string {
  const quoted = (field: string): string =>
    /[",\r\n]/.test(field) ? `"${field.replaceAll(QUOTE, '""')}"` : field
  return rows.map((row) => `${row.map(quoted).join(',')}\r\n`).join('')
}
