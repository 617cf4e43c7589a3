import type { CommandInput } from '../command-line.ts'
import { complete } from '../completion.ts'
import { COMPLETION_SCRIPTS, SHELLS } from '../completion-scripts.ts'
import { type CliContext, configFolder } from '../context.ts'
import { cliErrors } from '../errors.ts'
import { localPeerNames } from '../local-names.ts'
import { EXIT, printJson } from '../output.ts'

/** `kosctl completion` */
export function completion(context: CliContext, input: CommandInput): Promise<number> {
  const shell = SHELLS.find((known) => known === input.positionals[0])
  if (!shell) throw cliErrors.error('KOS_CLI_USAGE', { reason: `shells: ${SHELLS.join(', ')}` })
  const script = COMPLETION_SCRIPTS[shell]
  if (input.flag('json')) printJson(context.terminal, { shell, script })
  else context.terminal.out(script)
  return Promise.resolve(EXIT.ok)
}

/** `kosctl __complete`: one line per candidate, `:files` where names of files can stand. */
export function answer(context: CliContext, input: CommandInput): Promise<number> {
  const { terminal, program, environment } = context
  const { candidates, takesFiles } = complete(program.commands, input.positionals, () =>
    localPeerNames(configFolder(environment)),
  )
  for (const { word, summary } of candidates) terminal.out(`${word}\t${summary}`)
  if (takesFiles) terminal.out(':files')
  return Promise.resolve(EXIT.ok)
}
