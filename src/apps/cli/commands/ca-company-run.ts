import { readFileSync } from 'node:fs'
import { pemEncode } from '../../../foundation/codec/index.ts'
import { openRootFile } from '../../../trust/pki/index.ts'
import { caChainView, caCsrView } from '../../authority/index.ts'
import { jsonBody } from '../answers.ts'
import { askAuthority } from '../ask.ts'
import type { CommandInput } from '../command-line.ts'
import type { CliContext } from '../context.ts'
import { cliErrors } from '../errors.ts'
import { EXIT, printJson } from '../output.ts'
import { withRootPassphrase } from './ca-root-run.ts'
import { change } from './ca-run.ts'

const CHAIN_PATH = '/v1/ca/chain'

/** `kosctl ca csr` */
export async function csr(context: CliContext, input: CommandInput): Promise<number> {
  const of = input.text('of') ?? 'root'
  if (of !== 'root' && of !== 'intermediate') {
    throw cliErrors.error('KOS_CLI_USAGE', { reason: '--of is root or intermediate' })
  }
  const path = input.text('root')
  if (path === undefined) {
    const question = { what: 'ca csr', method: 'GET', path: `/v1/ca/csr/${of}` } as const
    return askAuthority(context, { ...question, schema: caCsrView }, (answer) =>
      print(context, 'csr', answer.csr),
    )
  }
  if (of === 'intermediate') {
    throw cliErrors.error('KOS_CLI_USAGE', { reason: 'a root file holds no intermediate' })
  }
  using file = withRootPassphrase(context, { input, path }, (passphrase) =>
    openRootFile(context, { path, passphrase }),
  )
  print(context, 'csr', pemEncode('CERTIFICATE REQUEST', file.csr()))
  return EXIT.ok
}

/** `kosctl ca chain` */
export function show(context: CliContext): Promise<number> {
  const question = { what: 'ca chain', method: 'GET', path: CHAIN_PATH } as const
  return askAuthority(context, { ...question, schema: caChainView }, (answer) =>
    print(context, 'pem', answer.pem),
  )
}

function print({ terminal }: CliContext, name: 'csr' | 'pem', pem: string): void {
  const text = pem.trimEnd()
  if (terminal.isJson) printJson(terminal, { [name]: text })
  else terminal.out(text)
}

/** `kosctl ca chain import` */
export function importChain(context: CliContext, input: CommandInput): Promise<number> {
  const [file = '-'] = input.positionals
  const pem = file === '-' ? context.readInput() : readFileSync(file, 'utf8')
  const body = jsonBody({ pem })
  const what = 'ca chain import'
  return change(context, { what, method: 'POST', path: CHAIN_PATH, body, done: 'imported' })
}

/** `kosctl ca chain remove` */
export function remove(context: CliContext): Promise<number> {
  const what = 'ca chain remove'
  return change(context, { what, method: 'DELETE', path: CHAIN_PATH, done: 'removed' })
}
