import { isRefusal } from '../../../foundation/base/index.ts'
import { pemEncode } from '../../../foundation/codec/index.ts'
import { rootRequestView } from '../../authority/index.ts'
import type { RequestBody } from '../../node/index.ts'
import { jsonBody } from '../answers.ts'
import { askAuthority } from '../ask.ts'
import type { CommandInput } from '../command-line.ts'
import type { CliContext } from '../context.ts'
import { cliErrors } from '../errors.ts'
import { EXIT, parseDuration, printJson, printRefusal } from '../output.ts'
import { ANSWER_LABEL, readArmoured, REQUEST_LABEL } from '../root-texts.ts'
import { change } from './ca-run.ts'

const DEFAULT_LIMIT = '1h'

/** `kosctl ca request STEP` */
export function request(
  context: CliContext,
  { step, input }: { readonly step: string; readonly input: CommandInput },
): Promise<number> {
  const what = `ca request ${step}`
  const body = jsonBody({ step, ...detailsOf(step, input) })
  const question = { what, method: 'POST', path: '/v1/ca/request', body } as const
  return askAuthority(context, { ...question, schema: rootRequestView }, (answer) => {
    const { terminal } = context
    const { era, number } = answer
    const text = pemEncode(REQUEST_LABEL, Buffer.from(answer.request, 'base64')).trimEnd()
    if (terminal.isJson) printJson(terminal, { era, number, request: text })
    else terminal.out(text)
  })
}

function detailsOf(step: string, input: CommandInput): object {
  const [name] = input.positionals
  if (step === 'revoke') return { force: input.flag('force') }
  if (step === 'standby-remove') return { name }
  if (step !== 'standby-add') return {}
  const maxMs = parseDuration(input.text('for') ?? DEFAULT_LIMIT)
  if (maxMs === undefined) {
    throw cliErrors.error('KOS_CLI_USAGE', { reason: '--for needs a duration such as 1h' })
  }
  return { name, maxMs }
}

/** `kosctl ca request cancel` */
export function cancel(context: CliContext): Promise<number> {
  const path = '/v1/ca/request'
  return change(context, { what: 'ca request cancel', method: 'DELETE', path, done: 'forgotten' })
}

/** `kosctl ca import` */
export async function importAnswer(context: CliContext, input: CommandInput): Promise<number> {
  const bytes = readArmoured(context, input.positionals[0] ?? '-', ANSWER_LABEL)
  if (isRefusal(bytes)) {
    printRefusal(context.terminal, 'ca import', bytes)
    return EXIT.refused
  }
  const body: RequestBody = { type: 'application/cbor', bytes }
  const path = '/v1/ca/answer'
  return change(context, { what: 'ca import', method: 'POST', path, body, done: 'imported' })
}
