import type { CliCommand } from '../command-line.ts'
import type { CliContext } from '../context.ts'

const STATE = {
  type: 'string',
  value: 'FOLDER',
  summary: 'another folder than the own: the state folder of a node or an authority',
} as const

const list: CliCommand<CliContext> = {
  path: ['credentials', 'list'],
  summary: 'list the keys and secrets of a folder, and how they are sealed',
  usage: '[--state FOLDER] [--json]',
  minPositionals: 0,
  maxPositionals: 0,
  options: { state: STATE, json: { type: 'boolean', summary: 'print JSON' } },
  examples: ['kosctl credentials list', 'kosctl credentials list --state /var/lib/kos/node'],
  run: async (context, input) => (await import('./credentials-run.ts')).list(context, input),
}

const passphrase: CliCommand<CliContext> = {
  path: ['credentials', 'passphrase'],
  summary: 'set, change or remove the passphrase that seals the keys of a folder',
  usage: '[--state FOLDER] [--new-file FILE | --remove] [--json]',
  minPositionals: 0,
  maxPositionals: 0,
  options: {
    state: STATE,
    'new-file': {
      type: 'string',
      value: 'FILE',
      summary: 'read the new passphrase from a file of mode 0600 instead of asking',
    },
    remove: { type: 'boolean', summary: 'go back to a key file' },
    json: { type: 'boolean', summary: 'print JSON' },
  },
  examples: [
    'kosctl credentials passphrase',
    'kosctl credentials passphrase --state /var/lib/kos/node --new-file /root/passphrase',
    'kosctl credentials passphrase --remove',
  ],
  run: async (context, input) => (await import('./credentials-run.ts')).passphrase(context, input),
}

const report: CliCommand<CliContext> = {
  path: ['credentials', 'report'],
  summary: 'list all credentials of the fleet: age, last use, end',
  usage: '[--older-than 90d] [--unused-for 30d] [--kind KIND …] [--sort age|use|end|name] [--json]',
  minPositionals: 0,
  maxPositionals: 0,
  options: {
    'older-than': { type: 'string', value: 'DURATION', summary: 'made longer ago than that' },
    'unused-for': { type: 'string', value: 'DURATION', summary: 'not used for longer than that' },
    kind: {
      type: 'string',
      multiple: true,
      value: 'root|intermediate|role-key|standby-key|join-token|api-token|psk|certificate',
      summary: 'of this kind alone; several times for several kinds',
    },
    sort: { type: 'string', value: 'age|use|end|name', summary: 'in this order (age)' },
    json: { type: 'boolean', summary: 'print JSON' },
  },
  examples: [
    'kosctl credentials report --older-than 90d',
    'kosctl credentials report --kind certificate --unused-for 30d --sort use',
  ],
  run: async (context, input) =>
    (await import('./credentials-report-run.ts')).report(context, input),
}

const rotate: CliCommand<CliContext> = {
  path: ['credentials', 'rotate'],
  summary: 'a new TLS key and certificate now: of this folder, or asked of a device by its name',
  usage: '[NAME | --state FOLDER] [--json]',
  minPositionals: 0,
  maxPositionals: 1,
  options: {
    state: { ...STATE, summary: 'another folder than the own: that of a node that is stopped' },
    json: { type: 'boolean', summary: 'print JSON' },
  },
  examples: ['kosctl credentials rotate', 'kosctl credentials rotate camera-1'],
  run: async (context, input) =>
    (await import('./credentials-change-run.ts')).rotate(context, input),
}

const revoke: CliCommand<CliContext> = {
  path: ['credentials', 'revoke'],
  summary: 'take one credential back, or all certificates of a principal, which renews then',
  usage: 'NAME|SERIAL|HANDLE|TOKEN [--reason TEXT] [--json]',
  minPositionals: 1,
  maxPositionals: 1,
  takesHyphens: true,
  options: {
    reason: { type: 'string', value: 'TEXT', summary: 'why; it stands in the audit log' },
    json: { type: 'boolean', summary: 'print JSON' },
  },
  examples: [
    'kosctl credentials revoke camera-1 --reason "backup was stolen"',
    'kosctl credentials revoke 5ff83dec865ede7c26cf8a878c6763a4',
  ],
  run: async (context, input) =>
    (await import('./credentials-change-run.ts')).revoke(context, input),
}

const exportCommand: CliCommand<CliContext> = {
  path: ['credentials', 'export'],
  summary:
    'write a certificate with its chain, or its TLS key under a passphrase, for other software',
  usage:
    '[KEY] [--certificate] [--private] [--out FILE] [--new-file FILE] [--state FOLDER] [--json]',
  minPositionals: 0,
  maxPositionals: 1,
  options: {
    certificate: {
      type: 'boolean',
      summary: 'the certificate and the intermediate that signed it',
    },
    private: { type: 'boolean', summary: 'the TLS key, encrypted (PKCS#8, AES-256); needs --out' },
    out: { type: 'string', value: 'FILE', summary: 'a new file of mode 0600' },
    'new-file': {
      type: 'string',
      value: 'FILE',
      summary: 'read the passphrase from a file of mode 0600 instead of asking',
    },
    state: STATE,
    json: { type: 'boolean', summary: 'print JSON' },
  },
  examples: [
    'kosctl credentials export --certificate >ada.pem',
    'kosctl credentials export --certificate --private --out ada-tls.pem',
  ],
  run: async (context, input) =>
    (await import('./credentials-export-run.ts')).exportKey(context, input),
}

/** `kosctl credentials …` */
export const credentialsCommands: readonly CliCommand<CliContext>[] = [
  list,
  report,
  rotate,
  revoke,
  exportCommand,
  passphrase,
]
