import { randomBytes } from 'node:crypto'
import {
  copyFileSync,
  globSync,
  mkdirSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { rolldown } from 'rolldown'

const BUNDLE = 'bundle-'
/** Written last: a build without it never happened. `bin/launch.sh` compares sources with it. */
const STAMP = '.built'

/**
 * Whether the programs are at least as new as every source, folder (a removed file) and dependency.
 *
 * @param root - project folder with `src/` and `dist/`
 */
export function isBuilt(root: string): boolean {
  const stamp = statSync(join(root, 'dist', STAMP), { throwIfNoEntry: false })
  if (!stamp) return false
  const sources = ['src', 'package-lock.json', ...globSync('src/**', { cwd: root })]
  return sources.every((path) => modifiedMs(join(root, path)) <= stamp.mtimeMs)
}

/** A file that vanished between listing and looking is news too. */
function modifiedMs(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? Infinity
}

/**
 * Bundles the programs as split, lazily loaded CommonJS below `dist/`. Each build has a folder of its
 * own and the entries are replaced by renaming, so that a program that starts or runs meanwhile keeps
 * the files it began with.
 *
 * @param root - project folder
 * @param programs - program → module that exports `main(argv): Promise<number>`
 */
export async function buildPrograms(
  root: string,
  programs: Readonly<Record<string, string>>,
): Promise<void> {
  const started = new Date()
  const dist = join(root, 'dist')
  const folder = BUNDLE + randomBytes(6).toString('hex')
  const earlier = bundlesByAge(dist)
  await bundle(root, { programs, to: join(dist, folder) })
  replaceFile(join(dist, 'launch.cjs'), (path) =>
    copyFileSync(join(import.meta.dirname, 'launch.cjs'), path),
  )
  for (const name of Object.keys(programs)) {
    const entry = `require('./launch.cjs')('${name}', () => require('./${folder}/${name}.cjs'))\n`
    replaceFile(join(dist, `${name}.cjs`), (path) => writeFileSync(path, entry))
  }
  replaceFile(join(dist, STAMP), (path) => {
    writeFileSync(path, '')
    utimesSync(path, started, started)
  })
  for (const old of earlier.slice(1)) rmSync(join(dist, old), { recursive: true })
}

async function bundle(
  root: string,
  what: { readonly programs: Readonly<Record<string, string>>; readonly to: string },
): Promise<void> {
  const sources = join(root, 'src/')
  const build = await rolldown({
    cwd: root,
    input: { ...what.programs },
    platform: 'node',
    // No module of ours does anything by being imported: one that nothing is taken from is left out
    // of the chunk, and what the help text does not need is not loaded for it.
    treeshake: { moduleSideEffects: (id) => (id.startsWith(sources) ? false : undefined) },
  })
  try {
    await build.write({
      dir: what.to,
      format: 'cjs',
      entryFileNames: '[name].cjs',
      chunkFileNames: '[name]-[hash].cjs',
      exports: 'named',
      codeSplitting: { groups: groupsOfCalls() },
      // Half the bytes to read at a start; names stay, for the stack of a bug report.
      minify: { compress: false, mangle: false, codegen: { removeWhitespace: true } },
    })
  } finally {
    await build.close()
  }
}

/**
 * What a call needs together stands in one file together: to find, read and check a file costs a
 * start most of a millisecond. Each group takes its modules and what they import, less what the groups
 * before it have.
 */
function groupsOfCalls(): { name: string; test: RegExp; priority: number }[] {
  const groups: readonly (readonly [name: string, modules: string])[] = [
    ['start', '(?:main|kosd)'],
    ['call', '(?:context|commands/exec-run)'],
    ['credential', 'credential'],
    ['peers', 'direct-calls'],
  ]
  return groups.map(([name, modules], index) => ({
    name,
    test: new RegExp(`/src/apps/cli/${modules}\\.ts$`),
    priority: groups.length - index,
  }))
}

/** Earlier bundle folders, newest first. */
function bundlesByAge(dist: string): readonly string[] {
  mkdirSync(dist, { recursive: true })
  const age = (name: string): number => modifiedMs(join(dist, name))
  const bundles = readdirSync(dist).filter((name) => name.startsWith(BUNDLE))
  return bundles.toSorted((a, b) => age(b) - age(a))
}

function replaceFile(path: string, write: (path: string) => void): void {
  const fresh = `${path}.new`
  write(fresh)
  renameSync(fresh, path)
}
