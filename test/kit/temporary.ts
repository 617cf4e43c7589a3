import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'

/**
 * Makes an empty folder of mode 0700 that is removed after the test.
 *
 * @param context - the test's own context
 * @returns its absolute path
 */
export function temporaryFolder(context: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'kos-test-'))
  context.after(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}
