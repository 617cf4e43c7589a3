import { mkdirSync } from 'node:fs'
import { hostname } from 'node:os'
import { fromBase64Url } from '../../foundation/base/index.ts'
import { formatHostPort, startUnmanaged, type UnmanagedOptions } from '../node/index.ts'
import type { CommandInput } from './command-line.ts'
import type { CliContext } from './context.ts'
import { daemonLog, hostPortOption, serveUntilSignal } from './daemon.ts'
import { cliErrors } from './errors.ts'
import { EXIT, printFields } from './output.ts'

const PIN_BYTES = 32
const JOIN = 'kosctl token create --name NAME | kosd node --join -'

/** `kosd node` in a folder that never joined, without a join line: SEC-0, until it is told to stop. */
export async function runUnmanaged(
  context: CliContext,
  input: CommandInput,
  folder: string,
): Promise<number> {
  const options = unmanagedOptions(input, folder)
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  const { clock, random, terminal } = context
  const log = daemonLog(context, input, 'node')
  const running = startUnmanaged({ clock, random, log }, options)
  const { authority } = options
  await serveUntilSignal(context, {
    announce: () => {
      printFields(terminal, [
        ['node', options.device],
        ['profile', 'kOS-SEC-0: unmanaged, this node has not joined yet'],
        ['listens', 'nowhere; holds no session, executes nothing'],
        ['alerts', authority ? `to ${formatHostPort(authority)}` : 'none: --authority and --pin'],
        ['join with', JOIN],
      ])
    },
    stop: () => running.stop(),
  })
  return EXIT.ok
}

function unmanagedOptions(input: CommandInput, folder: string): UnmanagedOptions {
  const pin = input.text('pin')
  const isNamed = input.text('authority') !== undefined
  const texts = input.texts('alert')
  if (isNamed !== (pin !== undefined)) {
    throw cliErrors.error('KOS_CLI_USAGE', { reason: '--authority and --pin belong together' })
  }
  if (!isNamed && texts.length > 0) {
    throw cliErrors.error('KOS_CLI_USAGE', { reason: '--alert needs --authority and --pin' })
  }
  if (pin !== undefined && fromBase64Url(pin)?.length !== PIN_BYTES) {
    throw cliErrors.error('KOS_CLI_USAGE', { reason: '--pin is what "kosd authority" prints' })
  }
  const at = hostPortOption(input, 'authority', { host: '192.0.2.1', port: 7400 })
  return {
    folder,
    device: deviceName(),
    texts,
    authority: pin === undefined ? undefined : { ...at, pin },
  }
}

/** The host name as an alert may carry it. */
function deviceName(): string {
  const name = hostname()
    .replace(/[^A-Za-z0-9._-]/g, '-')
    .slice(0, 63)
  return /^[A-Za-z0-9]/.test(name) ? name : `host${name}`
}
