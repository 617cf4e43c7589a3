import { dirname, resolve } from 'node:path'
import { isRefusal, Secret, sha256, toHex, utf8 } from '../../../foundation/base/index.ts'
import type { CommandInput } from '../command-line.ts'
import type { CliContext } from '../context.ts'
import type { DaemonInput, OpenSecrets } from '../daemon-config.ts'
import { cliErrors } from '../errors.ts'
import { readConfigFile } from './file.ts'
import { type ConfigSecret, readConfiguration } from './read.ts'
import { type DaemonRole, PATH_SETTINGS, type Settings } from './schema.ts'
import { openSecret, unopened, withValueKeys } from './secrets.ts'
import { sealingCommand } from './shown.ts'
import type { ConfigProblem } from './yaml.ts'

/** Whose configuration it is, and where it lies. */
export interface ConfigPlace {
  readonly role: DaemonRole
  readonly folder: string
  readonly path: string
}

/**
 * Loads the configuration of a daemon, all of it or nothing.
 *
 * @param input - the command line, which wins
 * @throws {@link KosError} KOS_CLI_CONFIG with the place and one sentence; KOS_CLI_CONFIG_PLAIN with the command
 * that seals what is not sealed
 */
export function loadConfiguration(input: CommandInput, place: ConfigPlace): DaemonInput {
  const path = resolve(place.path)
  const file = readConfigFile(path)
  if (!file) throw cliErrors.error('KOS_CLI_CONFIG', { at: path, problem: 'there is no such file' })
  const { settings, secrets, problems } = readConfiguration(file.text, place.role)
  if (!settings) throw configError(path, problems)
  const plain = secrets.find(({ isSealed }) => !isSealed)
  if (plain) {
    throw cliErrors.error('KOS_CLI_CONFIG_PLAIN', {
      at: `${path}:${plain.line}:${plain.column}`,
      secret: `secrets.${plain.name}`,
      seal: sealingCommand({ ...place, path }),
    })
  }
  return {
    input: configured(input, settings, dirname(path)),
    folder: place.folder,
    configuration: toHex(sha256(utf8(file.text))),
    openSecrets: (context) => openAll(context, { ...place, path }, secrets),
  }
}

/** The first problem as an error; the others are counted. */
export function configError(path: string, problems: readonly ConfigProblem[]): Error {
  const [first] = problems
  const at = first ? `${path}:${first.line}:${first.column}` : path
  const more = problems.length > 1 ? { more: problems.length - 1 } : {}
  return cliErrors.error('KOS_CLI_CONFIG', { at, problem: first?.problem ?? '', ...more })
}

/** The command line over the settings, both under the names of the command line. */
function configured(input: CommandInput, settings: Settings, folder: string): CommandInput {
  const values = new Map<string, string | boolean>()
  for (const [name, value] of Object.entries(settings)) {
    const option = name.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)
    if (typeof value === 'boolean') values.set(option, value)
    else if (typeof value === 'number') values.set(option, String(value))
    else if (typeof value === 'string') {
      values.set(option, PATH_SETTINGS.has(name) ? resolve(folder, value) : value)
    } else if (Array.isArray(value)) values.set(option, value.join(','))
  }
  return {
    positionals: input.positionals,
    text: (name) => {
      const value = input.text(name) ?? values.get(name)
      return typeof value === 'string' ? value : undefined
    },
    texts: (name) => input.texts(name),
    flag: (name) => (input.isGiven(name) ? input.flag(name) : values.get(name) === true),
    isGiven: (name) => input.isGiven(name),
  }
}

function openAll(
  context: CliContext,
  { folder, path }: ConfigPlace,
  secrets: readonly ConfigSecret[],
): OpenSecrets {
  const opened = new Map<string, Secret>()
  const wipe = (): void => {
    for (const secret of opened.values()) secret[Symbol.dispose]()
  }
  if (secrets.length > 0) {
    withValueKeys(context, folder, (keys) => {
      for (const secret of secrets) {
        const plain = openSecret(keys, secret)
        if (isRefusal(plain)) {
          wipe()
          throw configError(path, [unopened(secret, plain)])
        }
        opened.set(secret.name, plain)
      }
    })
  }
  return {
    has: (name) => opened.has(name),
    open: (name) => opened.get(name)?.use((bytes) => Secret.copy(bytes)),
    [Symbol.dispose]: wipe,
  }
}
