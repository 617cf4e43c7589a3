import type { CliCommand } from '../command-line.ts'
import type { CliContext } from '../context.ts'

const shell: CliCommand<CliContext> = {
  path: ['shell'],
  summary: 'read commands line by line, over sessions that stay open',
  usage: '[--json]',
  minPositionals: 0,
  maxPositionals: 0,
  options: { json: { type: 'boolean', summary: 'print JSON for every line' } },
  examples: ['kosctl shell', "printf '@camera-1 calc 1+2\\npeers\\n' | kosctl shell"],
  run: async (context, input) => (await import('./shell-run.ts')).shell(context, input),
}

/** `kosctl shell` */
export const shellCommands: readonly CliCommand<CliContext>[] = [shell]
