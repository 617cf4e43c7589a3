import type { CliCommand } from '../command-line.ts'
import type { CliContext } from '../context.ts'

const PLACE = {
  state: {
    type: 'string',
    value: 'FOLDER',
    summary: 'state folder of the node or authority (that of this machine, if there is one only)',
  },
  config: { type: 'string', value: 'FILE', summary: 'another file than its config.yaml' },
} as const
const JSON_OPTION = { json: { type: 'boolean', summary: 'print JSON' } } as const
const PLACE_USAGE = '[--state FOLDER] [--config FILE] [--json]'

const get: CliCommand<CliContext> = {
  path: ['config', 'get'],
  summary: 'show the settings of a daemon, or one of them',
  usage: `[SETTING] [--reveal] ${PLACE_USAGE}`,
  minPositionals: 0,
  maxPositionals: 1,
  options: {
    reveal: { type: 'boolean', summary: 'open a secret and show it' },
    ...PLACE,
    ...JSON_OPTION,
  },
  examples: ['kosctl config get', 'kosctl config get secrets.weather --reveal'],
  run: async (context, input) => (await import('./config-run.ts')).get(context, input),
}

const set: CliCommand<CliContext> = {
  path: ['config', 'set'],
  summary: 'change one setting; a secret is asked for unseen and sealed',
  usage: `SETTING [VALUE | -] [--value-file FILE] ${PLACE_USAGE}`,
  minPositionals: 1,
  maxPositionals: 2,
  options: {
    'value-file': {
      type: 'string',
      value: 'FILE',
      summary: 'read a secret from a file, its last line break aside ("-": from standard input)',
    },
    ...PLACE,
    ...JSON_OPTION,
  },
  examples: [
    'kosctl config set listen 0.0.0.0:7402',
    'kosctl config set secrets.weather',
    'kosctl config set secrets.weather - <key',
  ],
  run: async (context, input) => (await import('./config-set.ts')).set(context, input),
}

const unset: CliCommand<CliContext> = {
  path: ['config', 'unset'],
  summary: 'take one setting or secret out',
  usage: `SETTING ${PLACE_USAGE}`,
  minPositionals: 1,
  maxPositionals: 1,
  options: { ...PLACE, ...JSON_OPTION },
  examples: ['kosctl config unset secrets.weather'],
  run: async (context, input) => (await import('./config-set.ts')).unset(context, input),
}

const edit: CliCommand<CliContext> = {
  path: ['config', 'edit'],
  summary: 'edit the configuration with its secrets open; they are sealed again afterwards',
  usage: PLACE_USAGE,
  minPositionals: 0,
  maxPositionals: 0,
  options: { ...PLACE, ...JSON_OPTION },
  examples: ['kosctl config edit', 'EDITOR=nano kosctl config edit --state /var/lib/kos/node'],
  run: async (context, input) => (await import('./config-edit.ts')).edit(context, input),
}

const encrypt: CliCommand<CliContext> = {
  path: ['config', 'encrypt'],
  summary: 'seal every secret of the configuration that stands in the clear',
  usage: PLACE_USAGE,
  minPositionals: 0,
  maxPositionals: 0,
  options: { ...PLACE, ...JSON_OPTION },
  examples: ['kosctl config encrypt --state /var/lib/kos/node'],
  run: async (context, input) => (await import('./config-set.ts')).encrypt(context, input),
}

const rotateKey: CliCommand<CliContext> = {
  path: ['config', 'rotate-key'],
  summary: 'make another key, seal every secret with it, and forget the key before',
  usage: PLACE_USAGE,
  minPositionals: 0,
  maxPositionals: 0,
  options: { ...PLACE, ...JSON_OPTION },
  examples: ['kosctl config rotate-key'],
  run: async (context, input) => (await import('./config-set.ts')).rotateKey(context, input),
}

const check: CliCommand<CliContext> = {
  path: ['config', 'check'],
  summary: 'show everything that is wrong with the configuration, and whether its secrets open',
  usage: PLACE_USAGE,
  minPositionals: 0,
  maxPositionals: 0,
  options: { ...PLACE, ...JSON_OPTION },
  examples: ['kosctl config check', 'kosctl config check --config /etc/kos/node.yaml'],
  run: async (context, input) => (await import('./config-run.ts')).check(context, input),
}

const schema: CliCommand<CliContext> = {
  path: ['config', 'schema'],
  summary: 'print the JSON Schema of a configuration, for editors',
  usage: '[--json]',
  minPositionals: 0,
  maxPositionals: 0,
  options: JSON_OPTION,
  examples: ['kosctl config schema >config.schema.json'],
  run: async (context) => (await import('./config-run.ts')).schema(context),
}

/** `kosctl config …` */
export const configCommands: readonly CliCommand<CliContext>[] = [
  get,
  set,
  unset,
  edit,
  encrypt,
  rotateKey,
  check,
  schema,
]
