import { readFileSync } from 'node:fs'
import { isRefusal, z } from '../../../foundation/base/index.ts'
import type { CliCommand } from '../command-line.ts'
import { type CliContext, jsonBody, readAnswer } from '../context.ts'
import { withAuthority } from '../credential.ts'
import { EXIT, harmlessJson, printRefusal } from '../output.ts'

const manifestAnswer = z.object({ manifest: z.string() })
const putAnswer = z.object({ number: z.number() })

const show: CliCommand<CliContext> = {
  path: ['policy', 'show'],
  summary: 'print the fleet manifest in force, as JSON',
  usage: '',
  minPositionals: 0,
  maxPositionals: 0,
  options: {},
  examples: ['kosctl policy show > fleet.json'],
  run: async (context) => {
    const answer = await withAuthority(context, async (client) =>
      readAnswer(await client.request('GET', '/v1/manifest'), manifestAnswer),
    )
    if (isRefusal(answer)) {
      printRefusal(context.terminal, 'policy show', answer)
      return EXIT.refused
    }
    context.terminal.out(harmlessJson(answer.manifest.trimEnd()))
    return EXIT.ok
  },
}

const apply: CliCommand<CliContext> = {
  path: ['policy', 'apply'],
  summary: 'sign a fleet manifest and put it in force on every node',
  usage: 'FILE',
  minPositionals: 1,
  maxPositionals: 1,
  options: {},
  examples: ['kosctl policy apply fleet.json', 'kosctl policy apply - < fleet.json'],
  run: async (context, input) => {
    const [file = '-'] = input.positionals
    const manifest = file === '-' ? context.readInput() : readFileSync(file, 'utf8')
    const answer = await withAuthority(context, async (client) =>
      readAnswer(await client.request('PUT', '/v1/manifest', jsonBody({ manifest })), putAnswer),
    )
    if (isRefusal(answer)) {
      printRefusal(context.terminal, 'policy apply', answer)
      return EXIT.refused
    }
    context.terminal.out(`fleet manifest ${answer.number} is in force`)
    return EXIT.ok
  },
}

/** `kosctl policy …` */
export const policyCommands: readonly CliCommand<CliContext>[] = [show, apply]
