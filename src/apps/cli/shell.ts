import type { CliContext } from './context.ts'
import { cliErrors } from './errors.ts'
import type { HeldCalls } from './held-calls.ts'
import { EXIT, exitCodeOf, printable, printError, printJson, printTable } from './output.ts'
import { runProgram } from './program.ts'
import { splitWords } from './shell-words.ts'

/** Words of the shell itself, with what help says about them. */
export const SHELL_WORDS: readonly (readonly [usage: string, summary: string])[] = [
  ['help', 'this list'],
  ['peers', 'peers of the signed directory; * has an open session'],
  ['connect PEER', 'open a session; lines that are no command go to this peer'],
  ['@PEER COMMAND [ARGUMENT …]', 'run a command on a peer'],
  ['COMMAND [ARGUMENT …]', 'run a command on the connected peer'],
  ['exit', 'end the shell and its sessions'],
]
/** Commands that would take the terminal, or wait for ever, in a shell. */
const NOT_HERE: ReadonlySet<string> = new Set(['shell', 'agent', 'completion'])

/** A shell between two lines. */
export interface Shell {
  /** The peer that plain lines go to. */
  readonly peer: string | undefined
  readonly isOver: boolean
  /**
   * Runs one line.
   *
   * @param signal - stops what it started
   * @returns its exit code; an error is printed
   */
  run(line: string, signal: AbortSignal): Promise<number>
}

/**
 * Makes a shell over sessions that stay open from line to line.
 *
 * @param context - terminal and world of every line
 * @param calls - the sessions
 * @param options - whether every line prints JSON
 */
export function createShell(
  context: CliContext,
  calls: HeldCalls,
  options: { readonly isJson: boolean },
): Shell {
  return new LineShell(context, calls, options.isJson)
}

class LineShell implements Shell {
  readonly #context: CliContext
  readonly #calls: HeldCalls
  readonly #isJson: boolean
  #peer: string | undefined
  #isOver = false

  constructor(context: CliContext, calls: HeldCalls, isJson: boolean) {
    this.#context = context
    this.#calls = calls
    this.#isJson = isJson
  }

  get peer(): string | undefined {
    return this.#peer
  }

  get isOver(): boolean {
    return this.#isOver
  }

  async run(line: string, signal: AbortSignal): Promise<number> {
    try {
      const words = splitWords(line)
      const [first = ''] = words
      if (first === '' || first.startsWith('#')) return EXIT.ok
      return await this.#runWords(first, words.slice(1), signal)
    } catch (error) {
      const { terminal } = this.#context
      printError({ ...terminal, isJson: this.#isJson }, error)
      return exitCodeOf(error)
    }
  }

  async #runWords(first: string, rest: readonly string[], signal: AbortSignal): Promise<number> {
    if (first.startsWith('@')) return this.#exec(first.slice(1), rest, signal)
    switch (first) {
      case 'help':
        return rest.length === 0 ? this.#help() : this.#command([...rest, '--help'], signal)
      case 'peers':
        return this.#peers()
      case 'connect':
        return this.#connect(rest)
      case 'exit':
      case 'quit':
        this.#isOver = true
        return EXIT.ok
      default:
        return this.#isCommand(first)
          ? this.#command([first, ...rest], signal)
          : this.#exec(this.#peer, [first, ...rest], signal)
    }
  }

  #isCommand(word: string): boolean {
    return this.#context.program.commands.some(({ path }) => path[0] === word)
  }

  #command(argv: readonly string[], signal: AbortSignal): Promise<number> {
    const [first = ''] = argv
    if (NOT_HERE.has(first) && !argv.includes('--help')) {
      throw cliErrors.error('KOS_CLI_USAGE', { reason: `${first} is for outside of the shell` })
    }
    const { terminal, program, ...world } = this.#context
    // Standard input is where the lines come from: no command may read it to its end.
    const readInput = (): string => {
      throw cliErrors.error('KOS_CLI_USAGE', { reason: 'a shell has no standard input to give' })
    }
    return runProgram(program, this.#asJson(argv), {
      terminal,
      world: { ...world, readInput, signal },
      calls: this.#calls,
    })
  }

  /** Where every command prints JSON, a line need not say so. */
  #asJson(argv: readonly string[]): readonly string[] {
    if (!this.#isJson || argv.includes('--json')) return argv
    const end = argv.indexOf('--')
    return end < 0 ? [...argv, '--json'] : [...argv.slice(0, end), '--json', ...argv.slice(end)]
  }

  #exec(peer: string | undefined, words: readonly string[], signal: AbortSignal): Promise<number> {
    const [command] = words
    if (peer === undefined) {
      const reason = `${printable(command ?? '')} is no command here: help, or connect to a peer first`
      throw cliErrors.error('KOS_CLI_USAGE', { reason })
    }
    if (peer === '' || command === undefined) {
      throw cliErrors.error('KOS_CLI_USAGE', { reason: '@PEER COMMAND [ARGUMENT …]' })
    }
    return this.#command(['exec', peer, ...words], signal)
  }

  async #connect(words: readonly string[]): Promise<number> {
    const [peer] = words
    if (peer === undefined || words.length > 1) {
      throw cliErrors.error('KOS_CLI_USAGE', { reason: 'connect PEER' })
    }
    await this.#calls.connect(peer)
    this.#peer = peer
    const { terminal } = this.#context
    if (this.#isJson) printJson(terminal, { connected: peer })
    else terminal.out(`connected to ${printable(peer)}`)
    return EXIT.ok
  }

  #peers(): number {
    const { terminal } = this.#context
    const known = this.#calls.directory().filter(({ addresses }) => addresses.length > 0)
    if (this.#isJson) printJson(terminal, known)
    else {
      const rows = known.map(({ name, kind, addresses, isOpen }) => [
        `${isOpen ? '*' : ' '} ${name}`,
        kind,
        addresses[0] ?? '-',
      ])
      printTable(terminal, ['  NAME', 'KIND', 'ADDRESS'], rows)
    }
    return EXIT.ok
  }

  #help(): number {
    const { terminal, program } = this.#context
    if (this.#isJson) {
      printJson(terminal, Object.fromEntries(SHELL_WORDS))
      return EXIT.ok
    }
    const width = Math.max(...SHELL_WORDS.map(([usage]) => usage.length))
    for (const [usage, summary] of SHELL_WORDS) terminal.out(`  ${usage.padEnd(width)}  ${summary}`)
    const names = program.commands.filter(({ isHidden }) => !isHidden).map(({ path }) => path[0])
    const others = [...new Set(names)].filter((name) => !NOT_HERE.has(name ?? ''))
    terminal.out(`\nand the commands of kosctl: ${others.join(', ')} (help COMMAND)`)
    return EXIT.ok
  }
}
