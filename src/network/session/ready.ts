import { Secret, type UnixMs, unixMs } from '../../foundation/base/index.ts'
import { CborReader, CborWriter } from '../../foundation/codec/index.ts'
import { malformed, readFixed } from './hello.ts'

const FIELDS = 7
const LIMITS = 6
/** Bytes of a session id. */
export const SESSION_ID_BYTES: number = 16
const HANDLE_BYTES = 16
const SECRET_BYTES = 32
/** Windows and rates above this are nonsense and would break the arithmetic of credits. */
const MAX_GRANT = 2 ** 31 - 1

/** What one end lets the other do on the session. */
export interface Grants {
  /** Open streams at once. */
  readonly maxStreams: number
  readonly streamWindowBytes: number
  readonly connectionWindowBytes: number
  readonly opensPerSecond: number
  readonly opensBurst: number
  readonly maxDeadlineMs: number
}

/**
 * A session token: an opaque handle and a secret beside it, bound to the identity key it was issued
 * to. The handle may be shown, the secret never travels again.
 */
export interface SessionToken {
  /** 128 random bits. */
  readonly handle: Uint8Array
  /** 32 bytes; keys the MAC of requests that name the handle. */
  readonly secret: Secret
}

/** READY: the sender verified the other end and says on which terms the session runs. */
export interface Ready {
  /** 16 bytes, equal on both sides: it follows from the transcript. */
  readonly sessionId: Uint8Array
  readonly token: SessionToken
  readonly grants: Grants
  /** Epoch of the MAC keys of both directions: 0 on a new connection. */
  readonly epoch: number
  /** When the session ends at the latest. */
  readonly expiresAt: UnixMs
  /** How long the sender waits for the streams of a lost connection to go on; 0: not at all. */
  readonly resumeMs: number
}

/** Encodes a READY payload. */
export function encodeReady(ready: Ready): Uint8Array {
  const { grants, token } = ready
  const writer = new CborWriter()
  writer.array(FIELDS)
  writer.bytes(ready.sessionId)
  writer.bytes(token.handle)
  token.secret.use((secret) => writer.bytes(secret))
  writer.array(LIMITS)
  writer.uint(grants.maxStreams)
  writer.uint(grants.streamWindowBytes)
  writer.uint(grants.connectionWindowBytes)
  writer.uint(grants.opensPerSecond)
  writer.uint(grants.opensBurst)
  writer.uint(grants.maxDeadlineMs)
  writer.uint(ready.epoch)
  writer.uint(ready.expiresAt)
  writer.uint(ready.resumeMs)
  const bytes = writer.take()
  // The writer held the secret of the token: overwrite it.
  writer.raw(new Uint8Array(bytes.length))
  return bytes
}

/**
 * Decodes a READY payload strictly; call it only after its SEAL verified.
 *
 * @throws KOS_CODEC_CBOR or KOS_SESSION_PROTOCOL when it is anything else
 */
export function decodeReady(payload: Uint8Array): Ready {
  const reader = new CborReader(payload)
  if (reader.array() !== FIELDS) throw malformed('ready: fields')
  const sessionId = readFixed(reader, SESSION_ID_BYTES)
  const handle = readFixed(reader, HANDLE_BYTES)
  const secret = Secret.take(readFixed(reader, SECRET_BYTES))
  if (reader.array() !== LIMITS) throw malformed('ready: limits')
  const grants: Grants = {
    maxStreams: readGrant(reader),
    streamWindowBytes: readGrant(reader),
    connectionWindowBytes: readGrant(reader),
    opensPerSecond: readGrant(reader),
    opensBurst: readGrant(reader),
    maxDeadlineMs: readGrant(reader),
  }
  const epoch = reader.uint()
  // A new connection always starts its keys anew.
  if (epoch !== 0) throw malformed('ready: epoch')
  const expiresAt = unixMs(reader.uint())
  const resumeMs = reader.uint()
  if (resumeMs > MAX_GRANT) throw malformed('ready: resume')
  reader.end()
  return { sessionId, token: { handle, secret }, grants, epoch, expiresAt, resumeMs }
}

function readGrant(reader: CborReader): number {
  const value = reader.uint()
  if (value === 0 || value > MAX_GRANT) throw malformed('ready: limits')
  return value
}
