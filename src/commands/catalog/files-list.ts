import { isUtf8 } from 'node:buffer'
import type { Stats } from 'node:fs'
import { lstat, opendir } from 'node:fs/promises'
import { isRefusal, type Refusal, z } from '../../foundation/base/index.ts'
import { type Command, type CommandContext, defineCommand } from './command.ts'
import { openBeneath } from './files-open.ts'
import {
  canonicalPath,
  type FileRoot,
  outsideRoots,
  pathSchema,
  placePath,
  refuseFile,
} from './files-path.ts'

/** Most entries that one `files.list` returns. */
export const MAX_LIST_ENTRIES = 400
/** Most names that one `files.list` looks at, with those that it only counts. */
const MAX_LIST_NAMES = 10_000

type EntryKind = 'file' | 'directory' | 'symlink' | 'other'

interface ListEntry {
  name: string
  kind: EntryKind
  sizeBytes: number
  modifiedAtMs: number
}

interface ListResult {
  path: string
  entries: ListEntry[]
  truncated: boolean
  unnamable: number
}

/**
 * `files.list`: the entries of a folder below a shared folder, or the shared folders themselves.
 *
 * @param roots - checked by `checkRoots`
 */
export function filesListCommand(roots: readonly FileRoot[]): Command {
  return defineCommand<{ readonly path?: string | undefined }, ListResult>({
    name: 'files.list',
    domain: 'rpc',
    summary: 'Lists a folder, or the shared folders',
    description:
      'Lists at most 400 entries of a folder with kind, size and time of change; without a path, ' +
      'the shared folders. Symbolic links are shown but never followed. Names that are not UTF-8 or ' +
      'hold control characters are only counted, because no command could name them.',
    argumentSchema: z.strictObject({ path: pathSchema.optional() }),
    resultSchema: z.strictObject({
      path: z.string(),
      entries: z
        .array(
          z.strictObject({
            name: z.string(),
            kind: z.enum(['file', 'directory', 'symlink', 'other']),
            sizeBytes: z.int().min(0),
            modifiedAtMs: z.int(),
          }),
        )
        .max(MAX_LIST_ENTRIES),
      truncated: z.boolean(),
      unnamable: z.int().min(0),
    }),
    positional: ['path'],
    permission: 'files.list',
    effects: 'read',
    limits: {
      maxArgumentBytes: 4096,
      maxResultBytes: 256 * 1024,
      timeoutMs: 10_000,
      concurrency: 8,
    },
    examples: [
      { purpose: 'See which folders a device shares.', arguments: {} },
      { purpose: 'List a folder.', arguments: { path: 'share' } },
    ],
    canonicalise: ({ path }) => {
      if (path === undefined) return {}
      const canonical = canonicalPath(path, roots)
      return typeof canonical === 'string' ? { path: canonical } : canonical
    },
    confine: ({ path }) =>
      path === undefined || placePath(path, roots) ? undefined : outsideRoots(),
    run: (context, { path }) =>
      path === undefined ? listRoots(roots) : listFolder(path, roots, context),
  })
}

async function listRoots(roots: readonly FileRoot[]): Promise<ListResult> {
  const entries: ListEntry[] = []
  for (const root of roots) {
    const pin = await openBeneath({ root, components: [] })
    // A shared folder that does not exist yet shares nothing.
    if (isRefusal(pin)) continue
    await using pinned = pin
    entries.push(entryOf(root.name, pinned.stats))
  }
  return { path: '/', entries, truncated: false, unnamable: 0 }
}

async function listFolder(
  path: string,
  roots: readonly FileRoot[],
  context: CommandContext,
): Promise<ListResult | Refusal> {
  const place = placePath(path, roots)
  if (!place) return outsideRoots()
  const pin = await openBeneath(place)
  if (isRefusal(pin)) return pin
  await using pinned = pin
  if (!pinned.stats.isDirectory()) {
    return refuseFile('files/not-a-folder', 'Name a folder; files.read reads a file.')
  }
  const { names, truncated, unnamable } = await readNames(pinned.path)
  const entries: ListEntry[] = []
  for (const name of names) {
    context.signal.throwIfAborted()
    // An entry removed since the folder was read is left out.
    const stats = await lstat(`${pinned.path}/${name}`).catch(() => undefined)
    if (stats) entries.push(entryOf(name, stats))
  }
  return { path, entries, truncated, unnamable }
}

interface FolderNames {
  readonly names: readonly string[]
  readonly truncated: boolean
  readonly unnamable: number
}

async function readNames(folder: string): Promise<FolderNames> {
  const names: string[] = []
  let unnamable = 0
  let truncated = false
  // Names come as Latin-1, which keeps every byte, so that what is not UTF-8 can be told apart.
  for await (const { name } of await opendir(folder, { encoding: 'latin1' })) {
    truncated = names.length === MAX_LIST_ENTRIES || names.length + unnamable === MAX_LIST_NAMES
    if (truncated) break
    const bytes = Buffer.from(name, 'latin1')
    const text = bytes.toString('utf8')
    if (isUtf8(bytes) && !/\p{Cc}/u.test(text)) names.push(text)
    else unnamable++
  }
  return { names: names.toSorted(), truncated, unnamable }
}

function entryOf(name: string, stats: Stats): ListEntry {
  return {
    name,
    kind: kindOf(stats),
    sizeBytes: stats.isFile() ? stats.size : 0,
    modifiedAtMs: Math.round(stats.mtimeMs),
  }
}

function kindOf(stats: Stats): EntryKind {
  if (stats.isFile()) return 'file'
  if (stats.isDirectory()) return 'directory'
  return stats.isSymbolicLink() ? 'symlink' : 'other'
}
