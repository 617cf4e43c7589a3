import { toHex } from '../../foundation/base/index.ts'
import { readU32, readU64, RESUME_BYTES, writeU32, writeU64 } from './frames.ts'
import { SESSION_ID_BYTES } from './ready.ts'

/** The session id of a RESUME that ends the list. */
export const NO_SESSION: string = '00'.repeat(SESSION_ID_BYTES)

/** The name of a call across connections: where its OPEN stood. */
export interface CallName {
  /** Session id, lower-case hexadecimal. */
  readonly sessionId: string
  /** Number of the stream there; 0 names the session itself. */
  readonly stream: number
}

/** What a RESUME says. */
export interface ResumePoint extends CallName {
  /** Bytes of DATA that the sender of the frame has. */
  readonly offset: number
}

/** Encodes a RESUME payload. */
export function encodeResume(point: ResumePoint): Uint8Array {
  const payload = Buffer.alloc(RESUME_BYTES)
  payload.write(point.sessionId, 0, 'hex')
  writeU32(payload, SESSION_ID_BYTES, point.stream)
  writeU64(payload, SESSION_ID_BYTES + 4, point.offset)
  return payload
}

/** Decodes a RESUME payload of the right length; an offset above 2^53 − 1 becomes infinity. */
export function decodeResume(payload: Uint8Array): ResumePoint {
  return {
    sessionId: toHex(payload.subarray(0, SESSION_ID_BYTES)),
    stream: readU32(payload, SESSION_ID_BYTES),
    offset: readU64(payload, SESSION_ID_BYTES + 4),
  }
}
