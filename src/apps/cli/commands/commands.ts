import type { CliCommand } from '../command-line.ts'
import type { CliContext } from '../context.ts'

const JSON_OPTION = { json: { type: 'boolean', summary: 'print JSON' } } as const

const list: CliCommand<CliContext> = {
  path: ['commands', 'list'],
  summary: 'list the commands of a peer, its own files’ and refused ones included',
  usage: 'PEER [--json]',
  minPositionals: 1,
  maxPositionals: 1,
  options: JSON_OPTION,
  examples: ['kosctl commands list camera-1'],
  run: async (context, input) => (await import('./commands-run.ts')).list(context, input),
}

const show: CliCommand<CliContext> = {
  path: ['commands', 'show'],
  summary: 'show how a command of a peer is called',
  usage: 'PEER COMMAND [--json]',
  minPositionals: 2,
  maxPositionals: 2,
  options: JSON_OPTION,
  examples: ['kosctl commands show camera-1 calc'],
  run: async (context, input) => (await import('./commands-run.ts')).show(context, input),
}

const add: CliCommand<CliContext> = {
  path: ['commands', 'add'],
  summary: 'check a command file and give it to the node of this machine',
  usage: 'FILE [--state FOLDER | --commands FOLDER] [--json]',
  minPositionals: 1,
  maxPositionals: 1,
  options: {
    state: { type: 'string', value: 'FOLDER', summary: 'state folder of the node' },
    commands: { type: 'string', value: 'FOLDER', summary: 'folder of its command files' },
    ...JSON_OPTION,
  },
  examples: ['kosctl commands add disk.free.json'],
  run: async (context, input) => (await import('./commands-files.ts')).add(context, input),
}

const validate: CliCommand<CliContext> = {
  path: ['commands', 'validate'],
  summary: 'check a command file: every problem with its place',
  usage: 'FILE [--json]',
  minPositionals: 1,
  maxPositionals: 1,
  options: JSON_OPTION,
  examples: ['kosctl commands validate disk.free.json'],
  run: async (context, input) => (await import('./commands-files.ts')).validate(context, input),
}

/** `kosctl commands …` */
export const commandsCommands: readonly CliCommand<CliContext>[] = [list, show, add, validate]
