import { readFileSync } from 'node:fs'
import { isRefusal, type Refusal } from '../../foundation/base/index.ts'
import { type JoinLine, parseJoinLine } from '../../lifecycle/enrolment/index.ts'
import { chooseMac } from '../../trust/pki/index.ts'
import {
  bindMachine,
  type FirstBoot,
  joinAuthority,
  joinAuthorityByPsk,
  type JoinOptions,
  joinPatiently,
  loadMembership,
  machineMarks,
  type Membership,
  type NodeOptions,
  openMemberKeys,
  permanentMacs,
  readFirstBoot,
  shredFirstBoot,
  wantedName,
} from '../node/index.ts'
import type { CommandInput } from './command-line.ts'
import type { CliContext } from './context.ts'
import { cliErrors } from './errors.ts'
import { EXIT, paint, parseDuration, printFields, printRefusal } from './output.ts'

/** Longest text that is taken for a join line. */
const MAX_LINE_BYTES = 1024

/** What is joined with: as the command line or the image says. */
interface Joining {
  readonly line: JoinLine
  readonly psk: boolean
  readonly name: string | undefined
  /** Whether an image left it: nobody is there who would start it again. */
  readonly isFirstBoot: boolean
}

/**
 * Joins when a join line is given, or left by an image, and the folder has not joined yet; later starts
 * need none.
 *
 * @returns an exit code, or that there is nothing to join with
 */
export async function joinIfAsked(
  context: CliContext,
  input: CommandInput,
  options: NodeOptions,
): Promise<number | 'unjoined'> {
  const { folder } = options
  const keys = openMemberKeys(context, folder)
  try {
    // Before a key is used: those of an image that was started once too often are everybody's.
    bindMachine(keys, options.marks ?? machineMarks(), options.isMoved)
    if (loadMembership(keys)) {
      // A crash between joining and this left it.
      shredFirstBoot(folder)
      return EXIT.ok
    }
    const joining = joiningOf(context, input, folder)
    if (!joining) return 'unjoined'
    // The line is used once: nothing of it is left in memory afterwards.
    using _secret = joining.line.secret
    const joined = await join(context, input, { joining, options, keys })
    if (isRefusal(joined)) {
      printRefusal(context.terminal, 'join', joined)
      return EXIT.refused
    }
    shredFirstBoot(folder)
    const { terminal } = context
    if (terminal.isJson) printFields(terminal, [['joined', joined.principal.uri]])
    else terminal.out(`${paint(terminal, 'green', 'joined')}  ${joined.principal.uri}`)
    return EXIT.ok
  } finally {
    keys.close()
  }
}

async function join(
  context: CliContext,
  input: CommandInput,
  how: {
    readonly joining: Joining
    readonly options: NodeOptions
    readonly keys: JoinOptions['keys']
  },
): Promise<Membership | Refusal> {
  const { joining, options, keys } = how
  const { psk, name, isFirstBoot } = joining
  const { folder, advertise } = options
  // Whatever becomes of it: nothing of the line is left in memory afterwards.
  using secret = joining.line.secret
  const line = { ...joining.line, secret }
  const device = { folder, keys, line, name, mac: chooseMac(permanentMacs()), learned: {} }
  const addresses = advertise === undefined ? [] : [advertise]
  const patience = {
    forMs: isFirstBoot ? Infinity : patienceOf(input),
    whileAway: isFirstBoot,
    onPause: (): void => {
      if (!context.terminal.isJson) context.terminal.err('the authority is busy or away: waiting')
    },
  }
  return await joinPatiently(context, patience, () =>
    psk ? joinAuthorityByPsk(context, device) : joinAuthority(context, { ...device, addresses }),
  )
}

function patienceOf(input: CommandInput): number {
  const ms = parseDuration(input.text('patience') ?? '2m')
  if (ms !== undefined) return ms
  throw cliErrors.error('KOS_CLI_USAGE', { reason: '--patience is a duration such as 0s or 2m' })
}

function joiningOf(context: CliContext, input: CommandInput, folder: string): Joining | undefined {
  const given = joinText(context, input)
  const left = given === undefined ? readFirstBoot(folder) : undefined
  const text = given ?? left?.joinLine
  if (text === undefined) return undefined
  const template = input.text('name') ?? left?.name
  return {
    line: readJoinLine(context, text),
    psk: input.flag('psk') || left?.psk === true,
    name: template === undefined ? undefined : wantedName(template),
    isFirstBoot: left !== undefined,
  }
}

/** Reads a join line; what is wrong with it is printed. */
export function readJoinLine(context: CliContext, text: string): JoinLine {
  const line = parseJoinLine(text)
  if (!isRefusal(line)) return line
  printRefusal(context.terminal, 'join line', line)
  throw cliErrors.error('KOS_CLI_USAGE', { reason: line.rule })
}

/** The text of `--join` or `--join-file`. */
export function joinText(context: CliContext, input: CommandInput): string | undefined {
  const file = input.text('join-file')
  const given = input.text('join')
  if (file !== undefined) return readFileSync(file, 'utf8').slice(0, MAX_LINE_BYTES)
  return given === undefined ? undefined : lineText(context, given)
}

/** A join line as it is given; `-`: from standard input, so that no list of processes shows it. */
export function lineText(context: CliContext, given: string): string {
  return given === '-' ? context.readInput().slice(0, MAX_LINE_BYTES) : given
}

/** What an image leaves for the first start. */
export function firstBootOf(context: CliContext, input: CommandInput): FirstBoot {
  const text = joinText(context, input)
  if (text === undefined) {
    throw cliErrors.error('KOS_CLI_USAGE', { reason: '--join - or --join-file is missing' })
  }
  using _secret = readJoinLine(context, text).secret
  const name = input.text('name')
  return {
    joinLine: text.trim(),
    ...(input.flag('psk') && { psk: true }),
    ...(name !== undefined && { name }),
  }
}
