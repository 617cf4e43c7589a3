import { existsSync, mkdirSync } from 'node:fs'
import { basename, dirname, join, resolve } from 'node:path'
import { type UnlockDeps, writePrivate } from '../../node/index.ts'
import type { CommandInput } from '../command-line.ts'
import { type CliContext, stateFolder, withPassphraseFile } from '../context.ts'
import { CONFIG_FILE } from '../daemon-config.ts'
import { cliErrors } from '../errors.ts'
import { type ConfigFile, readConfigFile, writeConfigFile } from './file.ts'
import { configJsonSchema, type DaemonRole } from './schema.ts'
import { sealingCommand } from './shown.ts'
import { valueAt } from './text.ts'
import { readYaml } from './yaml.ts'

const SCHEMA_FILE = 'config.schema.json'
const HEADER = `# yaml-language-server: $schema=./${SCHEMA_FILE}\n`
const ROLES: readonly DaemonRole[] = ['authority', 'node']

/** Which configuration a command is about. */
export interface ConfigTarget {
  /** State folder whose keys seal it. */
  readonly folder: string
  readonly path: string
  /** `undefined`: the folder does not say. */
  readonly role: DaemonRole | undefined
  /** As it was read; `undefined`: there is none. */
  readonly file: ConfigFile | undefined
  /** Its text, or how a new one begins. */
  readonly text: string
  /** The command that seals what stands in the clear. */
  readonly seal: string
  /** Opens the keys as the daemon does: with the passphrase that its configuration names, if it does. */
  readonly unlock: UnlockDeps
}

/**
 * Finds the configuration that a command is about, and reads it.
 *
 * @throws {@link KosError} KOS_CLI_USAGE when it is not clear which one; KOS_CLI_CONFIG when it cannot be read
 */
export function configTarget(context: CliContext, input: CommandInput): ConfigTarget {
  const folder = resolve(input.text('state') ?? usualFolder(context))
  const path = resolve(input.text('config') ?? join(folder, CONFIG_FILE))
  const file = readConfigFile(path)
  const text = file?.text ?? HEADER
  const seal = sealingCommand({ folder, path })
  const unlock = withPassphraseFile(context, passphraseFileOf(path, text))
  return { folder, path, role: roleOf(folder), file, text, seal, unlock }
}

function passphraseFileOf(path: string, text: string): string | undefined {
  const named = valueAt(readYaml(text).root, ['passphraseFile'])
  return typeof named === 'string' ? resolve(dirname(path), named) : undefined
}

/** The same, where there must be a file. */
export function existingTarget(context: CliContext, input: CommandInput): ConfigTarget {
  const target = configTarget(context, input)
  if (target.file) return target
  throw cliErrors.error('KOS_CLI_CONFIG', { at: target.path, problem: 'there is no such file' })
}

function usualFolder({ environment }: CliContext): string {
  const there = ROLES.map((role) => stateFolder(environment, role)).filter((folder) =>
    existsSync(folder),
  )
  const [folder, other] = there
  if (folder !== undefined && other === undefined) return folder
  const reason = other === undefined ? 'there is no state folder yet' : 'there are two daemons here'
  throw cliErrors.error('KOS_CLI_USAGE', { reason: `${reason}: name one with --state FOLDER` })
}

function roleOf(folder: string): DaemonRole | undefined {
  return (
    ROLES.find((role) => existsSync(join(folder, `${role}.sqlite`))) ??
    ROLES.find((role) => basename(folder) === role)
  )
}

/** Puts a configuration in place, durably; with a new one comes its schema, for editors. */
export function storeConfig(context: CliContext, target: ConfigTarget, text: string): void {
  const { path, file } = target
  if (!file) mkdirSync(dirname(path), { recursive: true, mode: 0o700 })
  writeConfigFile(context, { path, before: file }, text)
  if (!file) placeSchema(dirname(path))
}

/** Writes the schema beside a configuration. */
export function placeSchema(folder: string): void {
  writePrivate(join(folder, SCHEMA_FILE), Buffer.from(schemaText()))
}

/** The JSON Schema as it stands in files. */
export function schemaText(): string {
  return `${JSON.stringify(configJsonSchema(), undefined, 2)}\n`
}
