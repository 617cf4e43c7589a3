import { parseArgs } from 'node:util'
import { cliErrors } from './errors.ts'

/** One option of a command. */
export interface OptionSpecification {
  readonly type: 'string' | 'boolean'
  readonly summary: string
  /** Placeholder of the value in the help text. */
  readonly value?: string
  readonly multiple?: boolean
}

/** What a command gets after parsing. */
export interface CommandInput {
  readonly positionals: readonly string[]
  text(name: string): string | undefined
  texts(name: string): readonly string[]
  flag(name: string): boolean
  /** Whether the command line itself names an option, `--no-NAME` included. */
  isGiven(name: string): boolean
}

/** A command of the command line as data. */
export interface CliCommand<Context> {
  /** For example `['devices', 'show']`. */
  readonly path: readonly string[]
  readonly summary: string
  /** Positional arguments as the usage line shows them. */
  readonly usage: string
  readonly minPositionals: number
  readonly maxPositionals: number
  readonly options: Readonly<Record<string, OptionSpecification>>
  readonly examples: readonly string[]
  /** Whether a word that begins with a hyphen and is no option of the command is a word: ids may. */
  readonly takesHyphens?: boolean
  /** For machines: not listed, its words are taken as they are, `--help` included. */
  readonly isHidden?: boolean
  run(context: Context, input: CommandInput): Promise<number>
}

/** A command found on the command line, with what is left of the arguments. */
export interface FoundCommand<Context> {
  readonly command: CliCommand<Context>
  readonly rest: readonly string[]
}

/**
 * Finds the command with the longest path that the arguments begin with. Options before the
 * command are not supported: the command comes first.
 */
export function findCommand<Context>(
  commands: readonly CliCommand<Context>[],
  argv: readonly string[],
): FoundCommand<Context> | undefined {
  const fitting = commands
    .filter(({ path }) => path.every((word, index) => argv[index] === word))
    .toSorted((a, b) => b.path.length - a.path.length)
  const command = fitting[0]
  return command && { command, rest: argv.slice(command.path.length) }
}

/**
 * Parses the arguments of a command strictly.
 *
 * @param command - whose arguments they are
 * @param rest - what follows the command's path
 * @param program - name of the program, for the usage line
 * @throws {@link KosError} KOS_CLI_USAGE naming what is wrong
 */
export function parseInput<Context>(
  command: CliCommand<Context>,
  rest: readonly string[],
  program: string,
): CommandInput {
  const usage = usageLine(command, program)
  const parsed = parse(command, rest, usage)
  const { values, positionals } = parsed
  if (positionals.length < command.minPositionals || positionals.length > command.maxPositionals) {
    throw cliErrors.error('KOS_CLI_USAGE', { usage })
  }
  return {
    positionals,
    text: (name) => {
      const value = values[name]
      return typeof value === 'string' ? value : undefined
    },
    texts: (name) => {
      const value = values[name]
      return Array.isArray(value) ? value.filter((item) => typeof item === 'string') : []
    },
    flag: (name) => values[name] === true,
    isGiven: (name) => values[name] !== undefined,
  }
}

function parse<Context>(
  command: CliCommand<Context>,
  rest: readonly string[],
  usage: string,
): { values: Record<string, unknown>; positionals: string[] } {
  const options = Object.fromEntries(
    Object.entries(command.options).map(([name, { type, multiple }]) => [
      name,
      { type, multiple: multiple ?? false },
    ]),
  )
  try {
    const args = words(command, rest)
    return parseArgs({ args, options, allowPositionals: true, allowNegative: true, strict: true })
  } catch (error) {
    const reason = error instanceof Error ? (error.message.split('\n')[0] ?? '') : 'options'
    throw cliErrors.error('KOS_CLI_USAGE', { reason, usage })
  }
}

function words<Context>(command: CliCommand<Context>, rest: readonly string[]): string[] {
  if (command.isHidden) return ['--', ...rest]
  if (!command.takesHyphens || rest.includes('--')) return [...rest]
  const options: string[] = []
  const others: string[] = []
  for (let at = 0; at < rest.length; at++) {
    const word = rest[at] ?? ''
    const option = optionNamed(command.options, word)
    const value = option?.type === 'string' && !word.includes('=') ? rest[++at] : undefined
    if (!option) others.push(word)
    // In one word: a value may begin with a hyphen, too.
    else options.push(value === undefined ? word : `${word}=${value}`)
  }
  return [...options, '--', ...others]
}

/** The option that a word names; its value may stand behind an equals sign. */
export function optionNamed(
  options: Readonly<Record<string, OptionSpecification>>,
  word: string,
): OptionSpecification | undefined {
  const name = word.startsWith('--') ? (word.slice(2).split('=')[0] ?? '') : ''
  return Object.hasOwn(options, name) ? options[name] : undefined
}

/** The usage line of a command. */
function usageLine<Context>(command: CliCommand<Context>, program: string): string {
  return [program, ...command.path, command.usage].filter((part) => part !== '').join(' ')
}

/** The help text of one command. */
export function commandHelp<Context>(command: CliCommand<Context>, program: string): string {
  const lines = [command.summary, '', `usage: ${usageLine(command, program)}`]
  const options = Object.entries(command.options)
  if (options.length > 0) {
    lines.push('', 'options:')
    const names = options.map(([name, { value }]) => `--${name}${value ? ` ${value}` : ''}`)
    const width = Math.max(...names.map((name) => name.length))
    options.forEach(([, { summary }], index) =>
      lines.push(`  ${(names[index] ?? '').padEnd(width)}  ${summary}`),
    )
  }
  if (command.examples.length > 0) {
    lines.push('', 'examples:', ...command.examples.map((example) => `  ${example}`))
  }
  return lines.join('\n')
}

/** The list of commands with their summaries. */
export function programHelp<Context>(
  commands: readonly CliCommand<Context>[],
  head: { readonly program: string; readonly summary: string; readonly foot: readonly string[] },
): string {
  const listed = commands.filter(({ isHidden }) => !isHidden)
  const names = listed.map((command) => [...command.path, command.usage].join(' ').trim())
  const width = Math.min(48, Math.max(...names.map((name) => name.length)))
  const rows = listed.map(
    (command, index) => `  ${(names[index] ?? '').padEnd(width)}  ${command.summary}`,
  )
  return [head.summary, '', `usage: ${head.program} COMMAND`, '', ...rows, '', ...head.foot].join(
    '\n',
  )
}
