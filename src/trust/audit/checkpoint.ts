import { createPublicKey, type KeyObject, verify } from 'node:crypto'
import { equalBytes, isRefusal, refuse, type Refusal } from '../../foundation/base/index.ts'
import { auditErrors } from './errors.ts'
import {
  formatNote,
  isNoteName,
  noteKeyId,
  type NoteSignature,
  type ParsedNote,
  parseNote,
  type SignedNote,
} from './signed-note.ts'

/** A log key as this room needs it; the key store's reference has this shape. */
export interface LogKey {
  readonly algorithm: string
  /** DER SubjectPublicKeyInfo. */
  readonly spki: Uint8Array
  sign(bytes: Uint8Array): Uint8Array
}

/** The two keys that sign every checkpoint. */
export interface LogKeys {
  readonly ed25519: LogKey
  readonly mlDsa44: LogKey
}

/** The public halves, as DER SubjectPublicKeyInfo. */
export interface LogPublicKeys {
  readonly ed25519: Uint8Array
  readonly mlDsa44: Uint8Array
}

/** A tree head: what a checkpoint states. */
export interface TreeHead {
  /** Name of the log. */
  readonly origin: string
  /** Number of entries. */
  readonly size: number
  /** Merkle root of that many entries. */
  readonly root: Uint8Array
}

/** A verified checkpoint. */
export interface Checkpoint extends TreeHead {
  readonly note: SignedNote
  /** When it was signed, in seconds since 1970, covered by the ML-DSA-44 signature. */
  readonly timeSeconds: number
}

/** Signs tree heads of one log. */
export interface CheckpointSigner {
  sign(head: { readonly size: number; readonly root: Uint8Array }, timeMs: number): Checkpoint
}

/** Verifies checkpoints of one log: both signatures are required. */
export type CheckpointVerifier = (note: SignedNote) => Checkpoint | Refusal

/** Signature types. @see https://c2sp.org/signed-note@v1.0.0#signature-types */
const TYPE_ED25519 = 0x01
/** @see https://c2sp.org/tlog-cosignature: logs should sign checkpoints with this type */
const TYPE_ML_DSA_44_COSIGNATURE = 0x06

const ED25519_KEY_BYTES = 32
const ML_DSA_44_KEY_BYTES = 1312
const ED25519_SIGNATURE_BYTES = 64
const ML_DSA_44_SIGNATURE_BYTES = 2420
const TIMESTAMP_BYTES = 8
const COSIGNATURE_LABEL = Buffer.from('subtree/v1\n\0', 'latin1')
const MAX_ORIGIN_BYTES = 255
const SIZE = /^(?:0|[1-9][0-9]{0,15})$/
const ROOT = /^[A-Za-z0-9+/]{43}=$/

interface PublicKey {
  readonly key: KeyObject
  readonly keyId: Uint8Array
}

/**
 * Makes the signer of a log's checkpoints.
 *
 * @param origin - name of the log, also the name of its keys: no space, no plus, ≤ 255 bytes
 * @param keys - Ed25519 and ML-DSA-44, used for nothing else
 * @throws {@link KosError} KOS_AUDIT_KEY for a wrong algorithm, KOS_AUDIT_NOTE for a bad origin
 */
export function createCheckpointSigner(origin: string, keys: LogKeys): CheckpointSigner {
  const publicKeys = importKeys(origin, {
    ed25519: keys.ed25519.spki,
    mlDsa44: keys.mlDsa44.spki,
  })
  return Object.freeze({
    sign: ({ size, root }: { size: number; root: Uint8Array }, timeMs: number): Checkpoint => {
      const head = { origin, size, root }
      const timeSeconds = Math.floor(timeMs / 1000)
      const text = checkpointText(head)
      const note = formatNote(text, [
        {
          name: origin,
          keyId: publicKeys.ed25519.keyId,
          signature: keys.ed25519.sign(Buffer.from(text, 'utf8')),
        },
        {
          name: origin,
          keyId: publicKeys.mlDsa44.keyId,
          signature: Buffer.concat([
            uint64(timeSeconds),
            keys.mlDsa44.sign(cosignedMessage(head, timeSeconds)),
          ]),
        },
      ])
      return Object.freeze({ ...head, note, timeSeconds })
    },
  })
}

