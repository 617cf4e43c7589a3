import type { CliCommand } from '../command-line.ts'
import type { CliContext } from '../context.ts'

const JSON_OPTION = { json: { type: 'boolean', summary: 'print JSON' } } as const

const agent: CliCommand<CliContext> = {
  path: ['agent'],
  summary: 'hold the credential and sessions open for kosctl exec, until stopped',
  usage: '[--idle 10m] [--json]',
  minPositionals: 0,
  maxPositionals: 0,
  options: {
    idle: { type: 'string', value: 'DURATION', summary: 'end after this long without a request' },
    ...JSON_OPTION,
  },
  examples: ['kosctl agent --idle 10m &', 'KOS_AGENT=/run/user/1000/kos/agent kosctl agent'],
  run: async (context, input) => (await import('./agent-run.ts')).agent(context, input),
}

const status: CliCommand<CliContext> = {
  path: ['agent', 'status'],
  summary: 'say whether an agent runs, for whom, and with which sessions',
  usage: '[--json]',
  minPositionals: 0,
  maxPositionals: 0,
  options: JSON_OPTION,
  examples: ['kosctl agent status'],
  run: async (context, input) => (await import('./agent-ask.ts')).status(context, input),
}

const stop: CliCommand<CliContext> = {
  path: ['agent', 'stop'],
  summary: 'end the agent and its sessions',
  usage: '[--json]',
  minPositionals: 0,
  maxPositionals: 0,
  options: JSON_OPTION,
  examples: ['kosctl agent stop'],
  run: async (context, input) => (await import('./agent-ask.ts')).stop(context, input),
}

/** `kosctl agent …` */
export const agentCommands: readonly CliCommand<CliContext>[] = [agent, status, stop]
