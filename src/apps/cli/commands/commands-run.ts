import { type KosErrorCode, refuse, z } from '../../../foundation/base/index.ts'
import type { CborInput } from '../../../foundation/codec/index.ts'
import type { CallResult } from '../../../network/session/index.ts'
import type { CommandInput } from '../command-line.ts'
import type { CliContext } from '../context.ts'
import { cliErrors } from '../errors.ts'
import {
  EXIT,
  paint,
  printable,
  printFields,
  printJson,
  printRefusal,
  printTable,
} from '../output.ts'
import { withCalls } from '../peer-calls.ts'

const DEADLINE_MS = 10_000

const summary = {
  name: z.string(),
  summary: z.string(),
  permission: z.string(),
  effects: z.string(),
  origin: z.string(),
}
// Lenient: a newer peer may say more.
const listAnswer = z.object({
  commands: z.array(z.object(summary)),
  refused: z.array(z.object({ file: z.string(), reason: z.string() })),
})
const jsonText = z.string().transform((text, context): unknown => {
  try {
    return JSON.parse(text)
  } catch {
    context.addIssue('not JSON')
    return undefined
  }
})
const showAnswer = z.object({
  ...summary,
  description: z.string(),
  positional: z.array(z.string()),
  argumentSchema: jsonText,
  resultSchema: jsonText,
  streams: z.boolean().default(false),
  limits: z.object({
    maxArgumentBytes: z.number(),
    maxResultBytes: z.number(),
    timeoutMs: z.number(),
    concurrency: z.number(),
  }),
})

/** `kosctl commands list` */
export async function list(context: CliContext, input: CommandInput): Promise<number> {
  const [peer = ''] = input.positionals
  const result = await callPeer(context, peer, { command: 'commands.list', arguments: {} })
  if (result.status !== 'ok') return printFailed(context, `commands of ${peer}`, result)
  const { commands, refused } = understood(listAnswer, result.value)
  const { terminal } = context
  if (input.flag('json')) {
    printJson(terminal, { commands, refused })
    return EXIT.ok
  }
  printTable(
    terminal,
    ['NAME', 'PERMISSION', 'EFFECTS', 'ORIGIN', 'SUMMARY'],
    commands.map((row) => [row.name, row.permission, row.effects, row.origin, row.summary]),
  )
  for (const { file, reason } of refused) {
    terminal.out(`${paint(terminal, 'red', 'refused')}  ${printable(file)}: ${printable(reason)}`)
  }
  return EXIT.ok
}

/** `kosctl commands show` */
export async function show(context: CliContext, input: CommandInput): Promise<number> {
  const [peer = '', name = ''] = input.positionals
  const call = { command: 'commands.show', arguments: { name } }
  const result = await callPeer(context, peer, call)
  if (result.status !== 'ok') return printFailed(context, `${name} of ${peer}`, result)
  const shown = understood(showAnswer, result.value)
  if (input.flag('json')) printJson(context.terminal, shown)
  else printCommand(context, peer, shown)
  return EXIT.ok
}

function printCommand(
  { terminal }: CliContext,
  peer: string,
  command: z.infer<typeof showAnswer>,
): void {
  const { limits } = command
  const does = ['does', command.description] as const
  const words = command.positional.map((name) => name.toUpperCase())
  printFields(terminal, [
    ['name', command.name],
    ['summary', command.summary],
    ...(command.description === command.summary ? [] : [does]),
    ['permission', command.permission],
    ['effects', command.effects],
    ['origin', command.origin],
    ['limits', `${limits.timeoutMs} ms, ${limits.concurrency} at once, ${limits.maxResultBytes} B`],
    ['call', ['kosctl exec', peer, command.name, ...words].join(' ')],
    ...(command.streams ? [['stream', 'with --stream'] as const] : []),
    ...memberRows('argument', command.argumentSchema),
    ...memberRows('result', command.resultSchema),
  ])
}

/** One row per member of an object schema. */
function memberRows(kind: string, schema: unknown): readonly (readonly [string, string])[] {
  const object = z
    .object({
      properties: z.record(z.string(), z.unknown()).default({}),
      required: z.array(z.string()).default([]),
    })
    .safeParse(schema)
  if (!object.success) return [[kind, JSON.stringify(schema)]]
  const { properties, required } = object.data
  return Object.entries(properties).map(([name, member]) => [
    kind,
    `${name}${required.includes(name) ? '' : ' (optional)'} ${JSON.stringify(member)}`,
  ])
}

function callPeer(
  context: CliContext,
  peer: string,
  call: { readonly command: string; readonly arguments: CborInput },
): Promise<CallResult> {
  // As the operator: a shell's sessions or an agent's are as good.
  return withCalls(context, { identity: undefined, streams: false }, (calls) =>
    calls.call({ peer, ...call, deadlineMs: DEADLINE_MS }, context.signal),
  )
}

function understood<T>(schema: z.ZodType<T>, value: unknown): T {
  const parsed = schema.safeParse(value)
  if (parsed.success) return parsed.data
  throw cliErrors.error('KOS_CLI_ANSWER', { rule: parsed.error.issues[0]?.code ?? '' })
}

function printFailed(
  { terminal }: CliContext,
  what: string,
  result: Exclude<CallResult, { status: 'ok' }>,
): number {
  const { code, rule, status, origin, ...rest } = result
  printRefusal(terminal, what, refuse(code as KosErrorCode, rule ?? code, rest))
  if (status === 'refused') return EXIT.refused
  return origin === 'local' ? EXIT.unreachable : EXIT.failed
}
