import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { isRefusal, type Refusal, type Secret } from '../../../foundation/base/index.ts'
import { pemEncode } from '../../../foundation/codec/index.ts'
import { keyStoreUnlockKind } from '../../../trust/keys/index.ts'
import {
  compareNumbered,
  exportRootKeys,
  importRootKeys,
  type OpenedRequest,
  openRootFile,
  type RootFile,
  type TrustBundle,
} from '../../../trust/pki/index.ts'
import { rootRequestWords, withHint } from '../../authority/index.ts'
import { byPassphrase, openFolderKeys } from '../../node/index.ts'
import type { CommandInput } from '../command-line.ts'
import { type CliContext, forKeyFile, stateFolder } from '../context.ts'
import { cliErrors } from '../errors.ts'
import {
  duration,
  EXIT,
  paint,
  printable,
  printFields,
  printJson,
  printRefusal,
  relativeTime,
} from '../output.ts'
import { ANSWER_LABEL, readArmoured, REQUEST_LABEL } from '../root-texts.ts'
import { newPassphrase } from '../new-passphrase.ts'
import { lockFolder } from '../folder-lock.ts'

const WHAT = 'ca sign-intermediate'
/** More than clocks differ by; a machine without network may be further off, which is said. */
const CLOCK_MS = 24 * 60 * 60 * 1000

/** `kosctl ca export-root` */
export function exportRoot(context: CliContext, input: CommandInput): number {
  const [path = ''] = input.positionals
  const isKept = input.flag('keep')
  const folder = authorityFolder(context, input)
  using _lock = lockFolder(folder)
  const keys = openFolderKeys(context, folder)
  try {
    const made = existsSync(path)
      ? undefined
      : newPassphrase(context, {
          file: input.text('passphrase-file'),
          option: '--passphrase-file',
        })
    using _made = made
    const move = (passphrase: Secret): TrustBundle =>
      exportRootKeys(context, keys, { path, passphrase, isKept })
    const trust = made ? move(made) : withRootPassphrase(context, { input, path }, move)
    print(context, trust, { file: path, isKept })
  } finally {
    keys.close()
  }
  return EXIT.ok
}

/** `kosctl ca import-root` */
export function importRoot(context: CliContext, input: CommandInput): number {
  const [path = ''] = input.positionals
  const folder = authorityFolder(context, input)
  using _lock = lockFolder(folder)
  const keys = openFolderKeys(context, folder)
  try {
    const trust = withRootPassphrase(context, { input, path }, (passphrase) =>
      importRootKeys(context, keys, { path, passphrase }),
    )
    print(context, trust, { file: path, isKept: true })
  } finally {
    keys.close()
  }
  return EXIT.ok
}

function print(
  { terminal }: CliContext,
  trust: TrustBundle,
  { file, isKept }: { readonly file: string; readonly isKept: boolean },
): void {
  const { trustDomain, era, number, pin } = trust
  if (terminal.isJson) {
    printJson(terminal, { file, trustDomain, pin, bundle: { era, number }, kept: isKept })
    return
  }
  printFields(terminal, [
    ['root file', file],
    ['trust domain', trustDomain],
    ['pin', pin],
    ['trust bundle', `${era}.${number}`],
    ['root keys', isKept ? 'in the file and on the authority' : 'in the file only'],
  ])
}

function authorityFolder({ environment }: CliContext, input: CommandInput): string {
  const folder = input.text('state') ?? stateFolder(environment, 'authority')
  const directory = join(folder, 'keys')
  const isThere = existsSync(directory) && keyStoreUnlockKind(directory) !== undefined
  if (!isThere) throw cliErrors.error('KOS_CLI_FILE', { path: folder, reason: 'no authority' })
  return folder
}

/** Of the file that an option names, or of a person, who may guess again. */
export function withRootPassphrase<T>(
  context: CliContext,
  { input, path }: { readonly input: CommandInput; readonly path: string },
  use: (passphrase: Secret) => T,
): T {
  if (!existsSync(path)) throw cliErrors.error('KOS_CLI_FILE', { path, reason: 'ENOENT' })
  const deps = forKeyFile(context, input.text('passphrase-file'))
  return byPassphrase(deps, path, (ask) => {
    const unlock = ask()
    if (unlock.kind !== 'passphrase') throw new TypeError('a root file has a passphrase')
    return use(unlock.passphrase)
  })
}

/** `kosctl ca sign-intermediate` */
export function sign(context: CliContext, input: CommandInput): number {
  const path = input.text('root')
  if (path === undefined) throw cliErrors.error('KOS_CLI_USAGE', { reason: '--root is missing' })
  const request = readArmoured(context, input.positionals[0] ?? '-', REQUEST_LABEL)
  if (isRefusal(request)) return refused(context, request)
  using file = withRootPassphrase(context, { input, path }, (passphrase) =>
    openRootFile(context, { path, passphrase }),
  )
  const opened = file.read(request)
  const answer = isRefusal(opened) ? opened : confirmed(context, input, { file, opened })
  if (answer === undefined) {
    context.terminal.err('nothing was signed')
    return EXIT.refused
  }
  if (isRefusal(answer)) return refused(context, answer)
  const text = pemEncode(ANSWER_LABEL, answer).trimEnd()
  const { era, number } = file.last
  if (context.terminal.isJson) printJson(context.terminal, { era, number, answer: text })
  else context.terminal.out(text)
  return EXIT.ok
}

function refused({ terminal }: CliContext, refusal: Refusal): number {
  printRefusal(terminal, WHAT, withHint(refusal))
  return EXIT.refused
}

/** Shows what is to be signed, and signs it when a person says so. */
function confirmed(
  context: CliContext,
  input: CommandInput,
  of: { readonly file: RootFile; readonly opened: OpenedRequest },
): ReturnType<RootFile['sign']> | undefined {
  for (const line of describe(context, of)) context.terminal.err(line)
  if (!input.flag('yes')) {
    const said = context.confirm?.('sign this with both root keys? (yes or no) ')
    if (said === undefined) {
      throw cliErrors.error('KOS_CLI_USAGE', { reason: 'no terminal to ask on: add --yes' })
    }
    if (!said) return undefined
  }
  return of.file.sign(of.opened)
}

/** On standard error: standard output is the answer. */
function describe(
  { terminal, clock }: CliContext,
  { file, opened }: { readonly file: RootFile; readonly opened: OpenedRequest },
): readonly string[] {
  const { request, current } = opened
  const now = clock.wallMs()
  const offMs = Math.abs(request.issuedAt - now)
  const warn = (text: string): string => paint(terminal, 'yellow', `attention     ${text}`)
  return [
    `trust domain  ${current.trustDomain}`,
    `asked by      ${printable(request.by)}, ${relativeTime(request.issuedAt, now)}`,
    `now           trust bundle ${current.era}.${current.number}`,
    `to be signed  trust bundle ${request.era}.${request.number}`,
    ...rootRequestWords(opened).map(
      (line, at) => `${at === 0 ? 'changes' : '       '}       ${line}`,
    ),
    ...lastWords(file, opened).map(warn),
    ...(offMs > CLOCK_MS
      ? [warn(`the clock of this machine and that of the authority are ${duration(offMs)} apart`)]
      : []),
  ]
}

/** What was signed with the file since the bundle that a request goes on from. */
function lastWords({ last }: RootFile, { request, current }: OpenedRequest): readonly string[] {
  const said = `${last.era}.${last.number}`
  if (compareNumbered(last, current) <= 0) return []
  return compareNumbered(last, request) === 0
    ? [`${said} was signed before: only the same answer is given again`]
    : [`${said} was signed before: what it changed is not in here`]
}
