import type { CliCommand } from './command-line.ts'
import type { CliContext } from './context.ts'
import { DAEMON_OPTIONS } from './daemon-options.ts'

/** `kosd node` */
export const nodeCommand: CliCommand<CliContext> = {
  path: ['node'],
  summary:
    'run a node; the first start joins an authority, without joining it may only raise alerts',
  usage: '[--join - | --join-file FILE] [--state FOLDER]',
  minPositionals: 0,
  maxPositionals: 0,
  options: {
    ...DAEMON_OPTIONS,
    join: {
      type: 'string',
      value: 'LINE',
      summary:
        'the join line; "-" reads it from standard input, which keeps it out of process lists',
    },
    raise: {
      type: 'string',
      value: 'LINE',
      summary: 'the line of "kosctl devices raise": a stricter profile; "-" reads it',
    },
    'join-file': { type: 'string', value: 'FILE', summary: 'read the join line from a file' },
    name: {
      type: 'string',
      value: 'TEMPLATE',
      summary: 'what to ask to be called, by a line for several devices: camera-{serial}',
    },
    patience: {
      type: 'string',
      value: 'DURATION',
      summary: 'how long joining waits while the authority is busy (2m)',
    },
    moved: {
      type: 'boolean',
      summary: 'the keys were made on another machine, and this one took over its disk for good',
    },
    authority: {
      type: 'string',
      value: 'HOST:PORT',
      summary: 'without joining: where alerts go (needs --pin)',
    },
    pin: { type: 'string', value: 'PIN', summary: 'without joining: pin of that authority' },
    alert: {
      type: 'string',
      value: 'TEXT',
      multiple: true,
      summary: 'without joining: tell the operator this, too',
    },
    psk: {
      type: 'boolean',
      summary: 'join as a sensor (SEC-1): a pre-shared key, no certificate, no listener',
    },
    standby: {
      type: 'boolean',
      summary:
        'vouch for the lock list while the authority is away, once "kosctl standby add" said so',
    },
    listen: { type: 'string', value: 'HOST:PORT', summary: 'session listener (127.0.0.1:7402)' },
    advertise: { type: 'string', value: 'HOST:PORT', summary: 'address that peers are told' },
    share: {
      type: 'string',
      value: 'FOLDER',
      summary: 'folder offered to files.list and files.read',
    },
    commands: {
      type: 'string',
      value: 'FOLDER',
      summary: 'folder of command files (commands in the state folder)',
    },
    programs: {
      type: 'string',
      value: 'FILE',
      summary: 'programs that process.run may start (date, df, uname, uptime)',
    },
  },
  examples: [
    'kosctl token create --name camera-1 | kosd node --join -',
    'kosctl token create --name sensor-1 --profile SEC-1 | kosd node --psk --join -',
    'kosd node --listen 0.0.0.0:7402 --advertise 192.0.2.7:7402',
    'kosd node --standby',
    'kosd node --authority fabric.example:7400 --pin PIN --alert "smoke in the cellar"',
  ],
  run: async (context, input) => (await import('./daemon-node-run.ts')).runNode(context, input),
}
