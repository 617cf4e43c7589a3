import { KOS_VERSION } from '../node/index.ts'
import {
  type CliCommand,
  commandHelp,
  findCommand,
  parseInput,
  programHelp,
} from './command-line.ts'
import { auditCommands } from './commands/audit.ts'
import { devicesCommands } from './commands/devices.ts'
import { doctorCommands } from './commands/doctor.ts'
import { execCommands } from './commands/exec.ts'
import { policyCommands } from './commands/policy.ts'
import { tokenCommands } from './commands/token.ts'
import { type CliContext, type CliWorld, processWorld } from './context.ts'
import { cliErrors } from './errors.ts'
import { EXIT, exitCodeOf, printError, type Terminal } from './output.ts'

const COMMANDS: readonly CliCommand<CliContext>[] = [
  ...devicesCommands,
  ...tokenCommands,
  ...execCommands,
  ...policyCommands,
  ...auditCommands,
  ...doctorCommands,
]

const HEAD = {
  program: 'kosctl',
  summary: 'kosctl: the operator’s hand of a kOS fabric',
  foot: [
    'Add --help to a command for its options and examples; --json prints JSON where it stands.',
    'Exit codes: 0 done, 1 failed, 2 usage, 3 refused, 4 unreachable, 5 not verified.',
  ],
}

/** The terminal of this process. */
export function processTerminal(): Terminal {
  const { stdout, stderr, stdin } = process
  return {
    colour: stdout.isTTY && stdout.hasColors() && process.env['NO_COLOR'] === undefined,
    interactive: stdin.isTTY && stdout.isTTY,
    out: (text) => void stdout.write(`${text}\n`),
    err: (text) => void stderr.write(`${text}\n`),
  }
}

/**
 * Runs `kosctl`.
 *
 * @param argv - arguments without program names
 * @param terminal - where it writes; the process's by default
 * @param world - clock, randomness, environment; the process's by default
 * @returns the exit code
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
    terminal.out(`kosctl ${KOS_VERSION}`)
    return EXIT.ok
  }
  try {
    return await runCommand(argv, { ...world, terminal })
  } catch (error) {
    printError(terminal, error)
    return exitCodeOf(error)
  }
}

async function runCommand(argv: readonly string[], context: CliContext): Promise<number> {
  const found = findCommand(COMMANDS, argv)
  if (!found) throw cliErrors.error('KOS_CLI_USAGE', { command: argv[0] ?? '' })
  if (found.rest.includes('--help') || found.rest.includes('-h')) {
    context.terminal.out(commandHelp(found.command, HEAD.program))
    return EXIT.ok
  }
  return found.command.run(context, parseInput(found.command, found.rest, HEAD.program))
}
