import type { Refusal } from '../../foundation/base/index.ts'
import type { CborInput } from '../../foundation/codec/index.ts'
import type {
  Authenticated,
  Authorised,
  CallRequest,
  Recordable,
  Recorded,
} from '../../foundation/pipeline/index.ts'

/** What policy needs to know of a command. */
export interface CommandFacts {
  readonly name: string
  readonly domain: 'rpc' | 'fabric'
  readonly permission: string
  readonly effects: 'read' | 'change'
}

/** Decides whether a peer may call a command: implemented over trust/policy, wired by apps. */
export interface AuthorisePort {
  /**
   * Decides a call.
   *
   * @returns the stage minted for this very caller and call, or the refusal that names the rule
   */
  authorise(
    authenticated: Authenticated,
    call: CallRequest,
    command: CommandFacts,
  ): Authorised | Refusal
  /**
   * Decides again, by the policy in force now, whether a call that runs may go on. Uses no rate up.
   * Absent: what was permitted once stays so.
   *
   * @param canonicalArguments - as the command got them
   */
  refuseRunning?(
    authenticated: Authenticated,
    command: CommandFacts,
    canonicalArguments: unknown,
  ): Refusal | undefined
}

/** What the audit log gets to know of one call beyond its last stage. */
export interface CallRecord {
  readonly outcome: 'ok' | 'refused' | 'failed' | 'intent'
  readonly code?: string
  /** The rule that allowed, refused or failed the call. */
  readonly rule?: string
  /** From arrival to this record. */
  readonly durationMs: number
  /** The command's name; `-` when the caller sent none in the accepted form. */
  readonly command: string
  /** `-` when the caller sent none in the accepted form. */
  readonly callId: string
  /** SHA-256 of the deterministic CBOR of the canonical arguments, where a durable record is due. */
  readonly argumentDigest?: Uint8Array
  /** Further refusals of the same kind that got no record of their own. */
  readonly suppressed?: number
  /** Bytes that the caller took before the result; present when the call was streamed. */
  readonly streamedBytes?: number
  /** What the command noted. */
  readonly facts?: Readonly<Record<string, string | number | boolean>>
}

/** Records calls: implemented over trust/audit, wired by apps. */
export interface RecordPort {
  /** Whether the log takes records now. */
  readonly healthy: boolean
  /** Resolves when the intent to execute is durable. */
  intent(last: Recordable, record: CallRecord): Promise<void>
  /** Resolves when the outcome is durable. */
  outcome(last: Recordable, record: CallRecord): Promise<Recorded>
  /** Takes an outcome that becomes durable at most 50 ms later. */
  soon(last: Recordable, record: CallRecord): Recorded
}

/** What a caller gets: exactly one per call. */
export type CallOutcome =
  | { readonly status: 'ok'; readonly value: CborInput }
  | {
      /** `refused`: it was not executed. `failed`: it was, or may have been. */
      readonly status: 'refused' | 'failed'
      readonly code: string
      readonly rule?: string
      readonly remedy?: string
      readonly retryAfterMs?: number
    }

/** Makes the outcome of a refusal. */
export function outcomeOf(status: 'refused' | 'failed', refusal: Refusal): CallOutcome {
  const { code, rule, remedy, retryAfterMs } = refusal
  return {
    status,
    code,
    rule,
    ...(remedy !== undefined && { remedy }),
    ...(retryAfterMs !== undefined && { retryAfterMs }),
  }
}
