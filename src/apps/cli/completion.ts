import { BUILTIN_WORDS } from './builtin-words.ts'
import { type CliCommand, findCommand, optionNamed } from './command-line.ts'
import type { CliContext } from './context.ts'
import { SETTING_NAMES } from './setting-names.ts'

/** A word that can stand at the cursor. */
export interface Candidate {
  readonly word: string
  readonly summary: string
}

/** What can stand at the cursor. */
export interface Completion {
  readonly candidates: readonly Candidate[]
  /** Names of files can, too: the shell knows them. */
  readonly takesFiles: boolean
}

/** What stands where a usage line says so. */
type Place = 'peer' | 'remote-command' | 'file' | readonly string[] | undefined

const NOTHING: Completion = { candidates: [], takesFiles: false }

/**
 * Completes a command line from the table of commands: what is in the table can be completed, and
 * nothing has to be kept equal to it.
 *
 * @param commands - the table
 * @param words - the words after the name of the program; the last one, maybe empty, is completed
 * @param peerNames - names of peers, asked only where one can stand
 */
export function complete(
  commands: readonly CliCommand<CliContext>[],
  words: readonly string[],
  peerNames: () => readonly string[],
): Completion {
  const before = words.slice(0, -1)
  const current = words.at(-1) ?? ''
  const listed = commands.filter(({ isHidden }) => !isHidden)
  const next = nextWords(listed, before)
  const found = findCommand(listed, before)
  const own = found ? completeCommand(found.command, [...found.rest, current], peerNames) : NOTHING
  const candidates = [...next, ...own.candidates].filter(({ word }) => word.startsWith(current))
  return { candidates, takesFiles: own.takesFiles }
}

/** The next words of commands whose paths begin with the words so far. */
function nextWords(
  commands: readonly CliCommand<CliContext>[],
  before: readonly string[],
): readonly Candidate[] {
  const next = new Map<string, string>()
  for (const { path, summary } of commands) {
    const word = path[before.length]
    if (word === undefined || !before.every((given, index) => given === path[index])) continue
    const isWhole = path.length === before.length + 1
    if (isWhole || !next.has(word)) next.set(word, isWhole ? summary : `${word} …`)
  }
  return [...next].map(([word, summary]) => ({ word, summary }))
}

function completeCommand(
  command: CliCommand<CliContext>,
  rest: readonly string[],
  peerNames: () => readonly string[],
): Completion {
  const current = rest.at(-1) ?? ''
  const { place, count } = walk(command, rest.slice(0, -1))
  if (place) return atPlace(placeOf(place), peerNames)
  if (current.startsWith('-')) return { candidates: optionsOf(command), takesFiles: false }
  const words = positionalPlaces(command.usage)
  const here = atPlace(words[count], peerNames)
  // After the last word that is needed, options are worth showing unasked.
  const options = count >= command.minPositionals ? optionsOf(command) : []
  return { ...here, candidates: [...here.candidates, ...options] }
}

/** Where the words so far lead: into the value of an option, or to a positional argument. */
function walk(
  { options }: CliCommand<CliContext>,
  words: readonly string[],
): { readonly place: string | undefined; readonly count: number } {
  let count = 0
  let place: string | undefined
  for (const word of words) {
    const option = optionNamed(options, word)
    if (place !== undefined) place = undefined
    else if (option?.type === 'string' && !word.includes('=')) place = option.value ?? 'VALUE'
    else if (!option) count += 1
  }
  return { place, count }
}

function optionsOf({ options }: CliCommand<CliContext>): readonly Candidate[] {
  return Object.entries(options).map(([name, { summary }]) => ({ word: `--${name}`, summary }))
}

/** The positional arguments of a usage line in their order; what stands in brackets are options. */
function positionalPlaces(usage: string): readonly Place[] {
  const words = usage
    .replace(/\[[^\]]*\]|--\S+ \S+/g, ' ')
    .split(' ')
    .filter((word) => word !== '')
  return words.map(placeOf)
}

function placeOf(word: string): Place {
  if (/^[a-z]+(?:\|[a-z]+)+$/.test(word)) return word.split('|')
  switch (word) {
    case 'PEER':
    case 'NAME':
    case 'PRINCIPAL':
      return 'peer'
    case 'COMMAND':
      return 'remote-command'
    case 'SETTING':
      return SETTING_NAMES
    case 'FILE':
    case 'FOLDER':
    case 'PATH':
      return 'file'
    default:
      return undefined
  }
}

function atPlace(place: Place, peerNames: () => readonly string[]): Completion {
  switch (place) {
    case undefined:
      return NOTHING
    case 'peer':
      return { candidates: named(peerNames(), 'peer'), takesFiles: false }
    case 'remote-command':
      return { candidates: named(remoteCommandNames(), 'command'), takesFiles: false }
    case 'file':
      return { candidates: [], takesFiles: true }
    default:
      return { candidates: named(place, ''), takesFiles: false }
  }
}

/** The commands that every peer has. */
export function remoteCommandNames(): readonly string[] {
  return BUILTIN_WORDS.map(({ name }) => name)
}

function named(words: readonly string[], summary: string): readonly Candidate[] {
  return words.map((word) => ({ word, summary }))
}
