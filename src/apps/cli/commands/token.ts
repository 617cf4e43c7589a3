import type { CliCommand } from '../command-line.ts'
import type { CliContext } from '../context.ts'

const create: CliCommand<CliContext> = {
  path: ['token', 'create'],
  summary: 'create a join token and print its one join line; --est: commands for curl and openssl',
  usage: '--name NAME [--profile SEC-2] [--ttl 10m] [--kind device|agent] [--est] [--json]',
  minPositionals: 0,
  maxPositionals: 0,
  options: {
    name: { type: 'string', value: 'NAME', summary: 'the name the device gets' },
    profile: { type: 'string', value: 'PROFILE', summary: 'its security profile (SEC-2)' },
    ttl: { type: 'string', value: 'DURATION', summary: 'life of the token, at most 10m (10m)' },
    kind: { type: 'string', value: 'KIND', summary: 'device or agent (device)' },
    est: { type: 'boolean', summary: 'for a device without kosd, by EST (RFC 7030), SEC-2' },
    json: { type: 'boolean', summary: 'print JSON' },
  },
  examples: [
    'kosctl token create --name camera-1 --profile SEC-2 --ttl 10m',
    'kosctl token create --name camera-1 | kosd node --join -',
    'kosctl token create --name printer-1 --est',
  ],
  run: async (context, input) => (await import('./token-run.ts')).create(context, input),
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

const revoke: CliCommand<CliContext> = {
  path: ['token', 'revoke'],
  summary: 'revoke an open join token',
  usage: 'ID [--json]',
  minPositionals: 1,
  maxPositionals: 1,
  takesHyphens: true,
  options: { json: { type: 'boolean', summary: 'print JSON' } },
  examples: ['kosctl token revoke HwJq4Yb0T0aPGzvkZ8m2xw'],
  run: async (context, input) => (await import('./token-run.ts')).revoke(context, input),
}

/** `kosctl token …` */
export const tokenCommands: readonly CliCommand<CliContext>[] = [create, list, revoke]
