import type { CliCommand } from '../command-line.ts'
import type { CliContext } from '../context.ts'

const JSON_OPTION = { json: { type: 'boolean', summary: 'print JSON' } } as const
const FOLDER_OPTIONS = {
  state: {
    type: 'string',
    value: 'FOLDER',
    summary: 'state folder of the authority, instead of the usual one',
  },
} as const
const PASSPHRASE_OPTION = {
  'passphrase-file': {
    type: 'string',
    value: 'FILE',
    summary: 'read the passphrase of the root file from a file of mode 0600 instead of asking',
  },
} as const

const exportRoot: CliCommand<CliContext> = {
  path: ['ca', 'export-root'],
  summary: 'move both root keys off a stopped authority, into a file sealed by a passphrase',
  usage: 'FILE [--state FOLDER] [--keep] [--passphrase-file FILE] [--json]',
  minPositionals: 1,
  maxPositionals: 1,
  options: {
    ...FOLDER_OPTIONS,
    keep: { type: 'boolean', summary: 'leave them on the authority, too' },
    ...PASSPHRASE_OPTION,
    ...JSON_OPTION,
  },
  examples: ['kosctl ca export-root /media/ada/root.kos'],
  run: async (context, input) => (await import('./ca-root-run.ts')).exportRoot(context, input),
}

const importRoot: CliCommand<CliContext> = {
  path: ['ca', 'import-root'],
  summary: 'bring the root keys back to a stopped authority: it rotates by itself again',
  usage: 'FILE [--state FOLDER] [--passphrase-file FILE] [--json]',
  minPositionals: 1,
  maxPositionals: 1,
  options: { ...FOLDER_OPTIONS, ...PASSPHRASE_OPTION, ...JSON_OPTION },
  examples: ['kosctl ca import-root /media/ada/root.kos'],
  run: async (context, input) => (await import('./ca-root-run.ts')).importRoot(context, input),
}

const signIntermediate: CliCommand<CliContext> = {
  path: ['ca', 'sign-intermediate'],
  summary: 'sign a request with the root keys, on a machine without network',
  usage: '--root ROOTFILE REQUEST [--yes] [--passphrase-file FILE] [--json]',
  minPositionals: 1,
  maxPositionals: 1,
  options: {
    root: { type: 'string', value: 'ROOTFILE', summary: 'what "kosctl ca export-root" wrote' },
    yes: { type: 'boolean', summary: 'do not ask' },
    ...PASSPHRASE_OPTION,
    ...JSON_OPTION,
  },
  examples: ['kosctl ca sign-intermediate --root root.kos request.pem > answer.pem'],
  run: async (context, input) => (await import('./ca-root-run.ts')).sign(context, input),
}

function request(
  step: readonly string[],
  summary: string,
  changes: Partial<Pick<CliCommand<CliContext>, 'usage' | 'options' | 'minPositionals'>> = {},
): CliCommand<CliContext> {
  const { usage = '', options = {}, minPositionals = 0 } = changes
  const words = ['kosctl', 'ca', 'request', ...step, ...(minPositionals > 0 ? ['gate-2'] : [])]
  return {
    path: ['ca', 'request', ...step],
    summary,
    usage: `${usage} [--json]`.trim(),
    minPositionals,
    maxPositionals: minPositionals,
    options: { ...options, ...JSON_OPTION },
    examples: [`${words.join(' ')} > request.pem`],
    run: async (context, input) =>
      (await import('./ca-request-run.ts')).request(context, { step: step.join('-'), input }),
  }
}

const requests: readonly CliCommand<CliContext>[] = [
  request(
    ['prepare'],
    'ask root keys elsewhere for another intermediate, in place of an ended one',
  ),
  request(['taint'], 'ask them to have all renewed that the old intermediate signed'),
  request(['clear-taint'], 'ask them to take that back'),
  request(['revoke'], 'ask them to take the old intermediate out', {
    usage: '[--force]',
    options: {
      force: { type: 'boolean', summary: 'also while certificates under it are in force' },
    },
  }),
  request(['standby', 'add'], 'ask them to let a device vouch for the lock list', {
    usage: 'NAME [--for DURATION]',
    minPositionals: 1,
    options: {
      for: {
        type: 'string',
        value: 'DURATION',
        summary: 'how long after the authority was heard of, 1m to 24h (1h)',
      },
    },
  }),
  request(['standby', 'remove'], 'ask them to take a standby signer back', {
    usage: 'NAME',
    minPositionals: 1,
  }),
  request(['era'], 'ask them for a new era, after a restore from a backup'),
]

const cancel: CliCommand<CliContext> = {
  path: ['ca', 'request', 'cancel'],
  summary: 'forget the request that waits; its answer is not taken any more',
  usage: '[--json]',
  minPositionals: 0,
  maxPositionals: 0,
  options: JSON_OPTION,
  examples: ['kosctl ca request cancel'],
  run: async (context) => (await import('./ca-request-run.ts')).cancel(context),
}

const importAnswer: CliCommand<CliContext> = {
  path: ['ca', 'import'],
  summary: 'take what the root keys signed; everybody learns of it',
  usage: 'ANSWER [--json]',
  minPositionals: 1,
  maxPositionals: 1,
  options: JSON_OPTION,
  examples: ['kosctl ca import answer.pem'],
  run: async (context, input) => (await import('./ca-request-run.ts')).importAnswer(context, input),
}

/** `kosctl ca …` where the root keys are kept elsewhere. */
export const caRootCommands: readonly CliCommand<CliContext>[] = [
  exportRoot,
  importRoot,
  ...requests,
  cancel,
  signIntermediate,
  importAnswer,
]
