import type { CliCommand } from '../command-line.ts'
import type { CliContext } from '../context.ts'
import { caCompanyCommands } from './ca-company.ts'
import { caRootCommands } from './ca-root.ts'

const JSON_OPTION = { json: { type: 'boolean', summary: 'print JSON' } } as const

const status: CliCommand<CliContext> = {
  path: ['ca'],
  summary: 'show the intermediates, which one issues, and who holds certificates of which',
  usage: '[status] [--json]',
  minPositionals: 0,
  maxPositionals: 0,
  options: JSON_OPTION,
  examples: ['kosctl ca'],
  run: async (context) => (await import('./ca-run.ts')).status(context),
}

const statusToo: CliCommand<CliContext> = {
  ...status,
  path: ['ca', 'status'],
  usage: '[--json]',
  examples: ['kosctl ca status'],
}

function step(name: 'prepare' | 'activate' | 'taint', summary: string): CliCommand<CliContext> {
  return {
    path: ['ca', name],
    summary,
    usage: '[--json]',
    minPositionals: 0,
    maxPositionals: 0,
    options: JSON_OPTION,
    examples: [`kosctl ca ${name}`],
    run: async (context) => (await import('./ca-run.ts')).step(context, name),
  }
}

const revoke: CliCommand<CliContext> = {
  path: ['ca', 'revoke'],
  summary: 'rotation, step 4: nobody believes the old intermediate any more; no way back',
  usage: '[--force] [--json]',
  minPositionals: 0,
  maxPositionals: 0,
  options: {
    force: { type: 'boolean', summary: 'also while certificates under it are in force' },
    ...JSON_OPTION,
  },
  examples: ['kosctl ca revoke'],
  run: async (context, input) => (await import('./ca-run.ts')).revoke(context, input),
}

/** `kosctl ca …` */
export const caCommands: readonly CliCommand<CliContext>[] = [
  status,
  statusToo,
  step('prepare', 'rotation, step 1: make another intermediate that everybody learns of'),
  step('activate', 'rotation, step 2: let the other intermediate issue; again goes back'),
  step('taint', 'rotation, step 3: ask all to renew what the old intermediate signed'),
  revoke,
  ...caRootCommands,
  ...caCompanyCommands,
]
