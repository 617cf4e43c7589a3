import type { CliCommand } from './command-line.ts'
import { complete, remoteCommandNames } from './completion.ts'
import type { CliContext } from './context.ts'
import { SHELL_WORDS } from './shell.ts'

/** What completion in the shell knows. */
export interface ShellCompletionSources {
  readonly commands: readonly CliCommand<CliContext>[]
  readonly peerNames: () => readonly string[]
  /** Whether plain lines go to a peer. */
  readonly isConnected: boolean
}

/**
 * Completes a line of the shell, as `node:readline` asks.
 *
 * @returns candidates for the last word, and that word
 */
export function completeLine(
  line: string,
  { commands, peerNames, isConnected }: ShellCompletionSources,
): [candidates: string[], word: string] {
  const words = line.trimStart().split(/\s+/)
  const word = words.at(-1) ?? ''
  const candidates = (given: readonly string[]): readonly string[] =>
    complete(commands, given, peerNames).candidates.map((candidate) => candidate.word)
  const [first = ''] = words
  let found: readonly string[]
  if (words.length === 1 && first.startsWith('@')) {
    found = peerNames().map((name) => `@${name}`)
  } else if (words.length === 1) {
    const remote = isConnected ? remoteCommandNames() : []
    found = [
      ...SHELL_WORDS.map(([usage]) => usage.split(' ')[0] ?? ''),
      ...candidates(words),
      ...remote,
    ]
  } else if (first === 'connect') {
    found = words.length === 2 ? peerNames() : []
  } else if (first.startsWith('@')) {
    found = candidates(['exec', first.slice(1), ...words.slice(1)])
  } else {
    found = candidates(words)
  }
  const fitting = [...new Set(found)].filter((candidate) => /^[a-z@-]/.test(candidate))
  return [fitting.filter((candidate) => candidate.startsWith(word)), word]
}
