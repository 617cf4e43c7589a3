import { readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { isRefusal } from '../../foundation/base/index.ts'
import { type JoinLine, parseJoinLine } from '../../lifecycle/enrolment/index.ts'
import { chooseMac } from '../../trust/pki/index.ts'
import {
  formatHostPort,
  joinAuthority,
  joinAuthorityByPsk,
  loadMembership,
  type NodeOptions,
  openMemberKeys,
  permanentMacs,
  type RunningNode,
  startNode,
} from '../node/index.ts'
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
import { cliErrors } from './errors.ts'
import { enterFips } from './fips.ts'
import { raiseIfAsked } from './daemon-raise-run.ts'
import { runUnmanaged } from './daemon-unmanaged-run.ts'
import { EXIT, paint, printFields, printRefusal } from './output.ts'

/** Longest text that is taken for a join line. */
const MAX_LINE_BYTES = 1024

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
    advertise,
    shareFolder: input.text('share') ?? join(folder, 'share'),
    ...(commandsFolder !== undefined && { commandsFolder: resolve(commandsFolder) }),
    ...(programsFile !== undefined && { programsFile: resolve(programsFile) }),
    ...(enforcementFile !== undefined && { enforcementFile: resolve(enforcementFile) }),
  }
}

/** Joins when a join line is given and the folder has not joined yet; later starts need none. */
async function joinIfAsked(
  context: CliContext,
  input: CommandInput,
  options: NodeOptions,
): Promise<number | 'unjoined'> {
  const keys = openMemberKeys(context, options.folder)
  try {
    if (loadMembership(keys)) return EXIT.ok
    const line = readJoinLine(context, input)
    if (!line) return 'unjoined'
    const { advertise } = options
    // The line is used once: nothing of it is left in memory afterwards.
    using secret = line.secret
    const device = {
      folder: options.folder,
      keys,
      line: { ...line, secret },
      mac: chooseMac(permanentMacs()),
    }
    const addresses = advertise === undefined ? [] : [advertise]
    const joined = input.flag('psk')
      ? await joinAuthorityByPsk(context, device)
      : await joinAuthority(context, { ...device, addresses })
    if (isRefusal(joined)) {
      printRefusal(context.terminal, 'join', joined)
      return EXIT.refused
    }
    const { terminal } = context
    if (terminal.isJson) printFields(terminal, [['joined', joined.principal.uri]])
    else terminal.out(`${paint(terminal, 'green', 'joined')}  ${joined.principal.uri}`)
    return EXIT.ok
  } finally {
    keys.close()
  }
}

function readJoinLine(context: CliContext, input: CommandInput): JoinLine | undefined {
  const text = joinText(context, input)
  if (text === undefined) return undefined
  const line = parseJoinLine(text)
  if (!isRefusal(line)) return line
  printRefusal(context.terminal, 'join line', line)
  throw cliErrors.error('KOS_CLI_USAGE', { reason: line.rule })
}

function joinText(context: CliContext, input: CommandInput): string | undefined {
  const file = input.text('join-file')
  const given = input.text('join')
  if (file !== undefined) return readFileSync(file, 'utf8').slice(0, MAX_LINE_BYTES)
  return given === '-' ? context.readInput().slice(0, MAX_LINE_BYTES) : given
}
