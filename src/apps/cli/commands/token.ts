import type { CliCommand } from '../command-line.ts'
import type { CliContext } from '../context.ts'

const create: CliCommand<CliContext> = {
  path: ['token', 'create'],
  summary: 'create a join token and print its one join line; --est: commands for curl and openssl',
  usage:
    '--name NAME | --uses N --name-prefix PREFIX [--profile SEC-2] [--ttl 10m] [--kind device|agent] [--groups G] [--labels L] [--est] [--json]',
  minPositionals: 0,
  maxPositionals: 0,
  options: {
    name: { type: 'string', value: 'NAME', summary: 'the name the device gets' },
    profile: { type: 'string', value: 'PROFILE', summary: 'its security profile (SEC-2)' },
    ttl: {
      type: 'string',
      value: 'DURATION',
      summary: 'life of the token, at most 10m (10m); with --uses at most 7d (24h)',
    },
    kind: { type: 'string', value: 'KIND', summary: 'device or agent (device)' },
    uses: { type: 'string', value: 'N', summary: 'one line for N devices, at most 10000' },
    'name-prefix': {
      type: 'string',
      value: 'PREFIX',
      summary: 'with --uses: what their names begin with, such as camera-',
    },
    groups: { type: 'string', value: 'GROUPS', summary: 'groups that it comes in with: a;b' },
    labels: { type: 'string', value: 'LABELS', summary: 'its labels: site=north;floor=2' },
    est: { type: 'boolean', summary: 'for a device without kosd, by EST (RFC 7030), SEC-2' },
    json: { type: 'boolean', summary: 'print JSON' },
  },
  examples: [
    'kosctl token create --name camera-1 --profile SEC-2 --ttl 10m',
    'kosctl token create --name camera-1 | kosd node --join -',
    'kosctl token create --uses 200 --name-prefix camera- --ttl 24h --groups cameras',
    'kosctl token create --name printer-1 --est',
  ],
  run: async (context, input) => (await import('./token-run.ts')).create(context, input),
}

const batch: CliCommand<CliContext> = {
  path: ['token', 'batch'],
  summary: 'create a join token for every device of a CSV file, all or none',
  usage: 'FILE.csv [--ttl 24h] [--out FOLDER] [--json]',
  minPositionals: 1,
  maxPositionals: 1,
  options: {
    ttl: { type: 'string', value: 'DURATION', summary: 'life of the tokens, at most 7d (24h)' },
    out: {
      type: 'string',
      value: 'FOLDER',
      summary: 'a new folder for one file per device, mode 0600; "-": CSV to standard output (-)',
    },
    json: { type: 'boolean', summary: 'print JSON' },
  },
  examples: [
    'kosctl token batch cameras.csv --ttl 7d --out cameras',
    'kosctl token batch cameras.csv > lines.csv',
  ],
  run: async (context, input) => (await import('./token-batch-run.ts')).batch(context, input),
}

const list: CliCommand<CliContext> = {
  path: ['token', 'list'],
  summary: 'list join tokens, without their secrets',
  usage: '[--json]',
  minPositionals: 0,
  maxPositionals: 0,
  options: { json: { type: 'boolean', summary: 'print JSON' } },
  examples: ['kosctl token list'],
  run: async (context) => (await import('./token-run.ts')).list(context),
}

const show: CliCommand<CliContext> = {
  path: ['token', 'show'],
  summary: 'show a join token or a batch, and the devices that came in by it',
  usage: 'ID [--json]',
  minPositionals: 1,
  maxPositionals: 1,
  takesHyphens: true,
  options: { json: { type: 'boolean', summary: 'print JSON' } },
  examples: ['kosctl token show HwJq4Yb0T0aPGzvkZ8m2xw'],
  run: async (context, input) => (await import('./token-run.ts')).show(context, input),
}

const revoke: CliCommand<CliContext> = {
  path: ['token', 'revoke'],
  summary: 'revoke an open join token, or what is open of a batch',
  usage: 'ID | --batch ID [--json]',
  minPositionals: 0,
  maxPositionals: 1,
  takesHyphens: true,
  options: {
    batch: { type: 'string', value: 'ID', summary: 'all tokens of a batch' },
    json: { type: 'boolean', summary: 'print JSON' },
  },
  examples: [
    'kosctl token revoke HwJq4Yb0T0aPGzvkZ8m2xw',
    'kosctl token revoke --batch 7mOqkXb2S0yq1mJr2l9vVw',
  ],
  run: async (context, input) => (await import('./token-run.ts')).revoke(context, input),
}

/** `kosctl token …` */
export const tokenCommands: readonly CliCommand<CliContext>[] = [create, batch, list, show, revoke]
