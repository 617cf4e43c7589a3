import { isRefusal } from '../../foundation/base/index.ts'
import { parseJoinLine } from '../../lifecycle/enrolment/index.ts'
import { openMember, raiseMembership } from '../node/index.ts'
import type { CommandInput } from './command-line.ts'
import type { CliContext } from './context.ts'
import { lineText } from './daemon-join.ts'
import { cliErrors } from './errors.ts'
import { EXIT, paint, printFields, printRefusal } from './output.ts'

/** `kosd node --raise`: gets the certificate of the stricter profile before anything is served. */
export async function raiseIfAsked(
  context: CliContext,
  input: CommandInput,
  folder: string,
): Promise<number> {
  const given = input.text('raise')
  if (given === undefined) return EXIT.ok
  const line = parseJoinLine(lineText(context, given))
  if (isRefusal(line)) throw cliErrors.error('KOS_CLI_USAGE', { reason: line.rule })
  // The line is used once: nothing of it is left in memory afterwards.
  using secret = line.secret
  const member = openMember(context, { folder })
  if (!member) throw cliErrors.error('KOS_CLI_USAGE', { reason: '--raise: not joined yet' })
  try {
    const refusal = await raiseMembership(member, { line: { ...line, secret } })
    const { terminal } = context
    if (refusal) {
      printRefusal(terminal, 'raise', refusal)
      return EXIT.refused
    }
    const { profile } = member.membership
    if (terminal.isJson) printFields(terminal, [['raised', profile]])
    else terminal.out(`${paint(terminal, 'green', 'raised')}  kOS-${profile}`)
    return EXIT.ok
  } finally {
    member.close()
  }
}
