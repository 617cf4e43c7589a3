import { type FSWatcher, lstatSync, readdirSync, readFileSync, realpathSync, watch } from 'node:fs'
import { join } from 'node:path'
import {
  type CancelTimer,
  type Clock,
  type Log,
  sha256,
  toHex,
} from '../../foundation/base/index.ts'
import {
  type Command,
  type CommandSecrets,
  createUserCommand,
  type FileProblem,
  MAX_COMMAND_FILE_BYTES,
  readUserCommand,
  type RefusedFile,
  trustProblem,
  type UserCommandDeps,
} from '../../commands/catalog/index.ts'

/** Most command files of one node. */
export const MAX_USER_COMMANDS = 256
/** Where the kernel tells of no change, the folder is looked at this often. */
const SCAN_MS = 30_000
/** An editor writes a file in several steps. */
const SETTLE_MS = 100
const FILE_NAME = /^[a-z][a-z0-9.-]{0,63}\.json$/
const MAX_REASON = 256

/** What happened to one command of a file. */
export interface CommandChange {
  readonly change: 'added' | 'replaced' | 'removed' | 'refused'
  /** Name of the file in its folder. */
  readonly file: string
  /** SHA-256 of the file in hexadecimal, where it is in force now. */
  readonly digest?: string
  /** Why it is refused. */
  readonly reason?: string
}

/** What the commands of files need. */
export interface UserCommandsDeps {
  readonly clock: Clock
  readonly log: Log
  readonly command: UserCommandDeps
  /** Puts the commands of all files in force, at once. */
  apply(commands: readonly Command[]): void
  record(change: CommandChange): void
}

/** Where the files are, and what they may not do. */
export interface UserCommandsOptions {
  readonly folder: string
  /** Names of the built-in commands. */
  readonly reserved: ReadonlySet<string>
  /** Folders that no command may read. */
  readonly secretFolders: readonly string[]
  /** Secrets that the node has; absent: names of secrets are not checked. */
  readonly secrets?: Pick<CommandSecrets, 'has'>
}

/** The commands that a node has from files. */
export interface UserCommands {
  names(): ReadonlySet<string>
  refused(): readonly RefusedFile[]
  /** Looks at the folder at once. */
  reload(): void
  /** Looks at the folder now and whenever it changes. */
  start(): void
  stop(): void
}

/** A file in force: its command stays when the file goes bad. */
interface Accepted {
  readonly command: Command
  readonly signature: string
  /** Path of its module, and what that looked like. */
  readonly module: { readonly path: string; readonly signature: string } | undefined
}

/**
 * Keeps the commands of a node equal to the files of a folder. Each file stands for itself: a bad one
 * changes nothing, neither its own command, which stays as it was last accepted, nor any other.
 *
 * @param deps - where commands go, and who is told
 * @param options - the folder and its bounds
 */
export function createUserCommands(
  deps: UserCommandsDeps,
  options: UserCommandsOptions,
): UserCommands {
  return new FolderOfCommands(deps, options)
}

class FolderOfCommands implements UserCommands {
  readonly #deps: UserCommandsDeps
  readonly #options: UserCommandsOptions
  #accepted = new Map<string, Accepted>()
  #refused = new Map<string, string>()
  #names: ReadonlySet<string> = new Set()
  #watcher: FSWatcher | undefined
  #cancelScan: CancelTimer | undefined
  #cancelSettle: CancelTimer | undefined

  constructor(deps: UserCommandsDeps, options: UserCommandsOptions) {
    this.#deps = deps
    this.#options = options
  }

  names(): ReadonlySet<string> {
    return this.#names
  }

  refused(): readonly RefusedFile[] {
    return [...this.#refused].map(([file, reason]) => ({ file, reason }))
  }

  start(): void {
    this.#watch()
    this.reload()
    this.#cancelScan = this.#deps.clock.after(SCAN_MS, () => this.start())
  }

  stop(): void {
    this.#watcher?.close()
    this.#watcher = undefined
    this.#cancelScan?.()
    this.#cancelSettle?.()
  }

  reload(): void {
    const files = this.#list()
    if (typeof files === 'string') {
      this.#refuse(new Map([...this.#refused, ['.', files]]))
      return
    }
    const accepted = new Map<string, Accepted>()
    const refused = new Map<string, string>()
    const changes: CommandChange[] = []
    for (const file of files) {
      const before = this.#accepted.get(file)
      const now = before && isUnchanged(before, join(this.#options.folder, file))
      const read = now ? before : this.#read(file)
      if (typeof read !== 'string') {
        accepted.set(file, read)
        if (read !== before) {
          const digest = read.signature.split(' ')[0] ?? ''
          changes.push({ change: before ? 'replaced' : 'added', file, digest })
        }
        continue
      }
      refused.set(printableName(file), read)
      if (before) accepted.set(file, before)
    }
    for (const file of this.#accepted.keys()) {
      if (!accepted.has(file)) changes.push({ change: 'removed', file })
    }
    if (changes.length > 0) this.#apply(accepted)
    for (const change of changes) this.#tell(change)
    this.#refuse(refused)
  }

  #apply(accepted: Map<string, Accepted>): void {
    const commands = [...accepted.values()].map(({ command }) => command)
    this.#deps.apply(commands)
    this.#accepted = accepted
    this.#names = new Set(commands.map(({ name }) => name))
  }

  /** Says once what is wrong with a file, not at every look. */
  #refuse(refused: Map<string, string>): void {
    const before = this.#refused
    this.#refused = refused
    for (const [file, reason] of refused) {
      if (before.get(file) !== reason) this.#tell({ change: 'refused', file, reason })
    }
  }

  #tell(change: CommandChange): void {
    const { file, reason } = change
    const level = reason === undefined ? 'info' : 'error'
    this.#deps.log.event(`command-file.${change.change}`, { file, reason }, level)
    this.#deps.record(change)
  }

