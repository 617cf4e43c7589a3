import { KOS_VERSION } from '../node/index.ts'
import {
  type CliCommand,
  type CommandInput,
  commandHelp,
  findCommand,
  parseInput,
  programHelp,
} from './command-line.ts'
import type { CliContext, CliWorld } from './context.ts'
import { cliErrors } from './errors.ts'
import type { PeerCalls } from './peer-calls.ts'
import { EXIT, exitCodeOf, printError, type Terminal } from './output.ts'

/** A program as data: what it is called, and what it can do. */
export interface Program {
  readonly head: {
    readonly program: string
    readonly summary: string
    readonly foot: readonly string[]
  }
  readonly commands: readonly CliCommand<CliContext>[]
}

/** Where a program runs. */
export interface ProgramPlace {
  readonly terminal: Terminal
  readonly world?: CliWorld | undefined
  /** Sessions that stay open between its commands. */
  readonly calls?: PeerCalls
}

/**
 * Runs a program: help, version or one of its commands; an error becomes one sentence and a code.
 *
 * @param program - its name and commands
 * @param argv - arguments without program names
 * @param place - its terminal, and the world that its commands run in; the process's by default
 * @returns the exit code
 */
export async function runProgram(
  program: Program,
  argv: readonly string[],
  place: ProgramPlace,
): Promise<number> {
  const { head, commands } = program
  const { terminal } = place
  const [first] = argv
  if (first === undefined || first === 'help' || isHelp(first)) {
    terminal.out(programHelp(commands, head))
    return first === undefined ? EXIT.usage : EXIT.ok
  }
  if (first === '--version' || first === 'version') {
    terminal.out(`${head.program} ${KOS_VERSION}`)
    return EXIT.ok
  }
  try {
    return await runCommand(program, argv, place)
  } catch (error) {
    printError({ ...terminal, isJson: beforeDashes(argv).includes('--json') }, error)
    return exitCodeOf(error)
  }
}

async function runCommand(
  program: Program,
  argv: readonly string[],
  { terminal, world, calls }: ProgramPlace,
): Promise<number> {
  const { head, commands } = program
  const found = findCommand(commands, argv)
  if (!found) throw cliErrors.error('KOS_CLI_USAGE', { command: argv[0] ?? '' })
  if (!found.command.isHidden && beforeDashes(found.rest).some(isHelp)) {
    terminal.out(commandHelp(found.command, head.program))
    return EXIT.ok
  }
  const input = parseInput(found.command, found.rest, head.program)
  // What help does not need is not loaded for it.
  const { processWorld } = world ? { processWorld: () => world } : await import('./context.ts')
  const held = calls && { calls }
  const context = { ...processWorld(), ...held, program, terminal: jsonTerminal(terminal, input) }
  return found.command.run(context, input)
}

function jsonTerminal(terminal: Terminal, input: CommandInput): Terminal {
  return input.flag('json') ? { ...terminal, isJson: true } : terminal
}

/** Words after "--" are no options. */
function beforeDashes(words: readonly string[]): readonly string[] {
  return words.includes('--') ? words.slice(0, words.indexOf('--')) : words
}

function isHelp(word: string): boolean {
  return word === '--help' || word === '-h'
}
