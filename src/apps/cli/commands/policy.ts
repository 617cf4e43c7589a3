import type { CliCommand } from '../command-line.ts'
import type { CliContext } from '../context.ts'

const show: CliCommand<CliContext> = {
  path: ['policy', 'show'],
  summary: 'print the fleet manifest in force, as JSON',
  usage: '',
  minPositionals: 0,
  maxPositionals: 0,
  options: {},
  examples: ['kosctl policy show > fleet.json'],
  run: async (context) => (await import('./policy-run.ts')).show(context),
}

const apply: CliCommand<CliContext> = {
  path: ['policy', 'apply'],
  summary: 'sign a fleet manifest and put it in force on every node',
  usage: 'FILE',
  minPositionals: 1,
  maxPositionals: 1,
  options: {},
  examples: ['kosctl policy apply fleet.json', 'kosctl policy apply - < fleet.json'],
  run: async (context, input) => (await import('./policy-run.ts')).apply(context, input),
}

/** `kosctl policy …` */
export const policyCommands: readonly CliCommand<CliContext>[] = [show, apply]
