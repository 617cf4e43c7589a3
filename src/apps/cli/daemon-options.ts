import type { OptionSpecification } from './command-line.ts'

/** Options that both daemons have. */
export const DAEMON_OPTIONS: Readonly<Record<string, OptionSpecification>> = {
  state: { type: 'string', value: 'FOLDER', summary: 'state folder' },
  config: {
    type: 'string',
    value: 'FILE',
    summary: 'configuration (config.yaml in the state folder, if it is there); options win over it',
  },
  listeners: {
    type: 'string',
    value: 'PROFILES',
    summary: 'session listeners beside the own floor’s, such as SEC-2,SEC-3 (all it may have)',
  },
  json: { type: 'boolean', summary: 'print what happens as JSON lines' },
  fips: { type: 'boolean', summary: 'run on an OpenSSL FIPS provider alone, or not at all' },
  'fips-config': {
    type: 'string',
    value: 'FILE',
    summary: 'OpenSSL configuration that activates it (OPENSSL_CONF)',
  },
  enforcement: {
    type: 'string',
    value: 'FILE',
    summary: 'enforcement modules: further demands per profile',
  },
  'passphrase-file': {
    type: 'string',
    value: 'FILE',
    summary: 'file of mode 0600 with the passphrase of the keys (KOS_PASSPHRASE_FILE)',
  },
  'log-level': { type: 'string', value: 'LEVEL', summary: 'debug, info, warn or error (warn)' },
}
