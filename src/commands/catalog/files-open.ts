import { constants, type Stats } from 'node:fs'
import { type FileHandle, open } from 'node:fs/promises'
import { isRefusal, refuse, type Refusal } from '../../foundation/base/index.ts'
import { type PlacedPath, refuseFile } from './files-path.ts'

/** A handle that names an inode without opening it for reading. @see open(2): O_PATH */
const O_PATH = 0o10000000
const NAME_ONLY = O_PATH | constants.O_NOFOLLOW
/** A FIFO or a terminal must not block, and a terminal must not become ours. */
const READ_ONLY = constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOCTTY

/** A pinned inode below a root. */
export interface PinnedFile extends AsyncDisposable {
  readonly stats: Stats
  /** A path that leads to this very inode while the handle is open. */
  readonly path: string
}

/**
 * Walks from a root to a target one component at a time and pins the target. No symbolic link is
 * followed at any place, so nothing outside the root can be reached, whatever is renamed meanwhile.
 * Nothing is opened for reading: devices and FIFOs notice nothing.
 *
 * **Security:** what is mounted or bind-mounted below a root counts as part of it.
 *
 * @param place - root and components, without `..`
 * @returns the pinned inode, or a refusal: rule `files/symlink`, `files/permission`, `files/missing`
 */
export async function openBeneath(place: PlacedPath): Promise<PinnedFile | Refusal> {
  if (process.platform !== 'linux') {
    // Confinement rests on O_PATH and /proc/self/fd; without them nothing is served.
    return refuseFile('files/platform', 'Ask a device that runs Linux.')
  }
  let pin = await pinPath(place.root.directory)
  for (const component of place.components) {
    if (isRefusal(pin)) return pin
    await using parent = pin
    if (!parent.stats.isDirectory()) return missing()
    pin = await pinPath(`${parent.path}/${component}`)
  }
  return pin
}

async function pinPath(path: string): Promise<PinnedFile | Refusal> {
  const handle = await openOrRefuse(path, NAME_ONLY)
  if (isRefusal(handle)) return handle
  await using guard = new AsyncDisposableStack()
  guard.use(handle)
  const stats = await handle.stat()
  if (stats.isSymbolicLink()) {
    return refuseFile('files/symlink', 'Name the file itself; symbolic links are not followed.')
  }
  guard.move()
  return {
    stats,
    path: `/proc/self/fd/${handle.fd}`,
    [Symbol.asyncDispose]: () => handle.close(),
  }
}

/**
 * Opens a regular file below a root for reading, for as long as it is used.
 *
 * @param place - as for {@link openBeneath}
 * @param use - gets the open file and its size when it was pinned
 * @returns what `use` returns, or a refusal: those of {@link openBeneath}, rule `files/not-regular` for a
 * folder, device, FIFO or socket, `files/hard-link` for a file with further names, which may stand
 * outside the root
 */
export async function withRegularFile<T>(
  place: PlacedPath,
  use: (file: FileHandle, sizeBytes: number) => Promise<T>,
): Promise<T | Refusal> {
  const pin = await openBeneath(place)
  if (isRefusal(pin)) return pin
  await using pinned = pin
  const handle = await openRegular(pinned)
  if (isRefusal(handle)) return handle
  await using file = handle
  return await use(file, pinned.stats.size)
}

async function openRegular(pin: PinnedFile): Promise<FileHandle | Refusal> {
  if (!pin.stats.isFile()) {
    return refuseFile('files/not-regular', 'Name a regular file; files.list shows folders.')
  }
  if (pin.stats.nlink !== 1) {
    return refuseFile('files/hard-link', 'Copy the file; one with several names is not read.')
  }
  return openOrRefuse(pin.path, READ_ONLY)
}

async function openOrRefuse(path: string, flags: number): Promise<FileHandle | Refusal> {
  try {
    return await open(path, flags)
  } catch (error) {
    return refuseErrno(error)
  }
}

/** Turns the expected failures of opening into refusals; others stay exceptions. */
function refuseErrno(error: unknown): Refusal {
  const code = error instanceof Error && 'code' in error ? error.code : undefined
  switch (code) {
    case 'ENOENT':
    case 'ENOTDIR':
    case 'ENAMETOOLONG':
      return missing()
    case 'EACCES':
    case 'EPERM':
      return refuseFile('files/permission', 'Let the user of the daemon read the file.')
    default:
      throw error
  }
}

function missing(): Refusal {
  return refuse('KOS_CATALOG_FILE_MISSING', 'files/missing', {
    remedy: 'List the folder above to see the names in it.',
  })
}
