/**
 * Builds what is shipped: `npm run build`. Without `--library` only the programs of `bin/`, and only
 * when a source is newer than the last build.
 */
import { parseArgs } from 'node:util'
import { join } from 'node:path'
import { withLock } from './boot/lock.js'
import { buildLibrary } from './build/library.ts'
import { buildPrograms, isBuilt } from './build/programs.ts'

const ROOT = join(import.meta.dirname, '..')

/** Program → the module that exports its `main(argv)`. */
const PROGRAMS: Readonly<Record<string, string>> = {
  kosctl: 'src/apps/cli/main.ts',
  kosd: 'src/apps/cli/kosd.ts',
}

const { values } = parseArgs({ options: { library: { type: 'boolean' } } })

await withLock(join(ROOT, '.kos-build.lock'), async () => {
  if (values.library || !isBuilt(ROOT)) await buildPrograms(ROOT, PROGRAMS)
  if (values.library) await buildLibrary(ROOT)
})
