import { type Secret, silentLog } from '../../../foundation/base/index.ts'
import {
  type BackupSummary,
  createBackup,
  inspectBackup,
  restoreUnpacked,
  unpackBackup,
} from '../../authority/index.ts'
import { byPassphrase } from '../../node/index.ts'
import type { CommandInput } from '../command-line.ts'
import { type CliContext, stateFolder, withPassphraseFile } from '../context.ts'
import { newPassphrase } from '../new-passphrase.ts'
import { EXIT, paint, printFields, printJson, relativeTime } from '../output.ts'

/** `kosctl backup create` */
export async function create(context: CliContext, input: CommandInput): Promise<number> {
  const file = fileOf(input)
  const folder = folderOf(context, input)
  using passphrase = newPassphrase(context, {
    file: input.text('passphrase-file'),
    option: '--passphrase-file',
  })
  const { bytes, ...summary } = await createBackup(context, { folder, file, passphrase })
  if (input.flag('json')) {
    printJson(context.terminal, { file, bytes, ...summary })
    return EXIT.ok
  }
  done(context, 'backed up', folder)
  printFields(context.terminal, [
    ['file', file],
    ['size', sizeText(bytes)],
    ...fieldsOf(context, summary),
  ])
  return EXIT.ok
}

/** `kosctl backup show` */
export function show(context: CliContext, input: CommandInput): number {
  const file = fileOf(input)
  const summary = withPassphrase(context, input, (passphrase) =>
    inspectBackup({ file, passphrase }),
  )
  if (input.flag('json')) printJson(context.terminal, { file, ...summary })
  else printFields(context.terminal, [['file', file], ...fieldsOf(context, summary)])
  return EXIT.ok
}

/** `kosctl backup restore` */
export async function restore(context: CliContext, input: CommandInput): Promise<number> {
  const file = fileOf(input)
  const folder = folderOf(context, input)
  const unpacked = withPassphrase(context, input, (passphrase) =>
    unpackBackup({ file, folder, passphrase }),
  )
  const restored = await restoreUnpacked({ ...context, log: silentLog }, unpacked)
  const { terminal } = context
  if (input.flag('json')) {
    printJson(terminal, { file, folder, ...restored })
    return EXIT.ok
  }
  done(context, 'restored', folder)
  printFields(terminal, [
    ...fieldsOf(context, restored),
    ['audit log', `${restored.verifiedEntries} entries, verified`],
    ['root keys', restored.hasRootKeys ? 'in the backup' : 'offline: the next start needs them'],
  ])
  terminal.out(`next  ${nextStart(restored, input.text('state'))}`)
  return EXIT.ok
}

function nextStart(
  { hasRootKeys, trustDomain }: { readonly hasRootKeys: boolean; readonly trustDomain: string },
  state: string | undefined,
): string {
  return [
    'kosd authority',
    ...(state === undefined ? [] : [`--state ${state}`]),
    ...(trustDomain === 'kos.internal' ? [] : [`--trust-domain ${trustDomain}`]),
    ...(hasRootKeys ? [] : ['--root-file FILE']),
  ].join(' ')
}

/** Opens a backup; the passphrase is asked for again while it is wrong, as that of a key store is. */
function withPassphrase<T>(
  context: CliContext,
  input: CommandInput,
  open: (passphrase: Secret) => T,
): T {
  const asking = withPassphraseFile(context, input.text('passphrase-file'))
  return byPassphrase(asking, fileOf(input), (ask) => open(ask().passphrase))
}

function fileOf({ positionals }: CommandInput): string {
  return positionals[0] ?? ''
}

function folderOf({ environment }: CliContext, input: CommandInput): string {
  return input.text('state') ?? stateFolder(environment, 'authority')
}

function done({ terminal }: CliContext, what: string, folder: string): void {
  terminal.out(`${paint(terminal, 'green', what)}  ${folder}`)
}

function fieldsOf(
  { clock }: CliContext,
  summary: BackupSummary,
): readonly (readonly [string, string])[] {
  const counts = (record: Readonly<Record<string, string | number>>): string =>
    Object.entries(record)
      .map(([name, value]) => `${name} ${value}`)
      .join(', ')
  return [
    ['made', relativeTime(summary.createdAt, clock.wallMs())],
    ['trust domain', summary.trustDomain],
    ['principals', counts(summary.principals)],
    ['objects', counts(summary.objects)],
  ]
}

function sizeText(bytes: number): string {
  if (bytes < 1_000_000) return `${Math.ceil(bytes / 1000)} kB`
  return `${(bytes / 1_000_000).toFixed(1)} MB`
}
