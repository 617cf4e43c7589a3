import { isUtf8 } from 'node:buffer'
import { hash } from 'node:crypto'
import { utf8 } from '../../foundation/base/index.ts'
import { auditErrors } from './errors.ts'

/** Text and signature lines in the signed-note format. @see https://c2sp.org/signed-note@v1.0.0 */
export type SignedNote = string

/** One signature line. */
export interface NoteSignature {
  /** Name of the key: no space, no plus. */
  readonly name: string
  /** First four bytes of a hash over name, signature type and public key. */
  readonly keyId: Uint8Array
  /** The bytes behind the key id, as the signature type defines them. */
  readonly signature: Uint8Array
}

/** A note taken apart; nothing is verified yet. */
export interface ParsedNote {
  /** The signed text, with its final newline. */
  readonly text: string
  readonly signatures: readonly NoteSignature[]
}

const KEY_ID_BYTES = 4
const SIGNATURE_PREFIX = '\u2014 '
/** The format asks to accept at least 16 signatures, of nearly 5 kB each when post-quantum. */
const MAX_NOTE_BYTES = 128 * 1024
const MAX_SIGNATURES = 16
const NAME = /^[^\p{White_Space}+]+$/u
const BASE64 = /^[A-Za-z0-9+/]+={0,2}$/

/** Key id: SHA-256(name ‖ 0x0A ‖ signature type ‖ public key)[:4]. */
export function noteKeyId(name: string, type: number, publicKey: Uint8Array): Uint8Array {
  const input = Buffer.concat([utf8(name), Uint8Array.of(0x0a, type), publicKey])
  return Uint8Array.from(hash('sha256', input, 'buffer').subarray(0, KEY_ID_BYTES))
}

/** Whether a text can be the name of a key. */
export function isNoteName(name: string): boolean {
  return NAME.test(name) && !hasControl(name)
}

/**
 * Writes a note.
 *
 * @param text - ends in a newline and has no empty line at its end
 * @param signatures - at least one
 */
export function formatNote(text: string, signatures: readonly NoteSignature[]): SignedNote {
  const lines = signatures.map(({ name, keyId, signature }) => {
    const encoded = Buffer.concat([keyId, signature]).toString('base64')
    return `${SIGNATURE_PREFIX}${name} ${encoded}\n`
  })
  return `${text}\n${lines.join('')}`
}

/**
 * Takes a note apart strictly.
 *
 * @param note - text or UTF-8 bytes, at most 128 KiB with at most 16 signatures
 * @throws {@link KosError} KOS_AUDIT_NOTE; the rule names what is malformed
 *
 * **Security:** verifies nothing: the text is not to be used before a known key verified it.
 */
export function parseNote(note: string | Uint8Array): ParsedNote {
  const decoded = decodeText(note)
  // The text may have empty lines: the last one separates it from the signatures.
  const split = decoded.lastIndexOf('\n\n')
  if (split < 0) throw malformed('blank line')
  const lines = decoded.slice(split + 2).split('\n')
  if (lines.pop() !== '') throw malformed('last line')
  if (lines.length === 0 || lines.length > MAX_SIGNATURES) throw malformed('signature count')
  return { text: decoded.slice(0, split + 1), signatures: lines.map(parseSignature) }
}

function decodeText(note: string | Uint8Array): string {
  const bytes = typeof note === 'string' ? utf8(note) : note
  if (bytes.length > MAX_NOTE_BYTES) throw malformed('size')
  if (typeof note === 'string' ? !note.isWellFormed() : !isUtf8(bytes)) throw malformed('UTF-8')
  const text = typeof note === 'string' ? note : Buffer.from(bytes).toString('utf8')
  if (hasControl(text)) throw malformed('control character')
  return text
}

function parseSignature(line: string): NoteSignature {
  if (!line.startsWith(SIGNATURE_PREFIX)) throw malformed('signature line')
  const [name, encoded, ...rest] = line.slice(SIGNATURE_PREFIX.length).split(' ')
  if (name === undefined || encoded === undefined || rest.length > 0) {
    throw malformed('signature line')
  }
  if (!isNoteName(name)) throw malformed('key name')
  if (!BASE64.test(encoded)) throw malformed('base64')
  const bytes = Buffer.from(encoded, 'base64')
  if (bytes.toString('base64') !== encoded) throw malformed('base64')
  if (bytes.length <= KEY_ID_BYTES) throw malformed('signature length')
  return {
    name,
    keyId: bytes.subarray(0, KEY_ID_BYTES),
    signature: bytes.subarray(KEY_ID_BYTES),
  }
}

/** Control characters other than newline are not allowed anywhere in a note. */
function hasControl(text: string): boolean {
  for (let index = 0; index < text.length; index += 1) {
    const code = text.charCodeAt(index)
    if (code < 0x20 && code !== 0x0a) return true
  }
  return false
}

function malformed(rule: string): Error {
  return auditErrors.error('KOS_AUDIT_NOTE', { rule })
}
