import type { CliCommand } from '../command-line.ts'
import type { CliContext } from '../context.ts'

const profiles: CliCommand<CliContext> = {
  path: ['profiles'],
  summary: 'show what each security profile offers and demands on the wire',
  usage: '[--json]',
  minPositionals: 0,
  maxPositionals: 0,
  options: { json: { type: 'boolean', summary: 'print JSON, with who may meet whom' } },
  examples: ['kosctl profiles', 'kosctl profiles --json'],
  run: async (context) => (await import('./profiles-run.ts')).profiles(context),
}

/** `kosctl profiles` */
export const profilesCommands: readonly CliCommand<CliContext>[] = [profiles]
