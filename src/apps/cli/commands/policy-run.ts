import { readFileSync } from 'node:fs'
import { isRefusal, refuse, z } from '../../../foundation/base/index.ts'
import type { CommandInput } from '../command-line.ts'
import { jsonBody, readAnswer } from '../answers.ts'
import type { CliContext } from '../context.ts'
import { withAuthority } from '../credential.ts'
import { EXIT, harmlessJson, printJson, printRefusal } from '../output.ts'

const manifestAnswer = z.object({ manifest: z.string() })
/** What the authority takes; a node would be busy for seconds with more. */
const MAX_MANIFEST_BYTES = 8 * 1024 * 1024
const putAnswer = z.object({ number: z.number() })

/** `kosctl policy show` */
export async function show(context: CliContext): Promise<number> {
  const answer = await withAuthority(context, async (client) =>
    readAnswer(await client.request('GET', '/v1/manifest'), manifestAnswer),
  )
  if (isRefusal(answer)) {
    printRefusal(context.terminal, 'policy show', answer)
    return EXIT.refused
  }
  context.terminal.out(harmlessJson(answer.manifest.trimEnd()))
  return EXIT.ok
}

/** `kosctl policy apply` */
export async function apply(context: CliContext, input: CommandInput): Promise<number> {
  const [file = '-'] = input.positionals
  const manifest = file === '-' ? context.readInput() : readFileSync(file, 'utf8')
  if (Buffer.byteLength(manifest) > MAX_MANIFEST_BYTES) {
    const tooLarge = refuse('KOS_POLICY_MANIFEST_SIZE', 'manifest: over 8 MiB', {
      remedy: 'Use groups, roles and patterns instead of single rules.',
    })
    printRefusal(context.terminal, 'policy apply', tooLarge)
    return EXIT.refused
  }
  const answer = await withAuthority(context, async (client) =>
    readAnswer(await client.request('PUT', '/v1/manifest', jsonBody({ manifest })), putAnswer),
  )
  if (isRefusal(answer)) {
    printRefusal(context.terminal, 'policy apply', answer)
    return EXIT.refused
  }
  if (input.flag('json')) printJson(context.terminal, { kind: 'fleet', number: answer.number })
  else context.terminal.out(`fleet manifest ${answer.number} is in force`)
  return EXIT.ok
}
