import type { FileHandle } from 'node:fs/promises'
import { isRefusal, refuse, type Refusal, z } from '../../foundation/base/index.ts'
import { bytesSchema, type Command, defineCommand } from './command.ts'
import { withRegularFile } from './files-open.ts'
import {
  canonicalPath,
  type FileRoot,
  outsideRoots,
  pathSchema,
  type PlacedPath,
  placePath,
  refuseFile,
} from './files-path.ts'

const ENCODINGS = ['utf8', 'base64', 'bytes'] as const
type Encoding = (typeof ENCODINGS)[number]

/** Most bytes that one `files.read` returns: a text on the wire has at most 16,384 bytes. */
export const MAX_READ_BYTES: Readonly<Record<Encoding, number>> = Object.freeze({
  utf8: 16_384,
  base64: 12_288,
  bytes: 262_144,
})

interface ReadArguments {
  readonly path: string
  readonly offset: number
  readonly length?: number | undefined
  readonly encoding: Encoding
}

interface ReadResult {
  path: string
  sizeBytes: number
  offset: number
  length: number
  complete: boolean
  encoding: Encoding
  content: string | Uint8Array
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
      'Reads from an offset at most 16,384 bytes as text (utf8), 12,288 as base64 or 262,144 as raw ' +
      'bytes. The path is absolute or starts with the name of a shared folder. Refused are "..", symbolic links at any place, files with several names, ' +
      'devices, FIFOs, sockets and everything outside the shared folders. Text must be UTF-8; a ' +
      'character that is cut by the end of the range is left for the next read.',
    argumentSchema: z.strictObject({
      path: pathSchema,
      offset: z.int().min(0).default(0),
      length: z.int().min(1).max(MAX_READ_BYTES.bytes).optional(),
      encoding: z.enum(ENCODINGS).default('utf8'),
    }),
    resultSchema: z.strictObject({
      path: z.string(),
      sizeBytes: z.int().min(0),
      offset: z.int().min(0),
      length: z.int().min(0),
      complete: z.boolean(),
      encoding: z.enum(ENCODINGS),
      content: z.union([z.string(), bytesSchema(MAX_READ_BYTES.bytes)]),
    }),
    positional: ['path'],
    permission: 'files.read',
    effects: 'read',
    limits: {
      maxArgumentBytes: 4096,
      maxResultBytes: MAX_READ_BYTES.bytes + 8192,
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
      if (isRefusal(path)) return path
      return { ...args, path, length: args.length ?? MAX_READ_BYTES[args.encoding] }
    },
    confine: (args) => (placePath(args.path, roots) ? confineLength(args) : outsideRoots()),
    run: (_context, args) => {
      const place = placePath(args.path, roots)
      return place ? readPlaced(place, args) : outsideRoots()
    },
  })
}

function confineLength({ length, encoding }: ReadArguments): Refusal | undefined {
  const most = MAX_READ_BYTES[encoding]
  if (length === undefined || length <= most) return undefined
  return refuseFile('files/length', `Read at most ${most} bytes at once with this encoding.`)
}

function readPlaced(place: PlacedPath, args: ReadArguments): Promise<ReadResult | Refusal> {
  return withRegularFile(place, async (file, sizeBytes) => {
    const { path, offset, encoding } = args
    const range = await readRange(file, offset, args.length ?? MAX_READ_BYTES[encoding])
    const content = encodeRange(range, encoding, offset + range.length < sizeBytes)
    if (isRefusal(content)) return content
    const complete = offset + content.length >= sizeBytes
    return { path, sizeBytes, offset, complete, encoding, ...content }
  })
}

/** A part of a file in its encoding, and how many bytes of the file it stands for. */
interface Content {
  readonly content: string | Uint8Array
  readonly length: number
}

function encodeRange(range: Buffer, encoding: Encoding, continues: boolean): Content | Refusal {
  switch (encoding) {
    case 'utf8':
      return decodeText(range, continues)
    case 'base64':
      return { content: range.toString('base64'), length: range.length }
    case 'bytes':
      return { content: range, length: range.length }
  }
}

async function readRange(file: FileHandle, offset: number, length: number): Promise<Buffer> {
  const buffer = Buffer.alloc(length)
  let filled = 0
  // A read may be short before the end of a file; only zero bytes mean the end.
  while (filled < length) {
    const { bytesRead } = await file.read(buffer, filled, length - filled, offset + filled)
    if (bytesRead === 0) break
    filled += bytesRead
  }
  return buffer.subarray(0, filled)
}

/** Decodes UTF-8 strictly; a final character that is cut is left out where the file goes on. */
function decodeText(range: Buffer, continues: boolean): Content | Refusal {
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
