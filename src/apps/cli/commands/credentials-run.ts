import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { toHex } from '../../../foundation/base/index.ts'
import {
  changeKeyStoreUnlock,
  type KeyStore,
  type KeyStoreUnlock,
  keyStoreUnlockKind,
} from '../../../trust/keys/index.ts'
import { byPassphrase, openFolderKeys } from '../../node/index.ts'
import type { CommandInput } from '../command-line.ts'
import { type CliContext, configFolder } from '../context.ts'
import { cliErrors } from '../errors.ts'
import { lockFolder } from '../folder-lock.ts'
import { datesOf, type HeldDates } from '../held-dates.ts'
import { newPassphrase } from '../new-passphrase.ts'
import { EXIT, paint, printFields, printJson, printTable, relativeTime } from '../output.ts'

/** Digits of a key id that are shown in a table. */
const SHOWN_DIGITS = 16

/** `kosctl credentials list` */
export function list(context: CliContext, input: CommandInput): number {
  const { folder, kind } = folderOf(context, input)
  const keys = openFolderKeys(context, folder)
  try {
    print(context, { folder, kind, keys })
  } finally {
    keys.close()
  }
  return EXIT.ok
}

function print(
  { terminal, clock }: CliContext,
  { folder, kind, keys }: { folder: string; kind: KeyStoreUnlock['kind']; keys: KeyStore },
): void {
  const now = clock.wallMs()
  const held = datesOf(folder, keys)
  const rows = keys.list().map(({ name, purpose, algorithm, keyId }) => ({
    name,
    purpose,
    algorithm,
    keyId: toHex(keyId),
  }))
  const secrets = keys.listSecrets()
  if (terminal.isJson) {
    printJson(terminal, { folder, sealedBy: kind, keys: rows, secrets, ...held })
    return
  }
  printFields(terminal, [
    ['folder', folder],
    ['sealed by', SEALED_BY[kind]],
    ...fieldsOf(held, now),
  ])
  terminal.out('')
  printTable(
    terminal,
    ['NAME', 'PURPOSE', 'ALGORITHM', 'KEY ID'],
    [
      ...rows.map((key) => [
        key.name,
        key.purpose,
        key.algorithm,
        key.keyId.slice(0, SHOWN_DIGITS),
      ]),
      ...secrets.map((name) => [name, 'secret', '-', '-']),
    ],
  )
}

function fieldsOf({ certificate, apiToken, psk }: HeldDates, now: number): [string, string][] {
  return [
    ...pair(certificate, ({ serial, generation, notBefore, notAfter }) => [
      'certificate',
      `generation ${generation}, since ${relativeTime(notBefore, now)}, ends ` +
        `${relativeTime(notAfter, now)}, serial ${serial}`,
    ]),
    ...pair(psk, ({ handle, generation }) => [
      'pre-shared key',
      `generation ${generation}, handle ${handle}`,
    ]),
    ...pair(apiToken, ({ handle, since, ends }) => [
      'API token',
      `since ${relativeTime(since, now)}, ends ${relativeTime(ends, now)}, handle ${handle}`,
    ]),
  ]
}

function pair<T>(value: T | undefined, field: (value: T) => [string, string]): [string, string][] {
  return value === undefined ? [] : [field(value)]
}

const SEALED_BY: Readonly<Record<KeyStoreUnlock['kind'], string>> = {
  file: 'a key file of mode 0600 beside them',
  passphrase: 'a passphrase',
}

/** `kosctl credentials passphrase` */
export function passphrase(context: CliContext, input: CommandInput): number {
  const { folder, kind } = folderOf(context, input)
  const isRemoved = input.flag('remove')
  if (isRemoved && input.text('new-file') !== undefined) {
    throw cliErrors.error('KOS_CLI_USAGE', { reason: '--remove and --new-file exclude each other' })
  }
  if (isRemoved && kind === 'file') {
    throw cliErrors.error('KOS_CLI_USAGE', { reason: 'the keys of this folder have no passphrase' })
  }
  using _lock = lockFolder(folder)
  using made = new DisposableStack()
  change(context, { folder, kind }, () =>
    isRemoved
      ? { kind: 'file' }
      : { kind: 'passphrase', passphrase: made.use(newPassphrase(context, newFile(input))) },
  )
  const done = isRemoved ? 'removed' : kind === 'file' ? 'set' : 'changed'
  const { terminal } = context
  if (terminal.isJson) printJson(terminal, { folder, passphrase: done })
  else terminal.out(`${paint(terminal, 'green', `passphrase ${done}`)}  ${folder}`)
  return EXIT.ok
}

function newFile(input: CommandInput): Parameters<typeof newPassphrase>[1] {
  return { file: input.text('new-file'), option: '--new-file' }
}

function change(
  context: CliContext,
  { folder, kind }: { readonly folder: string; readonly kind: KeyStoreUnlock['kind'] },
  next: () => KeyStoreUnlock,
): void {
  byPassphrase(context, folder, (ask) =>
    changeKeyStoreUnlock(context, {
      directory: join(folder, 'keys'),
      from: kind === 'passphrase' ? ask() : { kind: 'file' },
      to: next,
    }),
  )
}

function folderOf(
  { environment }: CliContext,
  input: CommandInput,
): { readonly folder: string; readonly kind: KeyStoreUnlock['kind'] } {
  const folder = input.text('state') ?? configFolder(environment)
  const directory = join(folder, 'keys')
  const kind = existsSync(directory) ? keyStoreUnlockKind(directory) : undefined
  if (kind === undefined) throw cliErrors.error('KOS_CLI_CREDENTIAL', { folder })
  return { folder, kind }
}
