import type { CliCommand } from '../command-line.ts'
import type { CliContext } from '../context.ts'

const alerts: CliCommand<CliContext> = {
  path: ['alerts'],
  summary: 'show what devices without a session have to say; nothing of it is proven',
  usage: '[--follow] [--json]',
  minPositionals: 0,
  maxPositionals: 0,
  options: {
    follow: { type: 'boolean', summary: 'go on with new alerts until interrupted' },
    json: { type: 'boolean', summary: 'print JSON; with --follow one document per alert' },
  },
  examples: ['kosctl alerts', 'kosctl alerts --follow --json'],
  run: async (context, input) => (await import('./alerts-run.ts')).alerts(context, input),
}

/** `kosctl alerts` */
export const alertsCommands: readonly CliCommand<CliContext>[] = [alerts]
