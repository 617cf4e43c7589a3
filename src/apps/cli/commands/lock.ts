import type { CliCommand } from '../command-line.ts'
import type { CliContext } from '../context.ts'

const lock: CliCommand<CliContext> = {
  path: ['lock'],
  summary: 'cut a principal off: its sessions end everywhere, at once',
  usage: 'NAME --reason TEXT [--json]',
  minPositionals: 1,
  maxPositionals: 1,
  options: {
    reason: { type: 'string', value: 'TEXT', summary: 'why; stands in the audit log' },
    json: { type: 'boolean', summary: 'print JSON' },
  },
  examples: ['kosctl lock camera-1 --reason "stolen from the yard"'],
  run: async (context, input) => (await import('./lock-run.ts')).lock(context, input),
}

const unlock: CliCommand<CliContext> = {
  path: ['unlock'],
  summary: 'let a locked principal in again; never a quarantined one',
  usage: 'NAME [--json]',
  minPositionals: 1,
  maxPositionals: 1,
  options: { json: { type: 'boolean', summary: 'print JSON' } },
  examples: ['kosctl unlock camera-1'],
  run: async (context, input) => (await import('./lock-run.ts')).unlock(context, input),
}

/** `kosctl lock`, `kosctl unlock` */
export const lockCommands: readonly CliCommand<CliContext>[] = [lock, unlock]
