import type { CliWorld } from './context.ts'
import { authorityCommand } from './daemon-authority.ts'
import { nodeCommand } from './daemon-node.ts'
import type { Terminal } from './output.ts'
import { processTerminal } from './process-terminal.ts'
import { type Program, runProgram } from './program.ts'

/** `kosd` as data. */
export const KOSD: Program = {
  head: {
    program: 'kosd',
    summary: 'kosd: an authority or a node of a kOS fabric',
    foot: ['Add --help to a command for its options. Exit codes: 0 stopped, 1 failed, 2 usage.'],
  },
  commands: [authorityCommand, nodeCommand],
}

/**
 * Runs `kosd`.
 *
 * @param argv - arguments without program names
 * @param terminal - where it writes; the process's by default
 * @param world - clock, randomness, environment; the process's by default
 * @returns the exit code, once the daemon has stopped
 */
export function main(
  argv: readonly string[],
  terminal: Terminal = processTerminal(),
  world?: CliWorld,
): Promise<number> {
  return runProgram(KOSD, argv, { terminal, world })
}
