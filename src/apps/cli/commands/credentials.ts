import type { CliCommand } from '../command-line.ts'
import type { CliContext } from '../context.ts'

const STATE = {
  type: 'string',
  value: 'FOLDER',
  summary: 'another folder than the own: the state folder of a node or an authority',
} as const

const list: CliCommand<CliContext> = {
  path: ['credentials', 'list'],
  summary: 'list the keys and secrets of a folder, and how they are sealed',
  usage: '[--state FOLDER] [--json]',
  minPositionals: 0,
  maxPositionals: 0,
  options: { state: STATE, json: { type: 'boolean', summary: 'print JSON' } },
  examples: ['kosctl credentials list', 'kosctl credentials list --state /var/lib/kos/node'],
  run: async (context, input) => (await import('./credentials-run.ts')).list(context, input),
}

const passphrase: CliCommand<CliContext> = {
  path: ['credentials', 'passphrase'],
  summary: 'set, change or remove the passphrase that seals the keys of a folder',
  usage: '[--state FOLDER] [--new-file FILE | --remove] [--json]',
  minPositionals: 0,
  maxPositionals: 0,
  options: {
    state: STATE,
    'new-file': {
      type: 'string',
      value: 'FILE',
      summary: 'read the new passphrase from a file of mode 0600 instead of asking',
    },
    remove: { type: 'boolean', summary: 'go back to a key file' },
    json: { type: 'boolean', summary: 'print JSON' },
  },
  examples: [
    'kosctl credentials passphrase',
    'kosctl credentials passphrase --state /var/lib/kos/node --new-file /root/passphrase',
    'kosctl credentials passphrase --remove',
  ],
  run: async (context, input) => (await import('./credentials-run.ts')).passphrase(context, input),
}

/** `kosctl credentials …` */
export const credentialsCommands: readonly CliCommand<CliContext>[] = [list, passphrase]
