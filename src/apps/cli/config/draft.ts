import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import {
  accessSync,
  closeSync,
  constants,
  fsyncSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { constants as osConstants, tmpdir } from 'node:os'
import { join } from 'node:path'
import type { CliContext } from '../context.ts'
import { cliErrors } from '../errors.ts'
import { placeSchema } from './place.ts'
import { MAX_CONFIG_BYTES } from './yaml.ts'

const MEMORY = '/dev/shm'

/** A text in the editor of the user. */
export interface Draft {
  readonly path: string
  /** Runs the editor until it ends. @throws {@link KosError} KOS_CLI_EDITOR */
  edit(): Promise<void>
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
      read: () => readDraft(path),
    })
  } finally {
    wipeFolder(folder)
    process.off('SIGINT', ignore).off('SIGTERM', end).off('SIGHUP', end)
  }
}

function privatePlace({ environment }: CliContext): string {
  const places = [environment.runtime, MEMORY].filter((place) => place !== undefined)
  return places.find(isWritable) ?? tmpdir()
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

function readDraft(path: string): string {
  const { size } = statSync(path)
  if (size > MAX_CONFIG_BYTES) {
    throw cliErrors.error('KOS_CLI_CONFIG', { at: path, problem: 'the file is too large' })
  }
  return readFileSync(path, 'utf8')
}

function wipeFolder(folder: string): void {
  for (const entry of readdirSync(folder, { withFileTypes: true, recursive: true })) {
    if (entry.isFile()) wipeFile(join(entry.parentPath, entry.name))
  }
  rmSync(folder, { recursive: true, force: true })
}

function wipeFile(path: string): void {
  const descriptor = openSync(path, 'r+')
  try {
    writeSync(descriptor, Buffer.alloc(statSync(path).size), 0)
    fsyncSync(descriptor)
  } finally {
    closeSync(descriptor)
  }
}
