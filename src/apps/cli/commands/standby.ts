import type { CliCommand } from '../command-line.ts'
import type { CliContext } from '../context.ts'

const JSON_OPTION = { json: { type: 'boolean', summary: 'print JSON' } } as const

const list: CliCommand<CliContext> = {
  path: ['standby'],
  summary: 'list what keeps SEC-3 and SEC-4 alive while the authority is away',
  usage: '[list] [--json]',
  minPositionals: 0,
  maxPositionals: 0,
  options: JSON_OPTION,
  examples: ['kosctl standby'],
  run: async (context) => (await import('./standby-run.ts')).list(context),
}

const listToo: CliCommand<CliContext> = {
  ...list,
  path: ['standby', 'list'],
  usage: '[--json]',
  examples: ['kosctl standby list'],
}

const add: CliCommand<CliContext> = {
  path: ['standby', 'add'],
  summary: 'let a device that runs "kosd node --standby" vouch for the lock list',
  usage: 'NAME [--for DURATION] [--json]',
  minPositionals: 1,
  maxPositionals: 1,
  options: {
    for: {
      type: 'string',
      value: 'DURATION',
      summary: 'how long after the authority was heard of, 1m to 24h (1h)',
    },
    ...JSON_OPTION,
  },
  examples: ['kosctl standby add gate-2', 'kosctl standby add gate-2 --for 4h'],
  run: async (context, input) => (await import('./standby-run.ts')).add(context, input),
}

const remove: CliCommand<CliContext> = {
  path: ['standby', 'remove'],
  summary: 'nobody believes this standby signer any more',
  usage: 'NAME [--json]',
  minPositionals: 1,
  maxPositionals: 1,
  options: JSON_OPTION,
  examples: ['kosctl standby remove gate-2'],
  run: async (context, input) => (await import('./standby-run.ts')).remove(context, input),
}

/** `kosctl standby …` */
export const standbyCommands: readonly CliCommand<CliContext>[] = [list, listToo, add, remove]
