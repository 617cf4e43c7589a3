import type { CliCommand } from '../command-line.ts'
import type { CliContext } from '../context.ts'

const sessions: CliCommand<CliContext> = {
  path: ['sessions'],
  summary: 'list the sessions with the authority and the tokens of its API',
  usage: '[list] [--json]',
  minPositionals: 0,
  maxPositionals: 0,
  options: { json: { type: 'boolean', summary: 'print JSON' } },
  examples: ['kosctl sessions'],
  run: async (context) => (await import('./sessions-run.ts')).list(context),
}

const list: CliCommand<CliContext> = {
  ...sessions,
  path: ['sessions', 'list'],
  usage: '[--json]',
  examples: ['kosctl sessions list'],
}

const revoke: CliCommand<CliContext> = {
  path: ['sessions', 'revoke'],
  summary: 'close a session, or refuse a token from now on',
  usage: 'HANDLE [--json]',
  minPositionals: 1,
  maxPositionals: 1,
  takesHyphens: true,
  options: { json: { type: 'boolean', summary: 'print JSON' } },
  examples: ['kosctl sessions revoke HwJq4Yb0T0aPGzvkZ8m2xw'],
  run: async (context, input) => (await import('./sessions-run.ts')).revoke(context, input),
}

/** `kosctl sessions …` */
export const sessionsCommands: readonly CliCommand<CliContext>[] = [sessions, list, revoke]
