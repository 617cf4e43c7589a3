import { type UnixMs, unixMs } from '../../foundation/base/index.ts'
import { CborReader, CborWriter } from '../../foundation/codec/index.ts'
import { auditErrors } from './errors.ts'
import {
  AUDIT_EVENT_LIMITS,
  type AuditDetail,
  type AuditEvent,
  hasSameNames,
  isAuditOutcome,
  isAuditType,
} from './event.ts'

/** Keys of the map that is an entry; documented in `docs/audit.md`, never reused. */
const KEY = Object.freeze({
  index: 0,
  time: 1,
  type: 2,
  actor: 3,
  target: 4,
  action: 5,
  outcome: 6,
  code: 7,
  rule: 8,
  callId: 9,
  argumentDigest: 10,
  durationUs: 11,
  detail: 12,
  source: 13,
  sourceIndex: 14,
  forwarded: 15,
})
const FORWARDED = 'forwarded'
const FORWARDED_PAIRS = 6

/** Largest entry of a node's own: all texts at their limit in three-byte characters. */
export const MAX_ENTRY_BYTES: number = 40 * 1024
/** Largest entry that wraps one which a node forwarded. */
export const MAX_WRAPPED_BYTES: number = MAX_ENTRY_BYTES + 2 * 1024

/** A decoded entry: an event, or an entry that a node forwarded. */
export type DecodedEntry = {
  readonly index: number
  readonly timeMs: UnixMs
} & (
  | {
      /** Its digest is the salted one. */ readonly event: AuditEvent
      readonly forwarded: undefined
    }
  | { readonly event: undefined; readonly forwarded: ForwardedEntry }
)

/** An entry of another log, kept as it was. */
export interface ForwardedEntry {
  /** Name of the node that forwarded it. */
  readonly source: string
  readonly sourceIndex: number
  readonly entry: Uint8Array
}

/** What the log adds to an event. */
export interface EntryPlace {
  readonly index: number
  readonly timeMs: number
  /** Digest of salt and argument digest; `undefined` when the event has none. */
  readonly saltedDigest: Uint8Array | undefined
}

/** The encoded fields that many events have in common: from the type up to the rule. */
export interface EncodedNames {
  readonly bytes: Uint8Array
  readonly event: AuditEvent
  /** Batch in which a record refers to them, and their number in it. */
  batch: number
  reference: number
}

/** Names that are kept: intent and outcome of a command take turns. */
const KEPT_NAMES = 4

/**
 * Writes events as deterministic CBOR; they were checked before. Hot path: of one event after the
 * other mostly index, time, call id and duration differ, so the names in between are encoded once.
 */
export class EventWriter {
  readonly #scratch: CborWriter = new CborWriter()
  #kept: EncodedNames[] = []
  #last: EncodedNames | undefined
  /** Where the names of the event that was written last begin. */
  namesAt = 0

  /**
   * Writes one event.
   *
   * @returns its names as they were written, right behind index and time
   */
  write(writer: CborWriter, event: AuditEvent, place: EntryPlace): EncodedNames {
    const { callId, durationMs, detail } = event
    let pairs = 7
    if (event.code !== undefined) pairs += 1
    if (event.rule !== undefined) pairs += 1
    if (callId !== undefined) pairs += 1
    if (place.saltedDigest !== undefined) pairs += 1
    if (durationMs !== undefined) pairs += 1
    if (detail !== undefined) pairs += 1
    writer.map(pairs)
    writer.uint(KEY.index)
    writer.uint(place.index)
    writer.uint(KEY.time)
    writer.uint(place.timeMs)
    const last = this.#last
    const names = last && hasSameNames(last.event, event) ? last : this.#namesOf(event)
    this.namesAt = writer.length
    writer.raw(names.bytes)
    if (callId !== undefined) writeText(writer, KEY.callId, callId)
    if (place.saltedDigest !== undefined) {
      writer.uint(KEY.argumentDigest)
      writer.bytes(place.saltedDigest)
    }
    if (durationMs !== undefined) {
      writer.uint(KEY.durationUs)
      writer.uint(Math.round(durationMs * 1000))
    }
    if (detail !== undefined) {
      writer.uint(KEY.detail)
      writer.value(detail)
    }
    return names
  }

