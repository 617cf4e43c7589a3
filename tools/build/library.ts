import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { rmSync } from 'node:fs'
import { join } from 'node:path'

/**
 * Emits the rooms outsiders may use, with their types, to `dist/lib`.
 *
 * @param root - project folder
 */
export async function buildLibrary(root: string): Promise<void> {
  rmSync(join(root, 'dist/lib'), { recursive: true, force: true })
  const args = ['-p', join(import.meta.dirname, 'tsconfig.json')]
  const compiler = spawn(join(root, 'node_modules/.bin/tsc'), args, { stdio: 'inherit' })
  const [status] = (await once(compiler, 'exit')) as [number | null]
  if (status !== 0) throw new Error('the library does not compile')
}
