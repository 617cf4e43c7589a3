import type { CliCommand } from '../command-line.ts'
import type { CliContext } from '../context.ts'

const OPTIONS = {
  'passphrase-file': {
    type: 'string',
    value: 'FILE',
    summary: 'read the passphrase of the backup from a file of mode 0600 instead of asking',
  },
  json: { type: 'boolean', summary: 'print JSON' },
} as const

const STATE = {
  type: 'string',
  value: 'FOLDER',
  summary: 'state folder of the authority (that of this machine)',
} as const

const create: CliCommand<CliContext> = {
  path: ['backup', 'create'],
  summary: 'back up the authority of this machine into one encrypted file, while it serves',
  usage: 'FILE [--state FOLDER] [--passphrase-file FILE] [--json]',
  minPositionals: 1,
  maxPositionals: 1,
  options: { state: STATE, ...OPTIONS },
  examples: [
    'kosctl backup create kos-2026-11-27.backup',
    'kosctl backup create /mnt/backups/kos-$(date +%F).backup --passphrase-file /etc/kos/backup-passphrase',
  ],
  run: async (context, input) => (await import('./backup-run.ts')).create(context, input),
}

const show: CliCommand<CliContext> = {
  path: ['backup', 'show'],
  summary: 'verify every byte of a backup and say what is in it',
  usage: 'FILE [--passphrase-file FILE] [--json]',
  minPositionals: 1,
  maxPositionals: 1,
  options: OPTIONS,
  examples: ['kosctl backup show kos-2026-11-27.backup'],
  run: async (context, input) => (await import('./backup-run.ts')).show(context, input),
}

const restore: CliCommand<CliContext> = {
  path: ['backup', 'restore'],
  summary: 'bring an authority back from a backup, verified, into a folder of this machine',
  usage: 'FILE [--state FOLDER] [--passphrase-file FILE] [--json]',
  minPositionals: 1,
  maxPositionals: 1,
  options: { state: STATE, ...OPTIONS },
  examples: ['kosctl backup restore kos-2026-11-27.backup', 'kosd authority'],
  run: async (context, input) => (await import('./backup-run.ts')).restore(context, input),
}

/** `kosctl backup …` */
export const backupCommands: readonly CliCommand<CliContext>[] = [create, show, restore]
