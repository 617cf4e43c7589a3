import { type KosErrorCode, refuse, type Refusal, z } from '../../../foundation/base/index.ts'
import type { CborInput } from '../../../foundation/codec/index.ts'
import type { CallResult } from '../../../network/session/index.ts'
import { LAYERS, type Rule } from '../../../trust/policy/index.ts'
import { BUILTIN_WORDS } from '../builtin-words.ts'
import type { CommandInput } from '../command-line.ts'
import type { CliContext } from '../context.ts'
import { cliErrors } from '../errors.ts'
import { EXIT, printRefusal } from '../output.ts'
import { withCalls } from '../peer-calls.ts'
import { type AskPeer, peerWords } from '../peer-words.ts'
import { type Answer, givenArguments, printAnswer } from './policy-explain.ts'

const DEADLINE_MS = 10_000
/** What only makes sense where `kosctl` itself decides. */
const NOT_WITH_ON = ['to', 'manifest', 'domain', 'effects', 'permission'] as const

const refusedAnswer = z.object({
  code: z.string(),
  rule: z.string(),
  remedy: z.string().optional(),
})
const ruleAnswer = z.object({
  rule: z.string(),
  effect: z.enum(['allow', 'deny']),
  result: z.enum(['matches', 'does not match', 'depends on arguments']),
  because: z.array(z.string()),
})
const layerAnswer = z.object({
  layer: z.enum(LAYERS),
  state: z.enum(['absent', 'in force', 'expired']),
  verdict: z.enum(['allows', 'denies', 'no allow rule', 'depends on arguments', 'does not narrow']),
  rules: z.array(ruleAnswer),
  omitted: z.number(),
  manifest: z
    .object({ subject: z.string(), era: z.number(), number: z.number(), hash: z.string() })
    .optional(),
})
const explainAnswer = z.object({
  from: z.string(),
  fromProfile: z.string(),
  to: z.string(),
  toProfile: z.string(),
  domain: z.string(),
  action: z.string(),
  permission: z.string(),
  effects: z.string(),
  arguments: z.unknown().optional(),
  outcome: z.enum(['allowed', 'refused', 'depends on arguments']),
  decidedBy: z.string(),
  code: z.string().optional(),
  remedy: z.string().optional(),
  suggestion: z.string().optional(),
  layers: z.array(layerAnswer),
  refused: refusedAnswer.optional(),
  notes: z.array(z.string()),
})

/**
 * `kosctl policy explain --on PEER`: the peer says what it would do, by the manifest that it has loaded
 * and the commands that it offers.
 */
export async function explainOn(
  context: CliContext,
  input: CommandInput,
  peer: string,
): Promise<number> {
  const other = NOT_WITH_ON.find((name) => input.text(name) !== undefined)
  if (other !== undefined || input.texts('root').length > 0) {
    throw usage(
      `--on asks the device about calls to itself: --${other ?? 'root'} does not go with it`,
    )
  }
  const rules = input.text('rules')
  const from = input.text('from')
  return withCalls(context, { identity: undefined, streams: false }, async (calls) => {
    const ask: AskPeer = (command, args) =>
      calls.call({ peer, command, arguments: args, deadlineMs: DEADLINE_MS }, context.signal)
    const [action = '', ...words] = input.positionals
    const given = await argumentsOf(ask, { action, words, json: input.text('args') })
    const result =
      given && 'status' in given
        ? given
        : await ask('policy.explain', {
            command: action,
            ...(from !== undefined && { from }),
            ...(given && { arguments: given.arguments }),
            ...(rules !== undefined && { rules: Number(rules) }),
          })
    if (result.status !== 'ok') return printFailed(context, `policy explain on ${peer}`, result)
    return printAnswer(context, answerOf(result.value), input.flag('json'))
  })
}

/** The arguments; `undefined`: none were given; a result where the peer knows no such command. */
async function argumentsOf(
  ask: AskPeer,
  asked: {
    readonly action: string
    readonly words: readonly string[]
    readonly json: string | undefined
  },
): Promise<{ readonly arguments: CborInput } | Exclude<CallResult, { status: 'ok' }> | undefined> {
  const { action, words, json } = asked
  let known = BUILTIN_WORDS.find(({ name }) => name === action)
  const isByName = json !== undefined || words.length === 0 || words[0]?.startsWith('{') === true
  if (!known && !isByName) {
    const described = await peerWords(ask, action)
    if ('status' in described) return described
    known = described
  }
  const given = givenArguments(known, words, json)
  return given === undefined ? undefined : { arguments: given }
}

function answerOf(value: unknown): Answer {
  const parsed = explainAnswer.safeParse(value)
  if (!parsed.success) {
    throw cliErrors.error('KOS_CLI_ANSWER', { rule: parsed.error.issues[0]?.code ?? '' })
  }
  const { refused, notes, suggestion, ...explanation } = parsed.data
  const rule = suggestion === undefined ? undefined : (JSON.parse(suggestion) as Rule)
  return {
    explanation: { ...explanation, suggestion: rule },
    refused: refused && refusalOf(refused),
    notes,
  }
}

function refusalOf({ code, rule, remedy }: z.infer<typeof refusedAnswer>): Refusal {
  return refuse(code as KosErrorCode, rule, remedy === undefined ? {} : { remedy })
}

function printFailed(
  { terminal }: CliContext,
  what: string,
  result: Exclude<CallResult, { status: 'ok' }>,
): number {
  const { code, rule, remedy } = result
  printRefusal(terminal, what, refusalOf({ code, rule: rule ?? code, remedy }))
  if (result.status === 'refused') return EXIT.refused
  return result.origin === 'local' ? EXIT.unreachable : EXIT.failed
}

function usage(reason: string): Error {
  return cliErrors.error('KOS_CLI_USAGE', { reason })
}
