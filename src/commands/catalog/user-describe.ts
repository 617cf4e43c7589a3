import { refuse, z } from '../../foundation/base/index.ts'
import { type Command, defineCommand } from './command.ts'

/** A command file that a daemon does not use as it is. */
export interface RefusedFile {
  /** Name within the folder. */
  readonly file: string
  /** What is wrong, with its place in the file. */
  readonly reason: string
}

/** What a daemon says of its commands. */
export interface CommandsPort {
  /** All commands in force, those between nodes and authority included. */
  list(): readonly Command[]
  /** Names of those that come from files. */
  userNames(): ReadonlySet<string>
  refused(): readonly RefusedFile[]
}

/** Most refused files that are named to a peer. */
const MAX_REFUSED = 64
const MAX_COMMANDS = 300
const limits = { maxArgumentBytes: 128, timeoutMs: 1000, concurrency: 16 }
const text = (max: number): z.ZodType<string> => z.string().max(max)
const summary = {
  name: text(64),
  summary: text(200),
  permission: text(64),
  effects: z.enum(['read', 'change']),
  origin: z.enum(['built-in', 'file']),
}

/**
 * The commands by which a daemon says what it can do: `commands.list` and `commands.show`.
 *
 * @param port - the catalog in force, and the files that are refused
 */
export function describingCommands(port: CommandsPort): readonly Command[] {
  return [commandsListCommand(port), commandsShowCommand(port)]
}

/** `commands.list`: what a peer offers. */
function commandsListCommand(port: CommandsPort): Command {
  return defineCommand({
    name: 'commands.list',
    domain: 'rpc',
    summary: 'Lists the commands of a device',
    description:
      'Returns every command with its summary, permission, effects and origin, and the command files ' +
      'that are refused, with the reason. Whether a command may be called is decided when it is.',
    argumentSchema: z.strictObject({}),
    resultSchema: z.strictObject({
      commands: z.array(z.strictObject(summary)).max(MAX_COMMANDS),
      refused: z.array(z.strictObject({ file: text(128), reason: text(512) })).max(MAX_REFUSED),
    }),
    positional: [],
    permission: 'commands.read',
    effects: 'read',
    limits: { ...limits, maxResultBytes: 262_144 },
    examples: [{ purpose: 'See what a device can do.', arguments: {} }],
    run: () => ({
      commands: offered(port).map((command) => summaryOf(command, port)),
      refused: port.refused().slice(0, MAX_REFUSED),
    }),
  })
}

/** `commands.show`: how one command of a peer is called. */
function commandsShowCommand(port: CommandsPort): Command {
  return defineCommand({
    name: 'commands.show',
    domain: 'rpc',
    summary: 'Describes a command of a device',
    description:
      'Returns all that a caller needs to know of one command: the JSON Schemas of arguments and ' +
      'result as JSON text, the order of positional arguments, permission, effects, limits, and whether ' +
      'it can be asked for a stream.',
    argumentSchema: z.strictObject({ name: z.string().min(1).max(64) }),
    resultSchema: z.strictObject({
      ...summary,
      description: text(4096),
      positional: z.array(text(64)).max(64),
      argumentSchema: text(16_384),
      resultSchema: text(16_384),
      streams: z.boolean(),
      limits: z.strictObject({
        maxArgumentBytes: z.int(),
        maxResultBytes: z.int(),
        timeoutMs: z.int(),
        concurrency: z.int(),
      }),
    }),
    positional: ['name'],
    permission: 'commands.read',
    effects: 'read',
    limits: { ...limits, maxResultBytes: 65_536 },
    examples: [{ purpose: 'See how to calculate.', arguments: { name: 'calc' } }],
    run: (_context, { name }) => {
      const command = offered(port).find((candidate) => candidate.name === name)
      if (!command) {
        return refuse('KOS_CATALOG_UNKNOWN', 'catalog/unknown-command', {
          remedy: 'List the commands of the device: kosctl commands list PEER',
        })
      }
      return {
        ...summaryOf(command, port),
        description: command.description,
        positional: [...command.positional],
        argumentSchema: JSON.stringify(command.argumentJsonSchema),
        resultSchema: JSON.stringify(command.resultJsonSchema),
        streams: command.streams === true,
        limits: { ...command.limits },
      }
    },
  })
}

/** What only nodes and authority say to one another is nobody's to call. */
function offered(port: CommandsPort): readonly Command[] {
  return port.list().filter(({ domain }) => domain === 'rpc')
}

function summaryOf(
  command: Command,
  port: CommandsPort,
): { readonly [Field in keyof typeof summary]: z.infer<(typeof summary)[Field]> } {
  const { name, permission, effects } = command
  const origin = port.userNames().has(name) ? 'file' : 'built-in'
  return { name, summary: command.summary, permission, effects, origin }
}
