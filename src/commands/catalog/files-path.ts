import { refuse, type Refusal, z } from '../../foundation/base/index.ts'
import { catalogErrors } from './errors.ts'

/** A folder that a device shares through the files commands. */
export interface FileRoot {
  /** Short name: `share/a.txt` means `a.txt` in the root `share`. */
  readonly name: string
  /** Absolute normal path of the folder. */
  readonly directory: string
}

/** Where a canonical path lies. */
export interface PlacedPath {
  readonly root: FileRoot
  /** Names from the root to the target; empty for the root itself. */
  readonly components: readonly string[]
}

/** Longest path argument in characters. */
export const MAX_PATH_LENGTH = 1024
const MAX_COMPONENTS = 64
const ROOT_NAME = /^[a-z][a-z0-9-]{0,31}$/

/** The schema of a path argument. Control characters, even in file names, only serve deception. */
export const pathSchema: z.ZodType<string> = z
  .string()
  .min(1)
  .max(MAX_PATH_LENGTH)
  .regex(/^\P{Cc}*$/u)

/**
 * Checks the configured folders.
 *
 * @param roots - folders in any order
 * @returns a frozen copy
 * @throws KOS_CATALOG_ROOT for a malformed or repeated name, or a path that is relative, not normal or
 * the root of the file system
 */
export function checkRoots(roots: readonly FileRoot[]): readonly FileRoot[] {
  const names = new Set<string>()
  for (const { name, directory } of roots) {
    const normal = `/${componentsOf(directory).join('/')}`
    const fits = ROOT_NAME.test(name) && !names.has(name) && directory === normal
    if (!fits || directory === '/' || hasDotDot(directory)) {
      throw catalogErrors.error('KOS_CATALOG_ROOT', { name })
    }
    names.add(name)
  }
  return Object.freeze(roots.map((root) => Object.freeze({ ...root })))
}

/**
 * Brings a path into the one form that policy rules compare: absolute, without empty or `.`
 * components and without a final slash. A relative path starts with the name of a root.
 *
 * **Security:** pure text: the result can name a symbolic link. Only {@link openBeneath} opens it,
 * and that follows none. `..` is refused and not resolved, because what it means depends on links.
 *
 * @returns the canonical path, or a refusal with rule `files/dot-dot`, `files/depth` or `files/root`
 */
export function canonicalPath(path: string, roots: readonly FileRoot[]): string | Refusal {
  if (hasDotDot(path)) return refuseFile('files/dot-dot', 'Write the path without "..".')
  const components = componentsOf(path)
  if (components.length > MAX_COMPONENTS) {
    return refuseFile('files/depth', `Name a path of at most ${MAX_COMPONENTS} components.`)
  }
  if (path.startsWith('/')) return `/${components.join('/')}`
  const root = roots.find(({ name }) => name === components[0])
  return root ? [root.directory, ...components.slice(1)].join('/') : outsideRoots()
}

/** Finds the innermost root that holds a canonical path; `undefined` when none does. */
export function placePath(path: string, roots: readonly FileRoot[]): PlacedPath | undefined {
  let root: FileRoot | undefined
  for (const candidate of roots) {
    const { directory } = candidate
    const holds = path === directory || path.startsWith(`${directory}/`)
    if (holds && directory.length > (root?.directory.length ?? 0)) root = candidate
  }
  return root && { root, components: componentsOf(path.slice(root.directory.length)) }
}

/** The refusal of a path outside every root. */
export function outsideRoots(): Refusal {
  return refuseFile(
    'files/root',
    'Name a path below a shared folder (files.list without a path shows them), or have the ' +
      'operator of the device share the folder.',
  )
}

/** Makes a refusal of a path; rule and remedy never carry the path. */
export function refuseFile(rule: string, remedy: string): Refusal {
  return refuse('KOS_CATALOG_FILE_REFUSED', rule, { remedy })
}

function componentsOf(path: string): readonly string[] {
  return path.split('/').filter((component) => component !== '' && component !== '.')
}

function hasDotDot(path: string): boolean {
  return path.split('/').includes('..')
}
