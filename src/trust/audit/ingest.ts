import {
  type Clock,
  equalBytes,
  isRefusal,
  KosError,
  refuse,
  type Refusal,
} from '../../foundation/base/index.ts'
import type { Draft } from './batch.ts'
import type { Checkpoint, CheckpointVerifier } from './checkpoint.ts'
import { decodeEntry, MAX_ENTRY_BYTES } from './entry.ts'
import { auditErrors } from './errors.ts'
import { AUDIT_EVENT_LIMITS } from './event.ts'
import { FORWARD_LIMITS, type ForwardBatch } from './forwarding.ts'
import type { LogWriter } from './log.ts'
import type { LogStorage, SourceState } from './log-storage.ts'
import { leafHash, MerkleFrontier } from './merkle.ts'
import {
  afterProgress,
  formatAlarms,
  isKnown,
  parseAlarms,
  type SourceAlarm,
  withAlarm,
} from './source-alarm.ts'

/** What became of a batch. */
export interface IngestResult {
  /** Entries that are new and durable now. */
  readonly accepted: number
  /** Index of the next entry the authority expects: the node's cursor goes there. */
  readonly nextIndex: number
  /** Whether a checkpoint of the node was found to agree with all its entries so far. */
  readonly agreed: boolean
}

/** Where a batch comes from. */
export interface IngestSource {
  /** Name of the forwarding node; one log per name, so a node that starts anew gets another one. */
  readonly source: string
  /** Verifier of the node's checkpoints; absent: they are not looked at. */
  readonly verifier?: CheckpointVerifier
}

/** What the authority needs to take batches in. */
export interface IngestDeps {
  readonly storage: LogStorage
  readonly writer: LogWriter
  readonly clock: Clock
}

/** A refusal that is also an alarm. */
interface Alarm {
  readonly refusal: Refusal
  readonly alarm: SourceAlarm
}

type Plan =
  | { readonly drafts: readonly Draft[]; readonly state: SourceState; readonly agreed: boolean }
  | Alarm

/**
 * Takes in a batch of a node: all new entries, or none. The same batch again changes nothing. An entry
 * that was left out, contradicts an earlier one or the node's signed root, or is none, is refused and
 * recorded as an alarm, once.
 *
 * @param deps - log and clock of the authority
 * @param from - which node, and how its checkpoints are verified
 * @param batch - decoded, within {@link FORWARD_LIMITS}
 * @returns what was accepted, or a refusal KOS_AUDIT_INGEST, KOS_AUDIT_GAP (details say `nextIndex`)
 * or KOS_AUDIT_FORK
 * @throws {@link KosError} KOS_AUDIT_UNAVAILABLE
 */
export async function ingest(
  deps: IngestDeps,
  from: IngestSource,
  batch: ForwardBatch,
): Promise<IngestResult | Refusal> {
  const fault = shapeFault(from, batch)
  if (fault) return refuse('KOS_AUDIT_INGEST', fault)
  const { storage, writer } = deps
  const outcome = await writer.exclusive(async (): Promise<IngestResult | Alarm | Refusal> => {
    const state = (await storage.source(from.source)) ?? emptyState(from.source)
    const plan = await planIngest({ ...deps, from, state }, batch)
    if ('refusal' in plan) {
      return isKnown(parseAlarms(state.alarm), plan.alarm) ? plan.refusal : plan
    }
    const { checkpoint, alarm } = plan.state
    if (plan.drafts.length > 0 || checkpoint !== state.checkpoint || alarm !== state.alarm) {
      await writer.appendFrom(plan.drafts, plan.state)
    }
    const { nextIndex } = plan.state
    return { accepted: plan.drafts.length, nextIndex, agreed: plan.agreed }
  })
  return 'refusal' in outcome ? recordAlarm(deps, from.source, outcome) : outcome
}

function shapeFault(from: IngestSource, batch: ForwardBatch): string | undefined {
  if (from.source.length === 0 || from.source.length > AUDIT_EVENT_LIMITS.name) return 'source'
  if (!Number.isSafeInteger(batch.first) || batch.first < 0) return 'first'
  if (batch.entries.length > FORWARD_LIMITS.maxEntries) return 'limit: entries'
  let bytes = 0
  for (const entry of batch.entries) bytes += entry.length
  // One entry more than the bound is what a node sends when that entry alone exceeds it.
  return bytes > FORWARD_LIMITS.maxBytes + MAX_ENTRY_BYTES ? 'limit: bytes' : undefined
}

function emptyState(source: string): SourceState {
  const frontier = new Uint8Array(0)
  return { source, nextIndex: 0, frontier, checkpoint: undefined, alarm: undefined }
}

interface Planning extends IngestDeps {
  readonly from: IngestSource
  readonly state: SourceState
}

