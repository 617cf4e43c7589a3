import { isRefusal, type Refusal, z } from '../../foundation/base/index.ts'
import type { PeerFacts } from '../../foundation/pipeline/index.ts'
import { type Command, defineCommand } from './command.ts'

/** A question to the policy of a device. */
export interface PolicyQuestion {
  /** Name or id in the directory, a principal URI, `kind/id` or `role/id`; absent: who asks. */
  readonly from?: string | undefined
  readonly command: string
  /** As a caller gives them; absent: what holds for any. */
  readonly arguments?: Readonly<Record<string, unknown>> | undefined
  /** Rules listed per layer. */
  readonly rules: number
}

/** What became of one rule. */
interface RuleAnswer {
  readonly rule: string
  readonly effect: 'allow' | 'deny'
  readonly result: 'matches' | 'does not match' | 'depends on arguments'
  readonly because: readonly string[]
}

/** What one layer contributes. */
interface LayerAnswer {
  readonly layer: string
  readonly state: 'absent' | 'in force' | 'expired'
  readonly verdict: string
  readonly rules: readonly RuleAnswer[]
  readonly omitted: number
  readonly manifest?:
    | {
        readonly subject: string
        readonly era: number
        readonly number: number
        readonly hash: string
      }
    | undefined
}

/** Why the policy of a device answers as it does. */
export interface PolicyAnswer {
  readonly from: string
  readonly fromProfile: string
  readonly to: string
  readonly toProfile: string
  readonly domain: string
  readonly action: string
  readonly permission: string
  readonly effects: string
  /** The canonical arguments, as the rules saw them. */
  readonly arguments?: unknown
  readonly outcome: 'allowed' | 'refused' | 'depends on arguments'
  readonly decidedBy: string
  readonly code?: string | undefined
  readonly remedy?: string | undefined
  /** A rule that would be enough, as JSON. */
  readonly suggestion?: string | undefined
  readonly layers: readonly LayerAnswer[]
  /** Why the command itself refuses these arguments, whatever policy says. */
  readonly refused?:
    | { readonly code: string; readonly rule: string; readonly remedy?: string | undefined }
    | undefined
  /** What is not so but was assumed. */
  readonly notes: readonly string[]
}

/** Port: the policy in force on this device, and its catalog. */
export interface PolicyExplainPort {
  /**
   * Answers a question about a call to this device.
   *
   * @param question - see {@link PolicyQuestion}
   * @param asker - who asks
   * @returns the answer, or a refusal: no such command, nobody of that name
   */
  explain(question: PolicyQuestion, asker: PeerFacts): PolicyAnswer | Refusal
}

const MAX_RULES = 50
const DEFAULT_RULES = 20
const text = (max: number): z.ZodString => z.string().max(max)
const count = z.number().min(0)
/** Texts of manifests are shorter; an explanation cuts its own. */
const line = text(1024)

const answerSchema = z.strictObject({
  from: line,
  fromProfile: line,
  to: line,
  toProfile: line,
  domain: line,
  action: line,
  permission: line,
  effects: line,
  arguments: z.unknown().optional(),
  outcome: z.enum(['allowed', 'refused', 'depends on arguments']),
  decidedBy: line,
  code: line.optional(),
  remedy: line.optional(),
  suggestion: text(4096).optional(),
  layers: z
    .array(
      z.strictObject({
        layer: line,
        state: z.enum(['absent', 'in force', 'expired']),
        verdict: line,
        rules: z
          .array(
            z.strictObject({
              rule: line,
              effect: z.enum(['allow', 'deny']),
              result: z.enum(['matches', 'does not match', 'depends on arguments']),
              because: z.array(line).max(32),
            }),
          )
          .max(MAX_RULES),
        omitted: count,
        manifest: z
          .strictObject({ subject: line, era: count, number: count, hash: line })
          .optional(),
      }),
    )
    .max(8),
  refused: z.strictObject({ code: line, rule: line, remedy: line.optional() }).optional(),
  notes: z.array(line).max(8),
})

/**
 * `policy.explain`: whether a call to this device would pass, by its own policy.
 *
 * **Security:** the answer shows rules of the manifest. Nothing is run, counted or granted.
 *
 * @param port - policy and catalog of the device
 */
export function policyExplainCommand(port: PolicyExplainPort): Command {
  return defineCommand<PolicyQuestion, PolicyAnswer>({
    name: 'policy.explain',
    domain: 'rpc',
    summary: 'Says whether a call would pass, and by which rule',
    description:
      'Asks the policy that this device has in force, for a call to itself: of `from` (name, id, ' +
      '`kind/id`, or `role/id` for a user with that role alone; absent: who asks), with the arguments ' +
      'in the canonical form of the command, own commands of the device included. Says what decided, ' +
      'which rules match or come near and why, and what would change it. `refused` is what the command ' +
      'itself says of the arguments. Nothing is run or counted.',
    argumentSchema: z.strictObject({
      from: z.string().min(1).max(512).optional(),
      command: z.string().min(1).max(64),
      arguments: z.record(z.string().max(64), z.unknown()).optional(),
      rules: z.int().min(1).max(MAX_RULES).default(DEFAULT_RULES),
    }),
    resultSchema: answerSchema,
    positional: ['command', 'from'],
    permission: 'policy.explain',
    effects: 'read',
    limits: {
      maxArgumentBytes: 16_384,
      maxResultBytes: 262_144,
      timeoutMs: 5000,
      concurrency: 4,
    },
    examples: [
      {
        purpose: 'May I read this file?',
        arguments: { command: 'files.read', arguments: { path: 'share/a.txt' } },
      },
      {
        purpose: 'May operators run commands?',
        arguments: { command: 'process.run', from: 'operator/ada' },
      },
    ],
    run: (context, question) => {
      const answer = port.explain(question, context.peer)
      // A name of the catalog is no text of the caller's.
      if (!isRefusal(answer)) context.note?.({ explained: answer.action, outcome: answer.outcome })
      return answer
    },
  })
}