/** The end of the name of a log that goes on in a later era; the first era has none. */
const ERA = /\/era-([2-9]|[1-9][0-9]{1,3})$/

/**
 * The name of a log in an era: an authority that was restored from a backup goes on with the entries that
 * stand in it under another name, so that its checkpoints are not taken for a rewritten history.
 *
 * @param name - of the log in the first era
 * @param era - of the trust bundle, 1 to 9999
 */
export function logOrigin(name: string, era: number): string {
  return era === 1 ? name : `${name}/era-${era}`
}

/** The names that a log had before this one, and this one. */
function originsThrough(origin: string): readonly string[] {
  const era = Number(ERA.exec(origin)?.[1] ?? 1)
  const name = era === 1 ? origin : origin.replace(ERA, '')
  return Array.from({ length: era }, (_, before) => logOrigin(name, before + 1))
}

/**
 * Makes the verifier of a log's checkpoints, those of its earlier eras included.
 *
 * @param origin - name of the log
 * @param keys - its public keys
 * @returns a function from a note to the checkpoint, or to a refusal `KOS_AUDIT_NOTE` whose rule
 * names the check
 * @throws {@link KosError} KOS_AUDIT_KEY for a wrong algorithm, KOS_AUDIT_NOTE for a bad origin
 *
 * **Security:** a valid checkpoint says that the log once had this head; whether it is the newest
 * one, and the same that others see, it does not say. Signatures of other keys (witnesses) are
 * ignored, as the format demands.
 */
export function createCheckpointVerifier(origin: string, keys: LogPublicKeys): CheckpointVerifier {
  const newest = importKeys(origin, keys)
  const former = originsThrough(origin)
  return (note) => {
    const claimed = claimedOrigin(note)
    const isFormer = claimed !== undefined && claimed !== origin && former.includes(claimed)
    return isFormer
      ? verifyCheckpoint(note, claimed, importKeys(claimed, keys))
      : verifyCheckpoint(note, origin, newest)
  }
}

/**
 * The origin that a note claims, for choosing the keys to verify it with.
 *
 * @returns `undefined` when the note is no checkpoint or the origin cannot be that of a log
 */
export function claimedOrigin(note: SignedNote): string | undefined {
  const head = parseCheckpoint(note)
  return isRefusal(head) || !isOrigin(head.origin) ? undefined : head.origin
}

/**
 * The size that a note claims, without a look at its signatures: for what was verified already.
 *
 * @returns `undefined` when the note is no checkpoint
 */
export function claimedSize(note: SignedNote): number | undefined {
  const head = parseCheckpoint(note)
  return isRefusal(head) ? undefined : head.size
}

function isOrigin(text: string): boolean {
  return isNoteName(text) && Buffer.byteLength(text) <= MAX_ORIGIN_BYTES
}

function verifyCheckpoint(
  note: SignedNote,
  origin: string,
  keys: { readonly ed25519: PublicKey; readonly mlDsa44: PublicKey },
): Checkpoint | Refusal {
  const head = parseCheckpoint(note)
  if (isRefusal(head)) return head
  if (head.origin !== origin) return refuse('KOS_AUDIT_NOTE', 'origin')
  const ed25519 = signatureOf(head, origin, keys.ed25519)
  if (ed25519?.length !== ED25519_SIGNATURE_BYTES) return refuse('KOS_AUDIT_NOTE', 'Ed25519')
  if (!verify(null, Buffer.from(head.text, 'utf8'), keys.ed25519.key, ed25519)) {
    return refuse('KOS_AUDIT_NOTE', 'Ed25519')
  }
  const timestamped = signatureOf(head, origin, keys.mlDsa44)
  if (timestamped?.length !== TIMESTAMP_BYTES + ML_DSA_44_SIGNATURE_BYTES) {
    return refuse('KOS_AUDIT_NOTE', 'ML-DSA-44')
  }
  const timeSeconds = readUint64(timestamped)
  if (timeSeconds === undefined) return refuse('KOS_AUDIT_NOTE', 'time')
  const message = cosignedMessage(head, timeSeconds)
  if (!verify(null, message, keys.mlDsa44.key, timestamped.subarray(TIMESTAMP_BYTES))) {
    return refuse('KOS_AUDIT_NOTE', 'ML-DSA-44')
  }
  return Object.freeze({ origin, size: head.size, root: head.root, note, timeSeconds })
}

