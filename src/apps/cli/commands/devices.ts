import type { CliCommand } from '../command-line.ts'
import type { CliContext } from '../context.ts'

const JSON_OPTION = { json: { type: 'boolean', summary: 'print JSON' } } as const

const list: CliCommand<CliContext> = {
  path: ['devices'],
  summary: 'list principals: profile, state, certificate, address, last seen',
  usage: '[--json] [--all]',
  minPositionals: 0,
  maxPositionals: 0,
  options: {
    ...JSON_OPTION,
    all: { type: 'boolean', summary: 'also users and the authority itself' },
  },
  examples: ['kosctl devices', 'kosctl devices --json'],
  run: async (context, input) => (await import('./devices-run.ts')).list(context, input),
}

const show: CliCommand<CliContext> = {
  path: ['devices', 'show'],
  summary: 'show one principal',
  usage: 'NAME [--json]',
  minPositionals: 1,
  maxPositionals: 1,
  options: JSON_OPTION,
  examples: ['kosctl devices show camera-1'],
  run: async (context, input) => (await import('./devices-run.ts')).show(context, input),
}

const rename: CliCommand<CliContext> = {
  path: ['devices', 'rename'],
  summary: 'give a principal another name; its id stays',
  usage: 'NAME NEW-NAME [--json]',
  minPositionals: 2,
  maxPositionals: 2,
  options: JSON_OPTION,
  examples: ['kosctl devices rename camera-1 yard-camera'],
  run: async (context, input) => (await import('./devices-run.ts')).rename(context, input),
}

const label: CliCommand<CliContext> = {
  path: ['devices', 'label'],
  summary: 'set labels (KEY=VALUE), remove them (KEY-), or set groups',
  usage: 'NAME [KEY=VALUE …] [KEY- …] [--group GROUP …] [--json]',
  minPositionals: 1,
  maxPositionals: 33,
  options: {
    group: { type: 'string', multiple: true, value: 'GROUP', summary: 'replace the groups' },
    ...JSON_OPTION,
  },
  examples: ['kosctl devices label camera-1 site=yard', 'kosctl devices label camera-1 site-'],
  run: async (context, input) => (await import('./devices-run.ts')).label(context, input),
}

const remove: CliCommand<CliContext> = {
  path: ['devices', 'remove'],
  summary: 'lock a principal, close its sessions and remove it',
  usage: 'NAME [--json]',
  minPositionals: 1,
  maxPositionals: 1,
  options: JSON_OPTION,
  examples: ['kosctl devices remove camera-1'],
  run: async (context, input) => (await import('./devices-run.ts')).remove(context, input),
}

const rotatePsk: CliCommand<CliContext> = {
  path: ['devices', 'rotate-psk'],
  summary: 'give a sensor (SEC-1) a new pre-shared key, inside its session',
  usage: 'NAME [--json]',
  minPositionals: 1,
  maxPositionals: 1,
  options: JSON_OPTION,
  examples: ['kosctl devices rotate-psk sensor-1'],
  run: async (context, input) => (await import('./devices-run.ts')).rotatePsk(context, input),
}

/** `kosctl devices …` */
export const devicesCommands: readonly CliCommand<CliContext>[] = [
  list,
  show,
  rename,
  label,
  remove,
  rotatePsk,
]
