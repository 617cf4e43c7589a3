import type { CborInput } from '../../foundation/codec/index.ts'
import type { CallResult, DataSink } from '../../network/session/index.ts'
import { openAgent } from './agent-client.ts'
import type { CliContext } from './context.ts'

/** A call of a command on a peer. */
export interface PeerCall {
  /** Name or id in the directory. */
  readonly peer: string
  readonly command: string
  readonly arguments: CborInput
  readonly deadlineMs: number
}

/** Calls commands of peers as one principal, over whatever sessions it has. */
export interface PeerCalls {
  /**
   * @param call - see {@link PeerCall}
   * @param signal - cancels it
   * @param onData - asks for a stream and takes its bytes; not over sessions that others hold
   * @throws {@link KosError} KOS_CLI_UNKNOWN_PEER, KOS_CLI_UNREACHABLE, KOS_CLI_CREDENTIAL
   */
  call(call: PeerCall, signal?: AbortSignal, onData?: DataSink): Promise<CallResult>
}

/** Whose calls they are, and what they need. */
interface CallsUse {
  /** Folder of another principal, who has sessions of its own; the operator when absent. */
  readonly identity: string | undefined
  /** Whether a call takes a stream, which needs a session of its own as well. */
  readonly streams: boolean
}

/**
 * Runs work that calls peers: over the sessions of a shell, those of an agent that runs, or sessions
 * of its own, whichever there is first.
 *
 * @param context - see {@link CliContext}
 * @param use - see {@link CallsUse}
 * @param work - may call as often as it likes
 */
export async function withCalls<T>(
  context: CliContext,
  { identity, streams }: CallsUse,
  work: (calls: PeerCalls) => Promise<T>,
): Promise<T> {
  if (identity === undefined && !streams) {
    const held = context.calls ?? (await openAgent(context))
    if (held) return work(held)
  }
  // Loaded last: it is most of the program.
  const { withDirectCalls } = await import('./direct-calls.ts')
  return withDirectCalls(context, identity, work)
}
