import type { CliCommand } from '../command-line.ts'
import type { CliContext } from '../context.ts'

const JSON_OPTION = { json: { type: 'boolean', summary: 'print JSON' } } as const

const csr: CliCommand<CliContext> = {
  path: ['ca', 'csr'],
  summary: 'print a request for a company that is to sign this CA',
  usage: '[--of root|intermediate] [--root ROOTFILE [--passphrase-file FILE]] [--json]',
  minPositionals: 0,
  maxPositionals: 0,
  options: {
    of: {
      type: 'string',
      value: 'root|intermediate',
      summary: 'the root, which outlives all rotations, or the intermediate that issues (root)',
    },
    root: {
      type: 'string',
      value: 'ROOTFILE',
      summary: 'what "kosctl ca export-root" wrote: no authority is asked',
    },
    'passphrase-file': {
      type: 'string',
      value: 'FILE',
      summary: 'read the passphrase of the root file from a file of mode 0600 instead of asking',
    },
    ...JSON_OPTION,
  },
  examples: ['kosctl ca csr > kos-root.csr', 'kosctl ca csr --root root.kos > kos-root.csr'],
  run: async (context, input) => (await import('./ca-company-run.ts')).csr(context, input),
}

const show: CliCommand<CliContext> = {
  path: ['ca', 'chain'],
  summary: 'print what outsiders lack between a certificate and the company’s root',
  usage: '[show] [--json]',
  minPositionals: 0,
  maxPositionals: 0,
  options: JSON_OPTION,
  examples: ['kosctl ca chain > chain.pem'],
  run: async (context) => (await import('./ca-company-run.ts')).show(context),
}

const showToo: CliCommand<CliContext> = {
  ...show,
  path: ['ca', 'chain', 'show'],
  usage: '[--json]',
  examples: ['kosctl ca chain show > chain.pem'],
}

const importChain: CliCommand<CliContext> = {
  path: ['ca', 'chain', 'import'],
  summary: 'take what the company signed, with its own certificates up to its root',
  usage: 'FILE [--json]',
  minPositionals: 1,
  maxPositionals: 1,
  options: JSON_OPTION,
  examples: ['kosctl ca chain import company.pem'],
  run: async (context, input) => (await import('./ca-company-run.ts')).importChain(context, input),
}

const remove: CliCommand<CliContext> = {
  path: ['ca', 'chain', 'remove'],
  summary: 'forget the company’s signature; outsiders need the root of kOS again',
  usage: '[--json]',
  minPositionals: 0,
  maxPositionals: 0,
  options: JSON_OPTION,
  examples: ['kosctl ca chain remove'],
  run: async (context) => (await import('./ca-company-run.ts')).remove(context),
}

/** `kosctl ca …` under a company's root. */
export const caCompanyCommands: readonly CliCommand<CliContext>[] = [
  csr,
  show,
  showToo,
  importChain,
  remove,
]
