import { isRefusal } from '../../../foundation/base/index.ts'
import { credentialRevoked, credentialRotated } from '../../authority/index.ts'
import { jsonBody } from '../answers.ts'
import { askAuthority } from '../ask.ts'
import type { CommandInput } from '../command-line.ts'
import { type CliContext, configFolder } from '../context.ts'
import { openCredential } from '../credential.ts'
import { renewNow } from '../credential-renewal.ts'
import { cliErrors } from '../errors.ts'
import { lockFolder } from '../folder-lock.ts'
import {
  EXIT,
  paint,
  printable,
  printFields,
  printJson,
  printRefusal,
  relativeTime,
} from '../output.ts'

/** `kosctl credentials rotate` */
export function rotate(context: CliContext, input: CommandInput): Promise<number> {
  const [name] = input.positionals
  const folder = input.text('state')
  if (name !== undefined && folder !== undefined) {
    throw cliErrors.error('KOS_CLI_USAGE', { reason: 'NAME and --state exclude each other' })
  }
  return name === undefined ? rotateFolder(context, folder) : rotateOther(context, name)
}

async function rotateFolder(context: CliContext, given: string | undefined): Promise<number> {
  const folder = given ?? configFolder(context.environment)
  using _lock = lockFolder(folder)
  const member = openCredential(context, folder)
  try {
    const refusal = await renewNow(context, member)
    if (isRefusal(refusal)) {
      printRefusal(context.terminal, 'credentials rotate', refusal)
      return EXIT.refused
    }
    const { membership, validity } = member
    printFields(context.terminal, [
      ['rotated', membership.principal.uri],
      ['generation', String(membership.generation)],
      ['certificate', `ends ${relativeTime(validity.notAfter, context.clock.wallMs())}`],
    ])
    return EXIT.ok
  } finally {
    member.close()
  }
}

function rotateOther(context: CliContext, name: string): Promise<number> {
  const path = `/v1/principals/${encodeURIComponent(name)}/rotate`
  const question = { what: 'credentials rotate', method: 'POST', path } as const
  return askAuthority(context, { ...question, schema: credentialRotated }, (answer) => {
    const { terminal } = context
    const what = answer.kind === 'psk' ? 'pre-shared key' : 'certificate'
    if (terminal.isJson) printJson(terminal, answer)
    else if (answer.delivered) {
      const done = answer.kind === 'psk' ? 'rotated' : 'asked'
      terminal.out(`${paint(terminal, 'green', done)}  ${printable(name)}, ${what}`)
    } else terminal.out(`not connected: its ${what} is rotated when it is back`)
  })
}

/** `kosctl credentials revoke` */
export function revoke(context: CliContext, input: CommandInput): Promise<number> {
  const [id = ''] = input.positionals
  const path = `/v1/credentials/${encodeURIComponent(id)}/revoke`
  const body = jsonBody({ reason: input.text('reason') ?? '' })
  const question = { what: 'credentials revoke', method: 'POST', path, body } as const
  return askAuthority(context, { ...question, schema: credentialRevoked }, (answer) => {
    const { terminal } = context
    if (terminal.isJson) printJson(terminal, answer)
    else {
      const whose = answer.name === undefined ? '' : ` of ${printable(answer.name)}`
      terminal.out(`${paint(terminal, 'green', 'revoked')}  ${answer.kind}${whose}`)
    }
  })
}
