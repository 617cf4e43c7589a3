import type { FileHandle } from 'node:fs/promises'
import { isRefusal, type Refusal, z } from '../../foundation/base/index.ts'
import { type Command, type CommandContext, defineCommand } from './command.ts'
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

/** Most bytes that one `files.fetch` sends. */
const MAX_FETCH_BYTES = 1024 * 1024 * 1024
const PIECE_BYTES = 256 * 1024

interface FetchArguments {
  readonly path: string
  readonly offset: number
  readonly length: number
}

interface FetchResult {
  path: string
  sizeBytes: number
  offset: number
  length: number
  complete: boolean
}

type Emit = NonNullable<CommandContext['emit']>

/**
 * `files.fetch`: a regular file below a shared folder as a stream of bytes.
 *
 * **Security:** as `files.read`: the content is untrusted.
 *
 * @param roots - checked by `checkRoots`
 */
export function filesFetchCommand(roots: readonly FileRoot[]): Command {
  return defineCommand<FetchArguments, FetchResult>({
    name: 'files.fetch',
    domain: 'rpc',
    summary: 'Streams a file of a shared folder',
    description:
      'Sends the bytes of a file, from an offset at most 1 GiB, before its result, as fast as the ' +
      'caller takes them. The path is absolute or starts with the name of a shared folder; what ' +
      'files.read refuses is refused here too, and so is a caller that asks for no stream.',
    argumentSchema: z.strictObject({
      path: pathSchema,
      offset: z.int().min(0).default(0),
      length: z.int().min(1).max(MAX_FETCH_BYTES).default(MAX_FETCH_BYTES),
    }),
    resultSchema: z.strictObject({
      path: z.string(),
      sizeBytes: z.int().min(0),
      offset: z.int().min(0),
      length: z.int().min(0),
      complete: z.boolean(),
    }),
    positional: ['path'],
    permission: 'files.read',
    effects: 'read',
    streams: true,
    limits: {
      maxArgumentBytes: 4096,
      maxResultBytes: MAX_FETCH_BYTES,
      timeoutMs: 300_000,
      concurrency: 16,
    },
    examples: [
      { purpose: 'Fetch an image.', arguments: { path: 'share/photo.jpg' } },
      {
        purpose: 'Fetch what is behind the first megabyte of a log.',
        arguments: { path: 'share/system.log', offset: 1_000_000 },
      },
    ],
    canonicalise: (args) => {
      const path = canonicalPath(args.path, roots)
      return isRefusal(path) ? path : { ...args, path }
    },
    confine: (args) => (placePath(args.path, roots) ? undefined : outsideRoots()),
    run: (context, args) => {
      const place = placePath(args.path, roots)
      const { emit } = context
      if (!place) return outsideRoots()
      return emit ? fetchPlaced(place, args, emit) : withoutStream()
    },
  })
}

function withoutStream(): Refusal {
  return refuseFile('files/stream', 'Ask for a stream, or read the file in parts: files.read.')
}

function fetchPlaced(
  place: PlacedPath,
  args: FetchArguments,
  emit: Emit,
): Promise<FetchResult | Refusal> {
  return withRegularFile(place, async (file) => {
    const { path, offset } = args
    const length = await sendRange(file, args, emit)
    // A file may have grown meanwhile: what counts is how long it is now.
    const { size } = await file.stat()
    return { path, sizeBytes: size, offset, length, complete: offset + length >= size }
  })
}

/** Sends a range and waits for the reader after each piece; one buffer serves all of them. */
async function sendRange(file: FileHandle, range: FetchArguments, emit: Emit): Promise<number> {
  const buffer = Buffer.alloc(Math.min(PIECE_BYTES, range.length))
  let sent = 0
  while (sent < range.length) {
    const most = Math.min(buffer.length, range.length - sent)
    const { bytesRead } = await file.read(buffer, 0, most, range.offset + sent)
    if (bytesRead === 0) break
    await emit(buffer.subarray(0, bytesRead))
    sent += bytesRead
  }
  return sent
}
