import type { CliCommand } from '../command-line.ts'
import type { CliContext } from '../context.ts'

const tail: CliCommand<CliContext> = {
  path: ['audit', 'tail'],
  summary: 'show the newest entries of the audit log',
  usage: '[--count N] [--follow] [--all] [--json]',
  minPositionals: 0,
  maxPositionals: 0,
  options: {
    count: { type: 'string', value: 'N', summary: 'how many entries (20)' },
    follow: { type: 'boolean', summary: 'go on with new entries until interrupted' },
    all: { type: 'boolean', summary: 'also the calls that hold the fabric together' },
    json: { type: 'boolean', summary: 'print one JSON document per entry' },
  },
  examples: ['kosctl audit tail', 'kosctl audit tail --follow --json'],
  run: async (context, input) => (await import('./audit-run.ts')).tail(context, input),
}

const verify: CliCommand<CliContext> = {
  path: ['audit', 'verify'],
  summary: 'verify the audit log, and that it continues what this operator saw before',
  usage: '[--file PATH] [--json]',
  minPositionals: 0,
  maxPositionals: 0,
  options: {
    file: { type: 'string', value: 'PATH', summary: 'verify a database file without its daemon' },
    json: { type: 'boolean', summary: 'print JSON' },
  },
  examples: [
    'kosctl audit verify',
    'kosctl audit verify --file /var/lib/kos/authority/authority.sqlite',
  ],
  run: async (context, input) => (await import('./audit-run.ts')).verify(context, input),
}

const members: CliCommand<CliContext> = {
  path: ['audit', 'members'],
  summary:
    'show how far each member’s log was taken in, since when not, and what stands against it',
  usage: '[--json]',
  minPositionals: 0,
  maxPositionals: 0,
  options: { json: { type: 'boolean', summary: 'print JSON' } },
  examples: ['kosctl audit members', 'kosctl audit members --json'],
  run: async (context, input) => (await import('./audit-members.ts')).members(context, input),
}

/** `kosctl audit …` */
export const auditCommands: readonly CliCommand<CliContext>[] = [tail, verify, members]
