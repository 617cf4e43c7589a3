import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import {
  accessSync,
  chmodSync,
  closeSync,
  constants,
  fsyncSync,
  mkdtempSync,
  openSync,
  readdirSync,
  rmSync,
  statSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { constants as osConstants, tmpdir } from 'node:os'
import { join } from 'node:path'
import { trustProblem } from '../../../commands/catalog/index.ts'
import type { CliContext } from '../context.ts'
import { cliErrors } from '../errors.ts'
import { readText } from './file.ts'
import { placeSchema } from './place.ts'

const MEMORY = '/dev/shm'

/** A text in the editor of the user. */
export interface Draft {
  readonly path: string
  /** Runs the editor until it ends. @throws {@link KosError} KOS_CLI_EDITOR */
  edit(): Promise<void>
  /** @throws {@link KosError} KOS_CLI_CONFIG when it is too large, or no UTF-8 */
  read(): string
}

/**
 * Gives a text to an editor: a file of mode 0600 in a folder of mode 0700 that nobody else has, in memory
 * where this machine has such a place. Whatever lies in the folder afterwards, copies of the editor
 * included, is overwritten and removed, also when a signal ends the program.
 *
 * **Security:** a disk keeps what was overwritten in places of its own; only memory forgets.
 */
export async function withDraft<T>(
  context: CliContext,
  text: string,
  work: (draft: Draft) => Promise<T>,
): Promise<T> {
  const folder = mkdtempSync(join(privatePlace(context), 'kos-config-'))
  const path = join(folder, 'config.yaml')
  let editor: ChildProcess | undefined
  const end = (signal: NodeJS.Signals): void => {
    editor?.kill()
    wipeFolder(folder)
    process.exit(128 + osConstants.signals[signal])
  }
  // Ctrl-C is the editor's.
  const ignore = (): void => undefined
  process.on('SIGINT', ignore).on('SIGTERM', end).on('SIGHUP', end)
  try {
    writeFileSync(path, text, { mode: 0o600, flag: 'wx' })
    placeSchema(folder)
    return await work({
      path,
      edit: async () => {
        editor = startEditor(context, path)
        const [status] = (await once(editor, 'exit')) as [number | null]
        if (status !== 0) throw cliErrors.error('KOS_CLI_EDITOR')
      },
      read: () => readText(path).text,
    })
  } finally {
    wipeFolder(folder)
    process.off('SIGINT', ignore).off('SIGTERM', end).off('SIGHUP', end)
  }
}

/** Under sudo the folder of the environment is somebody else's, who could put another draft in place. */
function privatePlace({ environment: { runtime } }: CliContext): string {
  const isOwn =
    runtime !== undefined && trustProblem(runtime, process.getuid?.() ?? 0, 'folder') === undefined
  return [...(isOwn ? [runtime] : []), MEMORY].find(isWritable) ?? tmpdir()
}

function isWritable(folder: string): boolean {
  try {
    accessSync(folder, constants.W_OK)
    return true
  } catch {
    return false
  }
}

/** @see environ(7): EDITOR can have arguments, so a shell reads it */
function startEditor({ environment }: CliContext, path: string): ChildProcess {
  const editor = environment.editor ?? 'vi'
  return spawn('/bin/sh', ['-c', `${editor} "$@"`, editor, path], { stdio: 'inherit' })
}

/** Whatever cannot be overwritten, such as a file that the editor made read-only, is removed all the same. */
function wipeFolder(folder: string): void {
  try {
    for (const entry of readdirSync(folder, { withFileTypes: true, recursive: true })) {
      if (entry.isFile()) wipeFile(join(entry.parentPath, entry.name))
    }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

function wipeFile(path: string): void {
  chmodSync(path, 0o600)
  const descriptor = openSync(path, 'r+')
  try {
    writeSync(descriptor, Buffer.alloc(statSync(path).size), 0)
    fsyncSync(descriptor)
  } finally {
    closeSync(descriptor)
  }
}