async function planIngest(planning: Planning, batch: ForwardBatch): Promise<Plan> {
  const { state, from } = planning
  const checkpoint = from.verifier?.(batch.checkpoint)
  if (checkpoint && isRefusal(checkpoint)) {
    return unfit(state.nextIndex, `checkpoint: ${checkpoint.rule}`)
  }
  if (batch.first > state.nextIndex) {
    const details = { nextIndex: state.nextIndex }
    const refusal = refuse('KOS_AUDIT_GAP', `entry ${state.nextIndex}`, { details })
    return { refusal, alarm: { kind: 'gap', first: state.nextIndex, last: batch.first - 1 } }
  }
  const known = batch.entries.slice(0, state.nextIndex - batch.first)
  const contradiction = await firstContradiction(planning, batch.first, known)
  if (contradiction !== undefined) return fork(contradiction)
  return appendNew(planning, batch.entries.slice(known.length), checkpoint)
}

/** Index of the first entry that differs from what the node forwarded before. */
async function firstContradiction(
  { storage, from }: Planning,
  first: number,
  known: readonly Uint8Array[],
): Promise<number | undefined> {
  for (const [offset, entry] of known.entries()) {
    const sourceIndex = first + offset
    const stored = await storage.forwarded({ source: from.source, sourceIndex })
    const before = stored && decodeEntry(stored.entry).forwarded
    if (!before || !equalBytes(before.entry, entry)) return sourceIndex
  }
  return undefined
}

function appendNew(
  { clock, state, from }: Planning,
  entries: readonly Uint8Array[],
  checkpoint: Checkpoint | undefined,
): Plan {
  const frontier = MerkleFrontier.restore(state.nextIndex, state.frontier)
  if (!frontier) throw auditErrors.error('KOS_AUDIT_ENTRY', { rule: 'source' })
  const drafts: Draft[] = []
  const timeMs = Math.max(0, Math.trunc(clock.wallMs()))
  let agreed = agrees(frontier, checkpoint)
  for (const entry of entries) {
    if (agreed === false) break
    const sourceIndex = frontier.size
    const fault = entryFault(entry, sourceIndex)
    if (fault) return unfit(state.nextIndex, `entry ${sourceIndex}: ${fault}`)
    drafts.push({ timeMs, content: { source: from.source, sourceIndex, entry } })
    frontier.push(leafHash(entry))
    agreed = agrees(frontier, checkpoint) ?? agreed
  }
  if (agreed === false) return fork(frontier.size)
  const reached = { nextIndex: frontier.size, agreed: agreed ?? false }
  const next: SourceState = {
    source: state.source,
    nextIndex: frontier.size,
    frontier: frontier.roots(),
    checkpoint: agreed ? checkpoint?.note : state.checkpoint,
    alarm: formatAlarms(afterProgress(parseAlarms(state.alarm), reached)),
  }
  return { drafts, state: next, agreed: reached.agreed }
}

/** Whether the node signed this very tree; `undefined` when it signed one of another size. */
function agrees(frontier: MerkleFrontier, checkpoint: Checkpoint | undefined): boolean | undefined {
  if (checkpoint?.size !== frontier.size) return undefined
  return equalBytes(checkpoint.root, frontier.root())
}

/** Why an entry from a node cannot be taken: a node is not trusted to send well-formed ones. */
function entryFault(entry: Uint8Array, index: number): string | undefined {
  if (entry.length > MAX_ENTRY_BYTES) return 'size'
  try {
    const decoded = decodeEntry(entry)
    if (decoded.forwarded) return 'forwarded'
    return decoded.index === index ? undefined : 'index'
  } catch (error) {
    if (!(error instanceof KosError)) throw error
    return String(error.details['rule'] ?? 'malformed')
  }
}

function fork(index: number): Alarm {
  const refusal = refuse('KOS_AUDIT_FORK', `entry ${index}`)
  return { refusal, alarm: { kind: 'fork', first: index } }
}

/** Nothing of this node is taken in until it sends what fits: somebody must see that. */
function unfit(index: number, rule: string): Alarm {
  return { refusal: refuse('KOS_AUDIT_INGEST', rule), alarm: { kind: 'unfit', first: index } }
}

/** Records an alarm once, durably, before the refusal is answered. */
async function recordAlarm(
  { storage, writer }: IngestDeps,
  source: string,
  { refusal, alarm }: Alarm,
): Promise<Refusal> {
  await writer.append({
    type: 'alert',
    actor: source,
    target: '-',
    action: 'audit.ingest',
    outcome: 'refused',
    code: refusal.code,
    rule: refusal.rule,
  })
  await writer.exclusive(async () => {
    const state = (await storage.source(source)) ?? emptyState(source)
    const alarms = withAlarm(parseAlarms(state.alarm), alarm)
    await storage.setSource({ ...state, alarm: formatAlarms(alarms) })
  })
  return refusal
}