  #namesOf(event: AuditEvent): EncodedNames {
    const known = this.#kept.find((names) => hasSameNames(names.event, event))
    const names = known ?? this.#encodeNames(event)
    if (!known) this.#kept = [names, ...this.#kept.slice(0, KEPT_NAMES - 1)]
    this.#last = names
    return names
  }

  #encodeNames(event: AuditEvent): EncodedNames {
    const { code, rule } = event
    const scratch = this.#scratch
    scratch.reset()
    writeText(scratch, KEY.type, event.type)
    writeText(scratch, KEY.actor, event.actor)
    writeText(scratch, KEY.target, event.target)
    writeText(scratch, KEY.action, event.action)
    writeText(scratch, KEY.outcome, event.outcome)
    if (code !== undefined) writeText(scratch, KEY.code, code)
    if (rule !== undefined) writeText(scratch, KEY.rule, rule)
    return { bytes: scratch.take(), event, batch: -1, reference: 0 }
  }
}

/** Writes an entry that holds one which a node forwarded. */
export function writeForwarded(
  writer: CborWriter,
  forwarded: ForwardedEntry,
  place: { readonly index: number; readonly timeMs: number },
): void {
  writer.map(FORWARDED_PAIRS)
  writer.uint(KEY.index)
  writer.uint(place.index)
  writer.uint(KEY.time)
  writer.uint(place.timeMs)
  writeText(writer, KEY.type, FORWARDED)
  writeText(writer, KEY.source, forwarded.source)
  writer.uint(KEY.sourceIndex)
  writer.uint(forwarded.sourceIndex)
  writer.uint(KEY.forwarded)
  writer.bytes(forwarded.entry)
}

function writeText(writer: CborWriter, key: number, text: string): void {
  writer.uint(key)
  writer.text(text)
}

interface Fields {
  index?: number
  timeMs?: number
  type?: string
  actor?: string
  target?: string
  action?: string
  outcome?: string
  code?: string
  rule?: string
  callId?: string
  argumentDigest?: Uint8Array
  durationMs?: number
  detail?: AuditDetail
  source?: string
  sourceIndex?: number
  forwarded?: Uint8Array
}

/**
 * Decodes an entry strictly: deterministic CBOR, known keys, complete, within the limits.
 *
 * @param bytes - the stored entry
 * @returns the entry; it shares no memory with `bytes`
 * @throws {@link KosError} KOS_CODEC_CBOR or KOS_AUDIT_ENTRY
 */
export function decodeEntry(bytes: Uint8Array): DecodedEntry {
  const reader = new CborReader(bytes, { maxBytes: MAX_WRAPPED_BYTES })
  const fields: Fields = {}
  const pairs = reader.map()
  let previous: string | number | undefined
  for (let left = pairs; left > 0; left -= 1) {
    previous = reader.nextKey(previous)
    readField(reader, previous, fields)
  }
  reader.end()
  const { index, timeMs, type } = fields
  if (index === undefined || timeMs === undefined || type === undefined) throw malformed('head')
  const head = { index, timeMs: unixMs(timeMs) }
  return type === FORWARDED
    ? { ...head, event: undefined, forwarded: forwardedOf(fields, pairs) }
    : { ...head, event: eventOf(type, fields), forwarded: undefined }
}

function readField(reader: CborReader, key: string | number, fields: Fields): void {
  const limits = AUDIT_EVENT_LIMITS
  switch (key) {
    case KEY.index:
      fields.index = reader.uint()
      return
    case KEY.time:
      fields.timeMs = reader.uint()
      return
    case KEY.type:
      fields.type = readText(reader, limits.code)
      return
    case KEY.actor:
      fields.actor = readText(reader, limits.name)
      return
    case KEY.target:
      fields.target = readText(reader, limits.name)
      return
    case KEY.action:
      fields.action = readText(reader, limits.action)
      return
    case KEY.outcome:
      fields.outcome = readText(reader, limits.code)
      return
    default:
      readOptionalField(reader, key, fields)
  }
}

