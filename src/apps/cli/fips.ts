import { spawnSync } from 'node:child_process'
import { resolve } from 'node:path'
import { probeFips } from '../../trust/keys/index.ts'
import type { CommandInput } from './command-line.ts'
import { cliErrors } from './errors.ts'

const MODE = '--force-fips=strict'
/** Without it Node reads a section of its own, and none that a provider is usually set up in. */
const SHARED = '--openssl-shared-config'
const PREFLIGHT_MS = 30_000

/**
 * Makes sure that a daemon with `--fips` runs on an OpenSSL FIPS provider: becomes Node once more,
 * restricted to it, under the same process id. Without `--fips` it does nothing.
 *
 * @throws {@link KosError} KOS_CLI_FIPS when there is no provider; nothing was started then
 */
export function enterFips(input: CommandInput): void {
  const config = input.text('fips-config')
  if (!input.flag('fips')) {
    if (config === undefined) return
    throw cliErrors.error('KOS_CLI_USAGE', { reason: '--fips-config needs --fips' })
  }
  if (process.execArgv.includes(MODE)) {
    const { failed } = probeFips()
    if (failed === undefined) return
    throw cliErrors.error('KOS_CLI_FIPS', { reason: `probe/${failed}` })
  }
  const flags = [
    MODE,
    SHARED,
    ...(config === undefined ? [] : [`--openssl-config=${resolve(config)}`]),
  ]
  const reason = preflightProblem(flags)
  if (reason !== undefined) throw cliErrors.error('KOS_CLI_FIPS', { reason })
  const { execPath, execArgv, argv } = process
  process.execve?.(execPath, [execPath, ...flags, ...execArgv, ...argv.slice(1)])
  throw cliErrors.error('KOS_CLI_FIPS', { reason: 'execve' })
}

/** Node says itself whether it starts, before this process gives itself up. */
function preflightProblem(flags: readonly string[]): string | undefined {
  const { status, stderr } = spawnSync(process.execPath, [...flags, '--eval', '0'], {
    encoding: 'utf8',
    stdio: ['ignore', 'ignore', 'pipe'],
    timeout: PREFLIGHT_MS,
  })
  if (status === 0) return undefined
  const [first = ''] = stderr.split('\n').filter((line) => line !== '')
  return first.slice(0, 200) || 'node does not start'
}
