import { KosError, prefixToHex, toHex } from '../../foundation/base/index.ts'
import { type CborInput, CborReader, type CborWriter } from '../../foundation/codec/index.ts'
import type { CallFailure } from './calls.ts'
import { malformed } from './hello.ts'

/** Bytes of a call id, of a nonce and of a trace id. */
export const ID_BYTES: number = 16
/** Longest command or channel name on the wire, in UTF-8 bytes. */
export const MAX_COMMAND_BYTES: number = 255

const DIGEST_BYTES = 32
const OPEN_FIELDS = 5
const OK_FIELDS = 3
const NO_FIELDS = 5
const [STATUS_OK, STATUS_REFUSED, STATUS_FAILED] = [0, 1, 2]
const MAX_CODE = 64
const MAX_RULE = 256
const MAX_REMEDY = 512
const MAX_RETRY_MS = 2 ** 32 - 1
const CODE = /^KOS_[A-Z0-9_]{1,60}$/

/** The fixed part of an OPEN. */
export interface OpenHead {
  /** Call id 16, nonce 16 and, where it differs from the call id, trace id 16. */
  readonly ids: Uint8Array
  readonly command: string
  readonly deadlineMs: number
  readonly timeMs: number
}

/** A decoded OPEN up to its arguments. */
export interface DecodedOpen {
  /** Lower-case hexadecimal. */
  readonly callId: string
  readonly command: string
  readonly deadlineMs: number
  readonly timeMs: number
  readonly traceId: string
  /** Positioned before the arguments, or the digest of those that follow as DATA. */
  readonly rest: CborReader
}

/** Writes the head of an OPEN; the arguments or their digest follow. */
export function writeOpenHead(writer: CborWriter, head: OpenHead): void {
  writer.array(OPEN_FIELDS)
  writer.bytes(head.ids)
  writer.text(head.command)
  writer.uint(head.deadlineMs)
  writer.uint(head.timeMs)
}

/**
 * Decodes an OPEN up to its arguments.
 *
 * @throws KOS_CODEC_CBOR or KOS_SESSION_PROTOCOL when it is anything else
 */
export function decodeOpen(payload: Buffer): DecodedOpen {
  const reader = new CborReader(payload)
  if (reader.array() !== OPEN_FIELDS) throw malformed('open: fields')
  // One byte string for all ids: one view instead of three on the busiest path.
  const ids = reader.bytes()
  const hasTrace = ids.length === ID_BYTES * 3
  if (!hasTrace && ids.length !== ID_BYTES * 2) throw malformed('open: ids')
  const callId = prefixToHex(ids, ID_BYTES)
  const traceId = hasTrace ? toHex(ids.subarray(ID_BYTES * 2)) : callId
  const command = reader.name()
  checkLength(command, MAX_COMMAND_BYTES)
  if (command === '') throw malformed('open: command')
  return {
    callId,
    command,
    deadlineMs: reader.uint(),
    timeMs: reader.uint(),
    traceId,
    rest: reader,
  }
}

/** The SHA-256 of arguments or of a stream, as a copy. */
export function readDigest(reader: CborReader): Uint8Array {
  const digest = reader.bytes()
  if (digest.length !== DIGEST_BYTES) throw malformed('digest: length')
  return Uint8Array.from(digest)
}

/** Writes a RESULT whose value stands in it, without DATA before. */
export function writeOkResult(writer: CborWriter, value: CborInput): void {
  writer.array(OK_FIELDS)
  writer.uint(STATUS_OK)
  writer.value(value)
  writer.null()
}

/** Writes a RESULT after DATA: an encoded value (null when DATA was the value) and the digest. */
export function writeStreamResult(
  writer: CborWriter,
  encoded: Uint8Array,
  digest: Uint8Array,
): void {
  writer.array(OK_FIELDS)
  writer.uint(STATUS_OK)
  writer.raw(encoded)
  writer.bytes(digest)
}

