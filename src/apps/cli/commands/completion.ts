import type { CliCommand } from '../command-line.ts'
import type { CliContext } from '../context.ts'

const completion: CliCommand<CliContext> = {
  path: ['completion'],
  summary: 'print the completion script of a shell',
  usage: 'bash|zsh|fish [--json]',
  minPositionals: 1,
  maxPositionals: 1,
  options: { json: { type: 'boolean', summary: 'print JSON' } },
  examples: ['source <(kosctl completion bash)', 'kosctl completion fish | source'],
  run: async (context, input) => (await import('./completion-run.ts')).completion(context, input),
}

const answer: CliCommand<CliContext> = {
  path: ['__complete'],
  summary: 'answer a completion script',
  usage: 'WORD …',
  minPositionals: 0,
  maxPositionals: 1024,
  options: {},
  examples: [],
  isHidden: true,
  run: async (context, input) => (await import('./completion-run.ts')).answer(context, input),
}

/** `kosctl completion …` */
export const completionCommands: readonly CliCommand<CliContext>[] = [completion, answer]
