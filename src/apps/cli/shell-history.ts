import { readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

/** Lines that are kept. */
const MAX_LINES = 500
const MAX_LINE_CHARACTERS = 1000
const MAX_FILE_BYTES = 1024 * 1024
/** A join line is a password; whoever reads the history must not find one. */
const SECRET = /kos:\/\//i

/** The lines of a shell, kept between its runs. */
export interface ShellHistory {
  /** Newest first, as `node:readline` has them. */
  readonly lines: readonly string[]
  /** Keeps a line, unless it could hold a secret or repeats the one before. */
  add(line: string): void
}

/**
 * Opens the history in the folder of the credential: at most 500 lines, in a file of mode 0600.
 *
 * @param folder - of the credential
 */
export function openHistory(folder: string): ShellHistory {
  const path = join(folder, 'shell-history')
  const lines = readLines(path)
  return {
    lines,
    add: (line) => {
      if (line.length > MAX_LINE_CHARACTERS || SECRET.test(line) || lines[0] === line) return
      lines.unshift(line)
      lines.length = Math.min(lines.length, MAX_LINES)
      writeLines(path, lines)
    },
  }
}

function readLines(path: string): string[] {
  try {
    const text = readFileSync(path, 'utf8')
    if (text.length > MAX_FILE_BYTES) return []
    return text.split('\n').filter(isKept).toReversed().slice(0, MAX_LINES)
  } catch {
    return []
  }
}

/** A terminal runs what control characters say: a file that was tampered with is not played back. */
function isKept(line: string): boolean {
  // oxlint-disable-next-line no-control-regex -- control characters are what must not be there
  const isHarmless = !/[\u0000-\u001f\u007f-\u009f]/.test(line)
  return line !== '' && line.length <= MAX_LINE_CHARACTERS && isHarmless
}

/** A shell goes on without its history. */
function writeLines(path: string, lines: readonly string[]): void {
  const temporary = `${path}.${process.pid}.tmp`
  try {
    writeFileSync(temporary, `${lines.toReversed().join('\n')}\n`, { mode: 0o600, flag: 'wx' })
    renameSync(temporary, path)
  } catch {
    rmSync(temporary, { force: true })
  }
}
