import { hostname } from 'node:os'
import { isIP } from 'node:net'
import { resolve } from 'node:path'
import { parseTrustDomain } from '../../foundation/base/index.ts'
import { openRootFile, type RootFile } from '../../trust/pki/index.ts'
import {
  DEFAULT_ADMISSION_LIMITS,
  limitsForAddress,
  requestsForConnections,
} from '../../network/admission/index.ts'
import {
  type AuthorityOptions,
  RECOVERY_WAIT_MS,
  type RecoveryProgress,
  type RunningAuthority,
  startAuthority,
} from '../authority/index.ts'
import { byPassphrase, formatHostPort, plainHost, reachableHosts } from '../node/index.ts'
import type { CommandInput } from './command-line.ts'
import { type CliContext, configFolder, withPassphraseFile } from './context.ts'
import {
  daemonLog,
  enforcementField,
  hostPortOption,
  listenersOption,
  listenersText,
  serveUntilSignal,
} from './daemon.ts'
import { configuredInput, type DaemonInput } from './daemon-config.ts'
import { cliErrors } from './errors.ts'
import { enterFips } from './fips.ts'
import { isHost, isHostName } from './host-names.ts'
import { paint, parseDuration, printFields, printJsonLine, relativeTime } from './output.ts'

const DEFAULT_HOST = '127.0.0.1'

/** `kosd authority`: until it is told to stop. */
export async function runAuthority(given: CliContext, words: CommandInput): Promise<number> {
  const configured = await configuredInput(given, words, 'authority')
  const { input, openSecrets } = configured
  enterFips(input)
  const context = withPassphraseFile(given, input.text('passphrase-file'))
  // Nothing of an authority uses them yet: a wrong one is refused all the same.
  openSecrets(context)[Symbol.dispose]()
  const running = await start(context, configured)
  await serveUntilSignal(context, {
    announce: () => printStart(context, running),
    stop: () => running.stop(),
  })
  return 0
}

async function start(
  context: CliContext,
  { input, folder, configuration }: DaemonInput,
): Promise<RunningAuthority> {
  // Open for the restore alone, which is over when the authority serves.
  using roots = rootsOf(context, input)
  const listen = hostPortOption(input, 'listen', { host: DEFAULT_HOST, port: 7400 })
  const sessionListen = hostPortOption(input, 'session', { host: listen.host, port: 7402 })
  const trustDomain = parseTrustDomain(input.text('trust-domain') ?? 'kos.internal')
  if (!trustDomain)
    throw cliErrors.error('KOS_CLI_USAGE', { reason: '--trust-domain is a DNS name' })
  const enforcementFile = input.text('enforcement')
  const advertiseHost = input.text('advertise')
  if (advertiseHost !== undefined && !isHost(advertiseHost)) {
    throw cliErrors.error('KOS_CLI_USAGE', { reason: '--advertise is a host name or an address' })
  }
  const { clock, random, passphrases } = context
  const hosts = [listen.host, advertiseHost ?? listen.host, DEFAULT_HOST]
  return await startAuthority(
    { clock, random, passphrases, log: daemonLog(context, input, 'authority') },
    {
      folder,
      configuration,
      trustDomain,
      listen,
      sessionListen,
      fixedPorts: {
        api: input.text('listen') !== undefined,
        session: input.text('session') !== undefined,
      },
      listeners: listenersOption(input),
      crl: {
        listen: hostPortOption(input, 'crl', { host: listen.host, port: 7480 }),
        isPortFixed: input.text('crl') !== undefined,
      },
      advertiseHost,
      ...(enforcementFile !== undefined && { enforcementFile: resolve(enforcementFile) }),
      ...admissionOf(input),
      names: namesOf(hosts),
      operator: operatorOf(context, input),
      recovery: {
        waitMs: waitOf(input),
        isForced: input.flag('recover'),
        roots,
        onProgress: (progress) => printProgress(context, progress),
      },
    },
  )
}