function readOptionalField(reader: CborReader, key: string | number, fields: Fields): void {
  const limits = AUDIT_EVENT_LIMITS
  switch (key) {
    case KEY.code:
      fields.code = readText(reader, limits.code)
      return
    case KEY.rule:
      fields.rule = readText(reader, limits.rule)
      return
    case KEY.callId:
      fields.callId = readText(reader, limits.callId)
      return
    case KEY.argumentDigest:
      fields.argumentDigest = readDigest(reader)
      return
    case KEY.durationUs:
      fields.durationMs = reader.uint() / 1000
      return
    case KEY.detail:
      fields.detail = readDetail(reader)
      return
    case KEY.source:
      fields.source = readText(reader, limits.name)
      return
    case KEY.sourceIndex:
      fields.sourceIndex = reader.uint()
      return
    case KEY.forwarded:
      fields.forwarded = Uint8Array.from(reader.bytes())
      return
    default:
      throw malformed('unknown key')
  }
}

function readText(reader: CborReader, maxLength: number): string {
  const text = reader.text()
  if (text.length === 0 || text.length > maxLength) throw malformed('text length')
  return text
}

function readDigest(reader: CborReader): Uint8Array {
  const digest = Uint8Array.from(reader.bytes())
  if (digest.length !== 32) throw malformed('digest length')
  return digest
}

function readDetail(reader: CborReader): AuditDetail {
  const entries: [string, string | number | boolean][] = []
  let previous: string | number | undefined
  const count = reader.map()
  if (count > AUDIT_EVENT_LIMITS.details) throw malformed('detail: too many')
  for (let left = count; left > 0; left -= 1) {
    previous = reader.nextKey(previous)
    if (typeof previous !== 'string') throw malformed('detail: key')
    const value = reader.value()
    if (typeof value !== 'string' && typeof value !== 'number' && typeof value !== 'boolean') {
      throw malformed('detail: value')
    }
    entries.push([previous, value])
  }
  // Own properties even for a key such as __proto__.
  return Object.freeze(Object.fromEntries(entries))
}

function eventOf(type: string, fields: Fields): AuditEvent {
  const { actor, target, action, outcome } = fields
  if (!isAuditType(type)) throw malformed('type')
  if (actor === undefined || target === undefined || action === undefined) throw malformed('event')
  if (outcome === undefined || !isAuditOutcome(outcome)) throw malformed('outcome')
  const foreign = [fields.source, fields.sourceIndex, fields.forwarded]
  if (foreign.some((value) => value !== undefined)) throw malformed('foreign field')
  return Object.freeze({ type, actor, target, action, outcome, ...optional(fields) })
}

function optional(fields: Fields): Partial<AuditEvent> {
  const { code, rule, callId, argumentDigest, durationMs, detail } = fields
  return {
    ...(code !== undefined && { code }),
    ...(rule !== undefined && { rule }),
    ...(callId !== undefined && { callId }),
    ...(argumentDigest !== undefined && { argumentDigest }),
    ...(durationMs !== undefined && { durationMs }),
    ...(detail !== undefined && { detail }),
  }
}

function forwardedOf(fields: Fields, pairs: number): ForwardedEntry {
  const { source, sourceIndex, forwarded } = fields
  if (source === undefined || sourceIndex === undefined || forwarded === undefined) {
    throw malformed('forwarded')
  }
  // Head and source are six fields: a further one belongs to an event.
  if (pairs !== FORWARDED_PAIRS) throw malformed('foreign field')
  return Object.freeze({ source, sourceIndex, entry: forwarded })
}

function malformed(rule: string): Error {
  return auditErrors.error('KOS_AUDIT_ENTRY', { rule })
}
