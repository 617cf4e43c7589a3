import { lstatSync, realpathSync, type Stats } from 'node:fs'
import { dirname } from 'node:path'

const WRITABLE_BY_OTHERS = 0o022
const STICKY = 0o1000

/**
 * Says who else could change what stands at a path. It must belong to root or to the daemon's own
 * user, and nobody else may write it; the same holds for every folder above it, because whoever can
 * write there can put another file in its place. A folder such as `/tmp`, in which everybody may only
 * remove what is theirs, is none of these.
 *
 * @param path - absolute path of a file or folder, symbolic links are followed first
 * @param userId - of the daemon
 * @param kind - what it must be
 * @returns what is wrong as the end of a sentence about the path, or `undefined`
 */
export function trustProblem(
  path: string,
  userId: number,
  kind: 'file' | 'folder' | 'any',
): string | undefined {
  let real: string
  try {
    real = realpathSync(path)
  } catch {
    return 'does not exist'
  }
  const stats = lstatSync(real, { throwIfNoEntry: false })
  if (!stats) return 'does not exist'
  if (kind === 'file' && !stats.isFile()) return 'is not a regular file'
  if (kind === 'folder' && !stats.isDirectory()) return 'is not a folder'
  if (!isOwned(stats, userId)) return 'belongs neither to root nor to the user of the daemon'
  if ((stats.mode & WRITABLE_BY_OTHERS) !== 0) return 'can be written by its group or by others'
  return folderProblem(dirname(real), userId)
}

function folderProblem(folder: string, userId: number): string | undefined {
  const stats = lstatSync(folder, { throwIfNoEntry: false })
  const isSafe =
    stats !== undefined &&
    isOwned(stats, userId) &&
    ((stats.mode & WRITABLE_BY_OTHERS) === 0 || (stats.mode & STICKY) !== 0)
  if (!isSafe) return `lies below ${folder}, which others can write`
  const above = dirname(folder)
  return above === folder ? undefined : folderProblem(above, userId)
}

function isOwned({ uid }: Stats, userId: number): boolean {
  return uid === 0 || uid === userId
}
