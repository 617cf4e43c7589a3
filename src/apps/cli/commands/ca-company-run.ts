import { readFileSync } from 'node:fs'
import { pemEncode } from '../../../foundation/codec/index.ts'
import { openRootFile } from '../../../trust/pki/index.ts'
import { caChainView, caCsrView, caStatus } from '../../authority/index.ts'
import { jsonBody } from '../answers.ts'
import { askAuthority } from '../ask.ts'
import type { CommandInput } from '../command-line.ts'
import type { CliContext } from '../context.ts'
import { cliErrors } from '../errors.ts'
import { EXIT, paint, printJson } from '../output.ts'
import { withRootPassphrase } from './ca-root-run.ts'
import { show as showStatus } from './ca-run.ts'

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
  const question = { what: 'ca chain', method: 'GET', path: '/v1/ca/chain' } as const
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
  return change(context, {
    what: 'import',
    method: 'POST',
    done: 'imported',
    body: jsonBody({ pem }),
  })
}

/** `kosctl ca chain remove` */
export function remove(context: CliContext): Promise<number> {
  return change(context, { what: 'remove', method: 'DELETE', done: 'removed' })
}

function change(
  context: CliContext,
  step: {
    readonly what: 'import' | 'remove'
    readonly method: 'POST' | 'DELETE'
    readonly done: string
    readonly body?: ReturnType<typeof jsonBody>
  },
): Promise<number> {
  const { what, done, ...request } = step
  const question = { what: `ca chain ${what}`, path: '/v1/ca/chain', schema: caStatus, ...request }
  return askAuthority(context, question, (answer) => {
    const { terminal } = context
    if (!terminal.isJson) terminal.out(`${paint(terminal, 'green', done)}\n`)
    showStatus(context, answer)
  })
}
