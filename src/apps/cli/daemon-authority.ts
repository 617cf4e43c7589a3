import type { CliCommand } from './command-line.ts'
import type { CliContext } from './context.ts'
import { DAEMON_OPTIONS } from './daemon-options.ts'

/** `kosd authority` */
export const authorityCommand: CliCommand<CliContext> = {
  path: ['authority'],
  summary: 'run the authority of a fabric; the first start makes it',
  usage: '[--listen HOST:PORT] [--state FOLDER] [--recover-operator NAME]',
  minPositionals: 0,
  maxPositionals: 0,
  options: {
    ...DAEMON_OPTIONS,
    listen: { type: 'string', value: 'HOST:PORT', summary: 'HTTP API (127.0.0.1:7400)' },
    session: { type: 'string', value: 'HOST:PORT', summary: 'session listener (127.0.0.1:7402)' },
    crl: {
      type: 'string',
      value: 'HOST:PORT',
      summary: 'revocation lists over plain HTTP (127.0.0.1:7480)',
    },
    advertise: { type: 'string', value: 'HOST', summary: 'name or address that devices are told' },
    'devices-per-address': {
      type: 'string',
      value: 'N',
      summary: 'how many devices may come from one address, behind a router for example (16)',
    },
    'recover-operator': {
      type: 'string',
      value: 'NAME',
      summary: 'make another admin, when nobody has a credential any more; needs the root keys',
    },
    recover: {
      type: 'boolean',
      summary: 'the machine was set back to an earlier state: ask the members, in a new era',
    },
    'recovery-wait': {
      type: 'string',
      value: 'DURATION',
      summary: 'after a restore: longest wait for members once one has reported (6m); 0s: none',
    },
    'root-file': {
      type: 'string',
      value: 'FILE',
      summary: 'after a restore: root keys that are kept elsewhere',
    },
    'root-passphrase-file': {
      type: 'string',
      value: 'FILE',
      summary: 'file of mode 0600 with the passphrase of the root keys',
    },
    'trust-domain': { type: 'string', value: 'NAME', summary: 'trust domain (kos.internal)' },
  },
  examples: ['kosd authority', 'kosd authority --listen 0.0.0.0:7400 --advertise fabric.example'],
  run: async (context, input) =>
    (await import('./daemon-authority-run.ts')).runAuthority(context, input),
}
