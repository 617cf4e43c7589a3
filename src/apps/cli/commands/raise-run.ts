import { isRefusal } from '../../../foundation/base/index.ts'
import { parseProfileName } from '../../../foundation/profiles/index.ts'
import { tokenCreated } from '../../authority/index.ts'
import { jsonBody, readAnswer } from '../answers.ts'
import type { CommandInput } from '../command-line.ts'
import type { CliContext } from '../context.ts'
import { withAuthority } from '../credential.ts'
import { cliErrors } from '../errors.ts'
import { EXIT, parseDuration, printable, printJson, printRefusal } from '../output.ts'

/** `kosctl devices raise` */
export async function raise(context: CliContext, input: CommandInput): Promise<number> {
  const profile = parseProfileName(input.text('profile') ?? '')
  const lifeMs = parseDuration(input.text('ttl') ?? '10m')
  if (!profile) throw cliErrors.error('KOS_CLI_USAGE', { reason: '--profile is SEC-2 to SEC-4' })
  if (lifeMs === undefined) {
    throw cliErrors.error('KOS_CLI_USAGE', { reason: '--ttl is a duration such as 90s or 10m' })
  }
  const path = `/v1/principals/${encodeURIComponent(input.positionals[0] ?? '')}/raise`
  const body = jsonBody({ profile, lifeMs })
  const answer = await withAuthority(context, async (client) =>
    readAnswer(await client.request('POST', path, body), tokenCreated),
  )
  if (isRefusal(answer)) {
    printRefusal(context.terminal, 'devices raise', answer)
    return EXIT.refused
  }
  if (input.flag('json')) printJson(context.terminal, answer)
  else context.terminal.out(printable(answer.joinLine))
  return EXIT.ok
}
