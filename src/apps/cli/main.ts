import { agentCommands } from './commands/agent.ts'
import { alertsCommands } from './commands/alerts.ts'
import { auditCommands } from './commands/audit.ts'
import { backupCommands } from './commands/backup.ts'
import { caCommands } from './commands/ca.ts'
import { commandsCommands } from './commands/commands.ts'
import { completionCommands } from './commands/completion.ts'
import { configCommands } from './commands/config.ts'
import { credentialsCommands } from './commands/credentials.ts'
import { devicesCommands } from './commands/devices.ts'
import { doctorCommands } from './commands/doctor.ts'
import { execCommands } from './commands/exec.ts'
import { imageCommands } from './commands/image.ts'
import { lockCommands } from './commands/lock.ts'
import { loginCommands } from './commands/login.ts'
import { operatorCommands } from './commands/operator.ts'
import { policyCommands } from './commands/policy.ts'
import { raiseCommands } from './commands/raise.ts'
import { profilesCommands } from './commands/profiles.ts'
import { sessionsCommands } from './commands/sessions.ts'
import { shellCommands } from './commands/shell.ts'
import { standbyCommands } from './commands/standby.ts'
import { tokenCommands } from './commands/token.ts'
import type { CliWorld } from './context.ts'
import type { Terminal } from './output.ts'
import { processTerminal } from './process-terminal.ts'
import { type Program, runProgram } from './program.ts'

/** `kosctl` as data: everything about its commands but what they do. */
export const KOSCTL: Program = {
  head: {
    program: 'kosctl',
    summary: 'kosctl: the operator’s hand of a kOS fabric',
    foot: [
      'Add --help to a command for its options and examples; --json prints JSON where it stands.',
      'Exit codes: 0 done, 1 failed, 2 usage, 3 refused, 4 unreachable, 5 not verified.',
    ],
  },
  commands: [
    ...devicesCommands,
    ...raiseCommands,
    ...lockCommands,
    ...standbyCommands,
    ...tokenCommands,
    ...imageCommands,
    ...operatorCommands,
    ...loginCommands,
    ...sessionsCommands,
    ...credentialsCommands,
    ...backupCommands,
    ...configCommands,
    ...caCommands,
    ...alertsCommands,
    ...execCommands,
    ...commandsCommands,
    ...policyCommands,
    ...profilesCommands,
    ...auditCommands,
    ...shellCommands,
    ...agentCommands,
    ...completionCommands,
    ...doctorCommands,
  ],
}

/**
 * Runs `kosctl`.
 *
 * @param argv - arguments without program names
 * @param terminal - where it writes; the process's by default
 * @param world - clock, randomness, environment; the process's by default
 * @returns the exit code
 */
export function main(
  argv: readonly string[],
  terminal: Terminal = processTerminal(),
  world?: CliWorld,
): Promise<number> {
  return runProgram(KOSCTL, argv, { terminal, world })
}
