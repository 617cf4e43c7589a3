import { lstatSync } from 'node:fs'
import { join, resolve } from 'node:path'
import type { CommandSecrets } from '../../commands/catalog/index.ts'
import type { CommandInput } from './command-line.ts'
import { type CliContext, stateFolder } from './context.ts'

/** Name of the configuration in a state folder. */
export const CONFIG_FILE = 'config.yaml'

/** Secrets of a configuration, open as long as the daemon runs. */
export interface OpenSecrets extends CommandSecrets, Disposable {}

/** What a daemon is told: by its command line first, then by its configuration. */
export interface DaemonInput {
  readonly input: CommandInput
  /** State folder. */
  readonly folder: string
  /** SHA-256 of the configuration in hexadecimal; `undefined`: there is none. */
  readonly configuration: string | undefined
  /**
   * Opens the secrets of the configuration.
   *
   * @throws {@link KosError} KOS_CLI_CONFIG when one does not open, and what opening the keys throws
   */
  readonly openSecrets: (context: CliContext) => OpenSecrets
}

const NO_SECRETS: OpenSecrets = {
  has: () => false,
  open: () => undefined,
  [Symbol.dispose]: () => undefined,
}

/**
 * Reads the configuration of a daemon: `--config FILE`, else `config.yaml` in its state folder when it is
 * there. What reads YAML is loaded only then.
 *
 * @throws {@link KosError} KOS_CLI_CONFIG when anything is wrong with it, KOS_CLI_CONFIG_PLAIN when a secret
 * is not sealed
 */
export async function configuredInput(
  context: CliContext,
  input: CommandInput,
  role: 'authority' | 'node',
): Promise<DaemonInput> {
  const folder = resolve(input.text('state') ?? stateFolder(context.environment, role))
  const named = input.text('config')
  const usual = join(folder, CONFIG_FILE)
  const isThere = named !== undefined || lstatSync(usual, { throwIfNoEntry: false }) !== undefined
  if (!isThere) return { input, folder, configuration: undefined, openSecrets: () => NO_SECRETS }
  const { loadConfiguration } = await import('./config/load.ts')
  return loadConfiguration(input, { role, folder, path: named ?? usual })
}
