import type { CliCommand } from '../command-line.ts'
import type { CliContext } from '../context.ts'

const JSON_OPTION = { json: { type: 'boolean', summary: 'print JSON' } } as const
const ROLE = {
  type: 'string',
  multiple: true,
  value: 'admin|operator|approver|auditor|viewer',
  summary: 'what the person may; several times for several roles',
} as const

const add: CliCommand<CliContext> = {
  path: ['operator', 'add'],
  summary: 'invite a person: print the one line for their "kosctl login"',
  usage: 'NAME --role ROLE [--role ROLE …] [--ttl 10m] [--json]',
  minPositionals: 1,
  maxPositionals: 1,
  options: {
    role: ROLE,
    ttl: { type: 'string', value: 'DURATION', summary: 'life of the line, at most 10m (10m)' },
    ...JSON_OPTION,
  },
  examples: [
    'kosctl operator add bob --role operator',
    'kosctl operator add eve --role auditor --role approver --ttl 5m',
  ],
  run: async (context, input) => (await import('./operator-run.ts')).add(context, input),
}

const list: CliCommand<CliContext> = {
  path: ['operator', 'list'],
  summary: 'list the people of the fleet: roles, state, end of the certificate, last use',
  usage: '[--json]',
  minPositionals: 0,
  maxPositionals: 0,
  options: JSON_OPTION,
  examples: ['kosctl operator list'],
  run: async (context) => (await import('./operator-run.ts')).list(context),
}

const role: CliCommand<CliContext> = {
  path: ['operator', 'role'],
  summary: 'give a person other roles, at once',
  usage: 'NAME --role ROLE [--role ROLE …] [--json]',
  minPositionals: 1,
  maxPositionals: 1,
  options: { role: ROLE, ...JSON_OPTION },
  examples: ['kosctl operator role bob --role admin', 'kosctl operator role bob --role viewer'],
  run: async (context, input) => (await import('./operator-run.ts')).role(context, input),
}

const remove: CliCommand<CliContext> = {
  path: ['operator', 'remove'],
  summary: 'remove a person: sessions end, and the credential opens nothing any more',
  usage: 'NAME [--json]',
  minPositionals: 1,
  maxPositionals: 1,
  options: JSON_OPTION,
  examples: ['kosctl operator remove bob'],
  run: async (context, input) => (await import('./operator-run.ts')).remove(context, input),
}

/** `kosctl operator …` */
export const operatorCommands: readonly CliCommand<CliContext>[] = [list, add, role, remove]
