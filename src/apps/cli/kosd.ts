import { KOS_VERSION } from '../node/index.ts'
import {
  type CliCommand,
  commandHelp,
  findCommand,
  parseInput,
  programHelp,
} from './command-line.ts'
import { type CliContext, type CliWorld, processWorld } from './context.ts'
import { authorityCommand } from './daemon-authority.ts'
import { nodeCommand } from './daemon-node.ts'
import { cliErrors } from './errors.ts'
import { processTerminal } from './main.ts'
import { EXIT, exitCodeOf, printError, type Terminal } from './output.ts'

const COMMANDS: readonly CliCommand<CliContext>[] = [authorityCommand, nodeCommand]

const HEAD = {
  program: 'kosd',
  summary: 'kosd: an authority or a node of a kOS fabric',
  foot: ['Add --help to a command for its options. Exit codes: 0 stopped, 1 failed, 2 usage.'],
}

/**
 * Runs `kosd`.
 *
 * @param argv - arguments without program names
 * @param terminal - where it writes; the process's by default
 * @param world - clock, randomness, environment; the process's by default
 * @returns the exit code, once the daemon has stopped
 */
export async function main(
  argv: readonly string[],
  terminal: Terminal = processTerminal(),
  world: CliWorld = processWorld(),
): Promise<number> {
  const [first] = argv
  if (first === undefined || first === 'help' || first === '--help' || first === '-h') {
    terminal.out(programHelp(COMMANDS, HEAD))
    return first === undefined ? EXIT.usage : EXIT.ok
  }
  if (first === '--version' || first === 'version') {
    terminal.out(`kosd ${KOS_VERSION}`)
    return EXIT.ok
  }
  try {
    const found = findCommand(COMMANDS, argv)
    if (!found) throw cliErrors.error('KOS_CLI_USAGE', { command: first })
    if (found.rest.includes('--help')) {
      terminal.out(commandHelp(found.command, HEAD.program))
      return EXIT.ok
    }
    const input = parseInput(found.command, found.rest, HEAD.program)
    return await found.command.run({ ...world, terminal }, input)
  } catch (error) {
    printError(terminal, error)
    return exitCodeOf(error)
  }
}
