import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** The `openssl` binary as a second opinion on certificates. */
export interface Openssl {
  /** Runs it with files in a folder of their own; `{name}` in an argument is the file's path. */
  run(args: readonly string[], files: Readonly<Record<string, string | Uint8Array>>): string
}

/** The binary of the path, or the reason to skip a test. */
export function findOpenssl(): { readonly openssl: Openssl; readonly skip: string | false } {
  return { openssl: { run: runOpenssl }, skip: present() ? false : 'no openssl binary' }
}

function present(): boolean {
  try {
    execFileSync('openssl', ['version'], { stdio: 'pipe' })
    return true
  } catch {
    return false
  }
}

function runOpenssl(
  args: readonly string[],
  files: Readonly<Record<string, string | Uint8Array>>,
): string {
  const folder = mkdtempSync(join(tmpdir(), 'kos-openssl-'))
  try {
    for (const [name, content] of Object.entries(files)) writeFileSync(join(folder, name), content)
    const paths = args.map((arg) =>
      arg.replace(/^\{(.+)\}$/, (_, name: string) => join(folder, name)),
    )
    return execFileSync('openssl', paths, { stdio: 'pipe', encoding: 'utf8', cwd: folder })
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}