/** A site behind one address: everything that is counted per address grows with it. */
function admissionOf(input: CommandInput): Pick<AuthorityOptions, 'admission' | 'requestRate'> {
  const text = input.text('devices-per-address')
  if (text === undefined) return {}
  const devices = /^[1-9][0-9]{0,3}$/.test(text) ? Number(text) : 0
  const { connectionsTotal } = DEFAULT_ADMISSION_LIMITS
  if (devices < 1 || devices > connectionsTotal) {
    const reason = `--devices-per-address is 1 to ${connectionsTotal}`
    throw cliErrors.error('KOS_CLI_USAGE', { reason })
  }
  const admission = limitsForAddress(devices)
  return { admission, requestRate: requestsForConnections(admission.connectionRate) }
}

/** Root keys that lie elsewhere: only a restored authority asks for them. */
function rootsOf(context: CliContext, input: CommandInput): RootFile | undefined {
  const path = input.text('root-file')
  if (path === undefined) return undefined
  const asking = withPassphraseFile(context, input.text('root-passphrase-file'))
  return byPassphrase(asking, path, (ask) => {
    const { passphrase } = ask()
    return openRootFile(context, { path, passphrase })
  })
}

function waitOf(input: CommandInput): number {
  const text = input.text('recovery-wait')
  if (text === undefined) return RECOVERY_WAIT_MS
  const waitMs = parseDuration(text)
  if (waitMs === undefined) {
    throw cliErrors.error('KOS_CLI_USAGE', { reason: '--recovery-wait is a duration, such as 6m' })
  }
  return waitMs
}

function printProgress({ terminal, clock }: CliContext, progress: RecoveryProgress): void {
  const { backupAt, era, expected, reported } = progress
  if (terminal.isJson) {
    printJsonLine(terminal, { recovering: progress })
    return
  }
  const made = backupAt > 0 ? `, from a backup made ${relativeTime(backupAt, clock.wallMs())}` : ''
  const members = `${reported} of ${expected} members have reported`
  terminal.out(`restored   era ${era}${made}; ${members}`)
}

function operatorOf(
  { environment }: CliContext,
  input: CommandInput,
): { readonly folder: string; readonly name: string; readonly isRecovery: boolean } {
  const recovered = input.text('recover-operator')
  const folder = configFolder(environment)
  return { folder, name: recovered ?? environment.user, isRecovery: recovered !== undefined }
}

function crlFields({ crl }: RunningAuthority): readonly (readonly [string, string])[] {
  if (!crl) return []
  return crl.names.map((name) => ['crl', `http://${formatHostPort(crl.at)}/crl/${name}.crl`])
}

function recoveredFields({ recovered }: RunningAuthority): readonly (readonly [string, string])[] {
  if (!recovered) return []
  const { adopted, renewed, locked, unknown } = recovered
  const counts = `${adopted} adopted, ${renewed} renewed, ${locked} locked since the backup`
  return [['members', unknown > 0 ? `${counts}; ${unknown} not known` : counts]]
}

/** Names and addresses for the authority's certificate, each once. */
function namesOf(hosts: readonly string[]): { dnsNames: string[]; ipAddresses: string[] } {
  const plain = hosts.flatMap((host) => reachableHosts(host)).map(plainHost)
  const names = [...plain, 'localhost', hostname()].filter((host) => isHostName(host))
  const addresses = plain.filter((host) => isIP(host) !== 0)
  return { dnsNames: [...new Set(names)], ipAddresses: [...new Set(addresses)] }
}

function printStart(context: CliContext, running: RunningAuthority): void {
  const { terminal } = context
  printFields(terminal, [
    ['authority', formatHostPort(running.api)],
    ['session', formatHostPort(running.session)],
    ['pin', running.pin],
    ...recoveredFields(running),
    ['listeners', listenersText(running.listeners)],
    ...crlFields(running),
    ...enforcementField(running),
    ...(running.operator === 'created' || running.operator === 'recovered'
      ? ([['operator', `credential written to ${configFolder(context.environment)}`]] as const)
      : []),
  ])
  for (const warning of running.warnings) {
    if (terminal.isJson) terminal.err(JSON.stringify({ warning }))
    else terminal.err(`${paint(terminal, 'yellow', 'warning')}  ${warning}`)
  }
  if (running.isNew && !terminal.isJson) {
    terminal.out('next       kosctl token create --name NAME | kosd node --join -')
  }
}