  /** Names of the files, or why the folder is not read at all. */
  #list(): readonly string[] | string {
    const { folder } = this.#options
    const problem = trustProblem(folder, this.#deps.command.userId, 'folder')
    if (problem !== undefined) return `the folder ${problem}`
    try {
      const files = readdirSync(folder).filter((name) => /^[^.].*\.json$/.test(name))
      return files.length > MAX_USER_COMMANDS
        ? `the folder holds more than ${MAX_USER_COMMANDS} command files`
        : files.toSorted()
    } catch (error) {
      return `the folder cannot be read: ${codeOf(error)}`
    }
  }

  #read(file: string): Accepted | string {
    const { folder, reserved, secretFolders, secrets } = this.#options
    const path = join(folder, file)
    const { userId } = this.#deps.command
    if (!FILE_NAME.test(file)) return 'is not named after a command: NAME.json'
    try {
      // Before the content: what changes meanwhile is read again.
      const shape = shapeOf(path)
      const text = readCommandFile(path, userId)
      if (text instanceof Error) return text.message
      const reading = readUserCommand(text, {
        folder,
        userId,
        reserved,
        secretFolders,
        secrets,
      })
      if (!reading.definition) return reasonOf(reading.problems)
      const { definition } = reading
      const { name, run } = definition.file
      if (file !== `${name}.json`) return `/name is not that of the file: ${file} holds ${name}`
      const command = createUserCommand(this.#deps.command, definition)
      const digest = toHex(sha256(Buffer.from(text)))
      const module =
        'module' in run ? moduleOf(join(folder, run.module), definition.moduleText) : undefined
      return { command, signature: `${digest} ${shape}`, module }
    } catch (error) {
      return `cannot be used: ${codeOf(error)}`
    }
  }

  #watch(): void {
    if (this.#watcher) return
    try {
      const { folder } = this.#options
      this.#watcher = watch(folder, { persistent: false }, () => this.#settle())
      this.#watcher.on('error', () => {
        this.#watcher?.close()
        this.#watcher = undefined
      })
    } catch (error) {
      // The scan finds every change too, only later.
      this.#deps.log.event('command-folder.not-watched', { error: codeOf(error) }, 'warn')
    }
  }

  #settle(): void {
    // An event can still come after the watcher was closed.
    if (!this.#watcher) return
    this.#cancelSettle?.()
    this.#cancelSettle = this.#deps.clock.after(SETTLE_MS, () => this.reload())
  }
}

/** The content of a command file that nobody else could have written. */
function readCommandFile(path: string, userId: number): string | Error {
  const stats = lstatSync(path)
  if (!stats.isFile()) return new Error('is not a regular file')
  if (stats.size > MAX_COMMAND_FILE_BYTES) {
    return new Error(`is larger than ${MAX_COMMAND_FILE_BYTES} bytes`)
  }
  const problem = trustProblem(path, userId, 'file')
  return problem === undefined ? readFileSync(path, 'utf8') : new Error(problem)
}

/** One problem as a text; the others are counted. */
function reasonOf(problems: readonly FileProblem[]): string {
  const [first] = problems
  const more = problems.length > 1 ? ` (and ${problems.length - 1} more)` : ''
  const text = first ? `${first.pointer || '/'} ${first.problem}` : 'is not accepted'
  return `${text.slice(0, MAX_REASON - 32)}${more}`
}

function isUnchanged({ signature, module }: Accepted, path: string): boolean {
  if (signature.slice(signature.indexOf(' ') + 1) !== shapeOf(path)) return false
  return module === undefined || module.signature === shapeOf(module.path)
}

/** A module that changed since it was read gets no shape, so that it is read again. */
function moduleOf(path: string, text: string | undefined): Accepted['module'] {
  const signature = shapeOf(path)
  return { path, signature: readFileSync(path, 'utf8') === text ? signature : '' }
}

/** What a change of a file's content, owner or mode changes. */
function shapeOf(path: string): string {
  try {
    const { ino, size, mtimeNs, ctimeNs } = lstatSync(path, { bigint: true })
    return `${ino}/${size}/${mtimeNs}/${ctimeNs}`
  } catch {
    return 'missing'
  }
}

function printableName(file: string): string {
  return file.slice(0, 80).replaceAll(/[^\w.-]/g, '?')
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : 'unknown'
}

/** The folders whose content no command may see, as they really are. */
export function secretFoldersOf(folders: readonly string[]): readonly string[] {
  return folders.flatMap((folder) => {
    try {
      return [realpathSync(folder)]
    } catch {
      return []
    }
  })
}

/** The Node that runs this process, by its real path: modules run in it. */
export function nodeProgram(): string {
  return realpathSync(process.execPath)
}