function parseCheckpoint(note: SignedNote): (TreeHead & ParsedNote) | Refusal {
  let parsed: ParsedNote
  try {
    parsed = parseNote(note)
  } catch (error) {
    if (!auditErrors.has(error)) throw error
    return refuse('KOS_AUDIT_NOTE', String(error.details['rule']))
  }
  // Exactly three lines: extension lines are not covered by the ML-DSA-44 signature.
  const [origin, size, root, end, ...rest] = parsed.text.split('\n')
  if (!origin || size === undefined || root === undefined || end !== '' || rest.length > 0) {
    return refuse('KOS_AUDIT_NOTE', 'lines')
  }
  if (!SIZE.test(size) || !Number.isSafeInteger(Number(size))) {
    return refuse('KOS_AUDIT_NOTE', 'size')
  }
  const rootBytes = Buffer.from(root, 'base64')
  if (!ROOT.test(root) || rootBytes.toString('base64') !== root) {
    return refuse('KOS_AUDIT_NOTE', 'root')
  }
  return { ...parsed, origin, size: Number(size), root: Uint8Array.from(rootBytes) }
}

/** A name and a key id that are both known decide; two lines of one key are a forgery attempt. */
function signatureOf(note: ParsedNote, name: string, key: PublicKey): Uint8Array | undefined {
  const matching = note.signatures.filter(
    (line: NoteSignature) => line.name === name && equalBytes(line.keyId, key.keyId),
  )
  return matching.length === 1 ? matching[0]?.signature : undefined
}

function checkpointText({ origin, size, root }: TreeHead): string {
  return `${origin}\n${size}\n${Buffer.from(root).toString('base64')}\n`
}

/**
 * What the ML-DSA-44 signature covers: label, name, time, origin, start 0, end = size, root.
 *
 * @see https://c2sp.org/tlog-cosignature section ML-DSA-44 signed message
 */
function cosignedMessage(head: TreeHead, timeSeconds: number): Uint8Array {
  const origin = Buffer.from(head.origin, 'utf8')
  const name = Buffer.concat([Uint8Array.of(origin.length), origin])
  return Buffer.concat([
    COSIGNATURE_LABEL,
    name,
    uint64(timeSeconds),
    name,
    uint64(0),
    uint64(head.size),
    head.root,
  ])
}

function uint64(value: number): Uint8Array {
  const bytes = Buffer.alloc(8)
  bytes.writeBigUInt64BE(BigInt(value))
  return bytes
}

function readUint64(bytes: Uint8Array): number | undefined {
  const value = Number(Buffer.from(bytes).readBigUInt64BE())
  return Number.isSafeInteger(value) ? value : undefined
}

function importKeys(
  origin: string,
  keys: LogPublicKeys,
): { readonly ed25519: PublicKey; readonly mlDsa44: PublicKey } {
  if (!isOrigin(origin)) throw auditErrors.error('KOS_AUDIT_NOTE', { rule: 'origin' })
  const ed25519 = importKey(keys.ed25519, 'ed25519')
  const mlDsa44 = importKey(keys.mlDsa44, 'ml-dsa-44')
  const raw = { ed25519: ed25519.raw(ED25519_KEY_BYTES), mlDsa44: mlDsa44.raw(ML_DSA_44_KEY_BYTES) }
  return {
    ed25519: { key: ed25519.key, keyId: noteKeyId(origin, TYPE_ED25519, raw.ed25519) },
    mlDsa44: {
      key: mlDsa44.key,
      keyId: noteKeyId(origin, TYPE_ML_DSA_44_COSIGNATURE, raw.mlDsa44),
    },
  }
}

function importKey(
  spki: Uint8Array,
  type: string,
): { readonly key: KeyObject; readonly raw: (length: number) => Uint8Array } {
  let key: KeyObject
  try {
    key = createPublicKey({ key: Buffer.from(spki), format: 'der', type: 'spki' })
  } catch (cause) {
    throw auditErrors.error('KOS_AUDIT_KEY', { rule: type }, cause)
  }
  if (key.asymmetricKeyType !== type) throw auditErrors.error('KOS_AUDIT_KEY', { rule: type })
  // Both algorithms put the bare key at the end of the structure.
  const canonical = key.export({ format: 'der', type: 'spki' })
  return { key, raw: (length) => Uint8Array.from(canonical.subarray(-length)) }
}
