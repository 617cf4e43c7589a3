import type { CliCommand } from '../command-line.ts'
import type { CliContext } from '../context.ts'

const doctor: CliCommand<CliContext> = {
  path: ['doctor'],
  summary: 'check credential, clock, authority and fleet',
  usage: '[--json]',
  minPositionals: 0,
  maxPositionals: 0,
  options: { json: { type: 'boolean', summary: 'print JSON' } },
  examples: ['kosctl doctor'],
  run: async (context, input) => (await import('./doctor-run.ts')).doctor(context, input),
}

/** `kosctl doctor` */
export const doctorCommands: readonly CliCommand<CliContext>[] = [doctor]
