/** What a suite found. */
export interface Report {
  readonly suite: string
  readonly title: string
  /** Short titles over the cells of the rows. */
  readonly columns: readonly string[]
  /** The name of what was measured, and one number (or text) per column. */
  readonly rows: readonly (readonly [name: string, ...cells: (number | string | undefined)[]])[]
  readonly goals: readonly Goal[]
}

/** A ratio that is wanted, and the one that was measured. */
export interface Goal {
  readonly text: string
  readonly measured: number
  readonly met: boolean
}

/** A goal that is met from a ratio upwards. */
export function atLeast(text: string, bound: number, measured: number): Goal {
  return { text: `${text} ≥ ${bound}`, measured, met: measured >= bound }
}

/** A goal that is met up to a ratio. */
export function atMost(text: string, bound: number, measured: number): Goal {
  return { text: `${text} ≤ ${bound}`, measured, met: measured <= bound }
}

/** A report as text: title, aligned table, goals. */
export function renderReport({ title, columns, rows, goals }: Report): string {
  const cells = [
    ['', ...columns],
    ...rows.map(([name, ...values]) => [name, ...values.map((value) => shown(value))]),
  ]
  const widths = ['', ...columns].map((_, column) =>
    Math.max(...cells.map((line) => (line[column] ?? '').length)),
  )
  const lines = cells.map((line) =>
    line
      .map((cell, column) =>
        column === 0 ? cell.padEnd(widths[0] ?? 0) : cell.padStart(widths[column] ?? 0),
      )
      .join('  ')
      .trimEnd(),
  )
  const found = goals.map(
    ({ text, measured, met }) => `${met ? '✔' : '✖'} ${text}: ${shown(measured)}`,
  )
  return [title, '', ...lines, ...(found.length > 0 ? ['', ...found] : []), ''].join('\n')
}

/** Three significant digits, thousands with separators. */
function shown(value: number | string | undefined): string {
  if (value === undefined || Number.isNaN(value)) return '–'
  if (typeof value === 'string') return value
  if (value >= 100) return Math.round(value).toLocaleString('en-US')
  return value >= 10 ? value.toFixed(1) : value.toFixed(2)
}
