import type { CliCommand } from '../command-line.ts'
import type { CliContext } from '../context.ts'

const login: CliCommand<CliContext> = {
  path: ['login'],
  summary: 'become an operator on this machine, with the line of "kosctl operator add"',
  usage: 'LINE|- [--json]',
  minPositionals: 1,
  maxPositionals: 1,
  takesHyphens: true,
  options: { json: { type: 'boolean', summary: 'print JSON' } },
  examples: ['kosctl login -', 'KOS_CONFIG=~/.config/kos-2 kosctl login -'],
  run: async (context, input) => (await import('./login-run.ts')).login(context, input),
}

/** `kosctl login` */
export const loginCommands: readonly CliCommand<CliContext>[] = [login]
