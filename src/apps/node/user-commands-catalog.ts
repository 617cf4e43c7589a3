import { statSync } from 'node:fs'
import { join } from 'node:path'
import {
  type Clock,
  type Log,
  refuse,
  silentLog,
  systemClock,
} from '../../foundation/base/index.ts'
import type { ExecutionQuota } from '../../foundation/profiles/index.ts'
import {
  type Catalog,
  type Command,
  type CommandSecrets,
  createLiveCatalog,
  describingCommands,
  type ProgramRunner,
  type RefusedFile,
} from '../../commands/catalog/index.ts'
import type { AuditLog } from '../../trust/audit/index.ts'
import { recordSoon } from './recorders.ts'
import {
  type CommandChange,
  createUserCommands,
  nodeProgram,
  secretFoldersOf,
  type UserCommands,
} from './user-commands.ts'

/** What the catalog of a node is made of. */
export interface NodeCatalogDeps {
  readonly clock: Clock
  readonly log: Log
  readonly audit: AuditLog
  readonly programs: ProgramRunner
}

/** Where the files of a node's own commands are. */
export interface NodeCatalogOptions {
  /** Commands that are part of the node. */
  readonly builtins: readonly Command[]
  /** State folder of the node: no command may read it. */
  readonly stateFolder: string
  readonly commandsFolder: string | undefined
  readonly quota: ExecutionQuota | undefined
  /** What command files may hand to their programs; absent: nothing. */
  readonly secrets?: CommandSecrets | undefined
  /** The node's own principal, for the record. */
  readonly target: string
}

/** The catalog of a node, and what fills its changing part. */
export interface NodeCatalog {
  readonly catalog: Catalog
  readonly userCommands: UserCommands
}

/** The folder of a node's command files where no other is named. */
export function defaultCommandsFolder(stateFolder: string): string {
  return join(stateFolder, 'commands')
}

/**
 * Makes the catalog of a node: built-in commands, those that describe them, and those of files, which
 * come and go while the node runs.
 */
export function createNodeCatalog(deps: NodeCatalogDeps, options: NodeCatalogOptions): NodeCatalog {
  const { stateFolder, quota } = options
  const describing = describingCommands({
    list: () => catalog.list(),
    userNames: () => userCommands.names(),
    refused: () => userCommands.refused(),
  })
  const fixed = [...options.builtins, ...describing]
  const catalog = createLiveCatalog(fixed)
  const userId = process.getuid?.() ?? 0
  const folder = options.commandsFolder ?? defaultCommandsFolder(stateFolder)
  const userCommands = createUserCommands(
    {
      clock: deps.clock,
      log: deps.log,
      apply: (commands) => catalog.replace([...fixed, ...commands]),
      record: (change) => recordChange(deps, options.target, change),
      // A profile without a quota executes nothing, and its executor says so at every call.
      command: {
        programs: deps.programs,
        quota: quota ?? NOTHING,
        nodeProgram: nodeProgram(),
        userId,
        secrets: options.secrets,
      },
    },
    {
      folder,
      secrets: options.secrets ?? NO_SECRETS,
      reserved: new Set(fixed.map(({ name }) => name)),
      secretFolders: secretFoldersOf([stateFolder]),
    },
  )
  return { catalog, userCommands }
}

const NO_SECRETS: Pick<CommandSecrets, 'has'> = { has: () => false }

const NOTHING: ExecutionQuota = Object.freeze({
  cpuCores: 0,
  memoryBytes: 0,
  maxProcesses: 0,
  maxOpenFiles: 0,
  scratchBytes: 0,
  wallTimeMs: 0,
  cpuTimeSeconds: 0,
  maxOutputBytes: 0,
  maxPrograms: 0,
  network: 'none',
})

/** What the files of a folder come to. */
export interface CommandFilesReport {
  readonly accepted: number
  readonly refused: readonly RefusedFile[]
}

/**
 * Reads the command files of a folder as its node does, without a node.
 *
 * @param folder - of the files
 * @param options - names of the built-in commands, and the state folders
 * @returns what a node would make of them; `undefined` when there is no folder that can be looked at
 */
export function inspectCommandFiles(
  folder: string,
  options: { readonly reserved: ReadonlySet<string>; readonly stateFolders: readonly string[] },
): CommandFilesReport | undefined {
  const userId = ownerOf(folder)
  if (userId === undefined) return undefined
  const refusal = refuse('KOS_NODE_COMMAND_FILE', 'inspection')
  const commands = createUserCommands(
    {
      clock: systemClock,
      log: silentLog,
      apply: () => undefined,
      record: () => undefined,
      command: {
        programs: { missing: [], run: () => Promise.resolve(refusal) },
        quota: NOTHING,
        nodeProgram: nodeProgram(),
        userId,
      },
    },
    { folder, reserved: options.reserved, secretFolders: secretFoldersOf(options.stateFolders) },
  )
  commands.reload()
  return { accepted: commands.names().size, refused: commands.refused() }
}

function ownerOf(folder: string): number | undefined {
  try {
    return statSync(folder).uid
  } catch {
    return undefined
  }
}

/** What a device can be told to do is part of its evidence. */
function recordChange(
  { audit, log }: NodeCatalogDeps,
  target: string,
  { change, file, digest, reason }: CommandChange,
): void {
  recordSoon(audit, log, {
    type: 'policy',
    actor: '-',
    target,
    action: 'command-file.apply',
    outcome: change === 'refused' ? 'refused' : 'ok',
    ...(reason !== undefined && { code: 'KOS_NODE_COMMAND_FILE', rule: reason.slice(0, 256) }),
    detail: { change, file, ...(digest !== undefined && { digest }) },
  })
}