/** Writes a RESULT that says no. Texts beyond their limit are cut. */
export function writeFailure(writer: CborWriter, failure: CallFailure): void {
  writer.array(NO_FIELDS)
  writer.uint(failure.status === 'refused' ? STATUS_REFUSED : STATUS_FAILED)
  writer.text(CODE.test(failure.code) ? failure.code : 'KOS_SESSION_INTERNAL')
  writeText(writer, failure.rule, MAX_RULE)
  writeText(writer, failure.remedy, MAX_REMEDY)
  const { retryAfterMs } = failure
  if (retryAfterMs === undefined || !(retryAfterMs >= 0)) writer.null()
  else writer.uint(Math.min(Math.ceil(retryAfterMs), MAX_RETRY_MS))
}

/** A decoded RESULT. */
export type DecodedResult =
  | { readonly status: 'ok'; readonly value: unknown; readonly digest: Uint8Array | undefined }
  | CallFailure

/**
 * Decodes a RESULT strictly.
 *
 * @throws KOS_CODEC_CBOR or KOS_SESSION_PROTOCOL when it is anything else
 */
export function decodeResult(payload: Buffer): DecodedResult {
  const reader = new CborReader(payload)
  const fields = reader.array()
  const status = reader.uint()
  if (status === STATUS_OK && fields === OK_FIELDS) {
    const value = reader.plain()
    const digest = reader.skipNull() ? undefined : readDigest(reader)
    reader.end()
    return { status: 'ok', value, digest }
  }
  const isNo = status === STATUS_REFUSED || status === STATUS_FAILED
  if (!isNo || fields !== NO_FIELDS) throw malformed('result: status')
  return readFailure(reader, status === STATUS_REFUSED ? 'refused' : 'failed')
}

function readFailure(reader: CborReader, status: CallFailure['status']): CallFailure {
  const code = readLimited(reader, MAX_CODE)
  if (!CODE.test(code)) throw malformed('result: code')
  const rule = reader.skipNull() ? undefined : readLimited(reader, MAX_RULE * 3)
  const remedy = reader.skipNull() ? undefined : readLimited(reader, MAX_REMEDY * 3)
  const retryAfterMs = reader.skipNull() ? undefined : reader.uint()
  if (retryAfterMs !== undefined && retryAfterMs > MAX_RETRY_MS) throw malformed('result: retry')
  reader.end()
  return {
    status,
    code,
    ...(rule !== undefined && { rule }),
    ...(remedy !== undefined && { remedy }),
    ...(retryAfterMs !== undefined && { retryAfterMs }),
  }
}

function writeText(writer: CborWriter, text: string | undefined, maxLength: number): void {
  if (text === undefined) writer.null()
  else writer.text(text.slice(0, maxLength).toWellFormed())
}

function readLimited(reader: CborReader, maxBytes: number): string {
  const text = reader.text()
  checkLength(text, maxBytes)
  return text
}

function checkLength(text: string, maxBytes: number): void {
  // A UTF-16 unit takes three bytes at most: short texts need no exact count.
  if (text.length * 3 > maxBytes && Buffer.byteLength(text) > maxBytes) {
    throw malformed('text: length')
  }
}

/**
 * The rule that a decoder or encoder of codec or of this room broke.
 *
 * @param error - what was caught; anything else is thrown again
 * @param prefix - which payload
 */
export function decodeRule(error: unknown, prefix: string): string {
  if (!(error instanceof KosError)) throw error
  const rule = error.details['rule']
  return typeof rule === 'string' ? `${prefix}: ${rule}` : prefix
}

/**
 * Whether a value was refused though it may be well encoded: it has no plain form, or more items than
 * this end takes. That is the fault of a call, not of a session.
 */
export function isCallFault(error: unknown): boolean {
  return error instanceof KosError && /^(?:plain|limit): /.test(String(error.details['rule']))
}

/** Reads the last value of a payload as plain data. */
export function readLastPlain(reader: CborReader): unknown {
  const value = reader.plain()
  reader.end()
  return value
}
