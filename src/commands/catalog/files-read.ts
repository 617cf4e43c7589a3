import type { FileHandle } from 'node:fs/promises'
import { isRefusal, refuse, type Refusal, z } from '../../foundation/base/index.ts'
import { type Command, defineCommand } from './command.ts'
import { openBeneath, openRegular } from './files-open.ts'
import {
  canonicalPath,
  type FileRoot,
  outsideRoots,
  pathSchema,
  type PlacedPath,
  placePath,
} from './files-path.ts'

/** Most bytes that one `files.read` returns. */
export const MAX_READ_BYTES = 262_144

interface ReadArguments {
  readonly path: string
  readonly offset: number
  readonly length: number
  readonly encoding: 'utf8' | 'base64'
}

interface ReadResult {
  path: string
  sizeBytes: number
  offset: number
  length: number
  complete: boolean
  encoding: 'utf8' | 'base64'
  content: string
}

/**
 * `files.read`: a bounded part of a regular file below a shared folder.
 *
 * **Security:** the content is untrusted text and may hold control characters: escape it before it
 * reaches a terminal.
 *
 * @param roots - checked by `checkRoots`
 */
export function filesReadCommand(roots: readonly FileRoot[]): Command {
  return defineCommand<ReadArguments, ReadResult>({
    name: 'files.read',
    domain: 'rpc',
    summary: 'Reads a part of a file in a shared folder',
    description:
      'Reads at most 262,144 bytes from an offset. The path is absolute or starts with the name of ' +
      'a shared folder. Refused are "..", symbolic links at any place, files with several names, ' +
      'devices, FIFOs, sockets and everything outside the shared folders. Text must be UTF-8; a ' +
      'character that is cut by the end of the range is left for the next read.',
    argumentSchema: z.strictObject({
      path: pathSchema,
      offset: z.int().min(0).default(0),
      length: z.int().min(1).max(MAX_READ_BYTES).default(MAX_READ_BYTES),
      encoding: z.enum(['utf8', 'base64']).default('utf8'),
    }),
    resultSchema: z.strictObject({
      path: z.string(),
      sizeBytes: z.int().min(0),
      offset: z.int().min(0),
      length: z.int().min(0),
      complete: z.boolean(),
      encoding: z.enum(['utf8', 'base64']),
      content: z.string(),
    }),
    positional: ['path'],
    permission: 'files.read',
    effects: 'read',
    limits: {
      maxArgumentBytes: 4096,
      maxResultBytes: Math.ceil(MAX_READ_BYTES / 3) * 4 + 8192,
      timeoutMs: 10_000,
      concurrency: 16,
    },
    examples: [
      { purpose: 'Read a note.', arguments: { path: 'share/readme.txt' } },
      {
        purpose: 'Read the first kilobyte of an image.',
        arguments: { path: 'share/photo.jpg', length: 1024, encoding: 'base64' },
      },
    ],
    canonicalise: (args) => {
      const path = canonicalPath(args.path, roots)
      return typeof path === 'string' ? { ...args, path } : path
    },
    confine: ({ path }) => (placePath(path, roots) ? undefined : outsideRoots()),
    run: (_context, args) => {
      const place = placePath(args.path, roots)
      return place ? readPlaced(place, args) : outsideRoots()
    },
  })
}

async function readPlaced(place: PlacedPath, args: ReadArguments): Promise<ReadResult | Refusal> {
  const pin = await openBeneath(place)
  if (isRefusal(pin)) return pin
  await using pinned = pin
  const handle = await openRegular(pinned)
  if (isRefusal(handle)) return handle
  await using file = handle
  const range = await readRange(file, args)
  const end = args.offset + range.length
  const text = args.encoding === 'utf8' ? decodeText(range, end < pinned.stats.size) : undefined
  if (isRefusal(text)) return text
  const length = text?.length ?? range.length
  return {
    path: args.path,
    sizeBytes: pinned.stats.size,
    offset: args.offset,
    length,
    complete: args.offset + length >= pinned.stats.size,
    encoding: args.encoding,
    content: text?.content ?? range.toString('base64'),
  }
}

async function readRange(file: FileHandle, args: ReadArguments): Promise<Buffer> {
  const buffer = Buffer.alloc(args.length)
  let filled = 0
  // A read may be short before the end of a file; only zero bytes mean the end.
  while (filled < args.length) {
    const { bytesRead } = await file.read(
      buffer,
      filled,
      args.length - filled,
      args.offset + filled,
    )
    if (bytesRead === 0) break
    filled += bytesRead
  }
  return buffer.subarray(0, filled)
}

/** Decodes UTF-8 strictly; a final character that is cut is left out where the file goes on. */
function decodeText(
  range: Buffer,
  continues: boolean,
): { readonly content: string; readonly length: number } | Refusal {
  const length = continues ? range.length - cutBytes(range) : range.length
  try {
    const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
    return { content: decoder.decode(range.subarray(0, length)), length }
  } catch {
    return refuse('KOS_CATALOG_FILE_ENCODING', 'files/encoding', {
      remedy: 'Read the file with the encoding "base64".',
    })
  }
}

/** How many bytes at the end belong to a character that is not complete. @see RFC 3629 section 3 */
function cutBytes(bytes: Buffer): number {
  for (let back = 1; back <= Math.min(3, bytes.length); back++) {
    const byte = bytes[bytes.length - back] ?? 0
    if (byte < 0x80) return 0
    if (byte < 0xc0) continue
    const needs = byte < 0xe0 ? 2 : byte < 0xf0 ? 3 : 4
    return needs > back ? back : 0
  }
  return 0
}
