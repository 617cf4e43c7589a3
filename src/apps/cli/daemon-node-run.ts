import { join, resolve } from 'node:path'
import { formatHostPort, type NodeOptions, type RunningNode, startNode } from '../node/index.ts'
import type { CommandInput } from './command-line.ts'
import { type CliContext, withPassphraseFile } from './context.ts'
import {
  daemonLog,
  enforcementField,
  hostPortOption,
  listenersOption,
  listenersText,
  serveUntilSignal,
} from './daemon.ts'
import { configuredInput } from './daemon-config.ts'
import { joinIfAsked } from './daemon-join.ts'
import { cliErrors } from './errors.ts'
import { enterFips } from './fips.ts'
import { raiseIfAsked } from './daemon-raise-run.ts'
import { runUnmanaged } from './daemon-unmanaged-run.ts'
import { EXIT, printFields } from './output.ts'

/** `kosd node`: until it is told to stop. */
export async function runNode(given: CliContext, words: CommandInput): Promise<number> {
  const configured = await configuredInput(given, words, 'node')
  const { input, folder, openSecrets, configuration } = configured
  enterFips(input)
  const context = withPassphraseFile(given, input.text('passphrase-file'))
  using secrets = openSecrets(context)
  const options = { ...nodeOptions(input, folder), secrets, configuration }
  const joined = await joinIfAsked(context, input, options)
  if (joined === 'unjoined') return await runUnmanaged(context, input, folder)
  if (joined !== EXIT.ok) return joined
  const raised = await raiseIfAsked(context, input, folder)
  if (raised !== EXIT.ok) return raised
  for (const name of ['authority', 'pin']) {
    // The same configuration may say where alerts went before.
    if (!words.isGiven(name)) continue
    throw cliErrors.error('KOS_CLI_USAGE', { reason: `--${name}: this node has joined already` })
  }
  const log = daemonLog(context, input, 'node')
  const { clock, random, passphrases } = context
  const running = await startNode({ clock, random, log, passphrases }, options)
  const { principal, name, profile } = running.member.membership
  const announce = (): void =>
    printFields(context.terminal, [
      ['node', name],
      ['id', principal.id],
      ['profile', `kOS-${profile}`],
      ['address', running.listeners.size > 0 ? formatHostPort(running.address) : 'none: it dials'],
      ['listeners', listenersText(running.listeners)],
      ...enforcementField(running),
      ...standbyField(running),
    ])
  const reload = (): void => running.reloadCommands()
  process.on('SIGHUP', reload)
  try {
    await serveUntilSignal(context, { announce, stop: () => running.stop() })
  } finally {
    process.off('SIGHUP', reload)
  }
  return EXIT.ok
}

/** Not permitted yet is no fault: the operator permits what is there and connected. */
function standbyField({ standby, member }: RunningNode): [string, string][] {
  if (!standby) return []
  const refusal = standby.refusal()
  const isPermitted = refusal?.rule !== 'standby/not-permitted'
  const todo = `not permitted yet: kosctl standby add ${member.membership.name}`
  return [['standby', isPermitted ? 'permitted' : todo]]
}

function nodeOptions(input: CommandInput, folder: string): NodeOptions {
  const advertise = input.text('advertise')
  const commandsFolder = input.text('commands')
  const programsFile = input.text('programs')
  const enforcementFile = input.text('enforcement')
  if (advertise !== undefined) {
    hostPortOption(input, 'advertise', { host: '192.0.2.7', port: 7402 })
  }
  return {
    folder,
    listen: hostPortOption(input, 'listen', { host: '127.0.0.1', port: 7402 }),
    isPortFixed: input.text('listen') !== undefined,
    listeners: listenersOption(input),
    standby: input.flag('standby'),
    isMoved: input.flag('moved'),
    advertise,
    shareFolder: input.text('share') ?? join(folder, 'share'),
    ...(commandsFolder !== undefined && { commandsFolder: resolve(commandsFolder) }),
    ...(programsFile !== undefined && { programsFile: resolve(programsFile) }),
    ...(enforcementFile !== undefined && { enforcementFile: resolve(enforcementFile) }),
  }
}
