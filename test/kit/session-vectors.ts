/**
 * Builds the byte-exact vectors of the session protocol from fixed keys. ECDSA signatures are random,
 * so the two AUTH frames are handed in: what was recorded once.
 */
import {
  createHmac,
  createPrivateKey,
  createPublicKey,
  hkdfSync,
  type KeyObject,
} from 'node:crypto'
import {
  fromHex,
  parsePrincipal,
  type Principal,
  Secret,
  sha256,
  toHex,
  unixMs,
  utf8,
} from '../../src/foundation/base/index.ts'
import { CborWriter, coseSignerFromKey, encodeCbor } from '../../src/foundation/codec/index.ts'
import { PROFILES } from '../../src/foundation/profiles/index.ts'
import { encodeAuth, encodeBinding } from '../../src/network/session/auth.ts'
import {
  writeFailure,
  writeOkResult,
  writeOpenHead,
  writeStreamResult,
} from '../../src/network/session/call-codec.ts'
import {
  FLAG_END,
  FLAG_STREAM,
  FLAG_VALUE,
  FRAME,
  FrameWriter,
  HEADER_BYTES,
} from '../../src/network/session/frames.ts'
import { encodeHello } from '../../src/network/session/hello.ts'
import { DirectionKeys, type Role, transcriptHash } from '../../src/network/session/key-schedule.ts'
import { encodeReady } from '../../src/network/session/ready.ts'
import { encodeResume, NO_SESSION } from '../../src/network/session/resume-codec.ts'
import { SealWriter } from '../../src/network/session/seal.ts'
import { rawFrame } from './session-pair.ts'

/** Start of 2026; the time in every vector. */
const TIME_MS = 1_767_225_600_000

const bytes = (hex: string): Uint8Array => {
  const parsed = fromHex(hex)
  if (!parsed) throw new TypeError(`not hexadecimal: ${hex}`)
  return parsed
}

/** P-256 private keys (PKCS#8, DER) that were made for these vectors and serve nothing else. */
const PKCS8: Readonly<Record<Role, string>> = {
  dialler:
    '308187020100301306072a8648ce3d020106082a8648ce3d030107046d306b02010104200cf161e1eac9270d31f80a4fa0932d254c1c1178840895c606d7295f1e029beea14403420004fa7c7c3ff7276b378bbcf65a9f613f0e384337f57e7a5ad3705ddf488b7e1e3e7c3db5e1b4105316657f5a0491a928b7807788506445a8d94340c73f78f88c53',
  listener:
    '308187020100301306072a8648ce3d020106082a8648ce3d030107046d306b02010104200fa59738d0fa2594d502c23a04772de1c96a7d28f6aefd28cc69adae5b20d5e0a144034200042ac4c1c1cd97ef7cbf753764ae6b6cb4dba97e7e3d41e1e570dc4ee139048cdd94bff39dabf1eb38fca528010adce3bff68282cd728b45654884d86e3b6e7fc5',
}

const URI: Readonly<Record<Role, string>> = {
  dialler: 'spiffe://kos.internal/user/alice',
  listener: 'spiffe://kos.internal/device/kdev-aaaaaaaaaaaaaaaaaaaaaaaaaa',
}

const TLS = {
  diallerLeafHash: '11'.repeat(32),
  listenerLeafHash: '22'.repeat(32),
  exporterBinding: '33'.repeat(32),
  exporterMac: '44'.repeat(32),
}

interface Identity {
  readonly principal: Principal
  readonly key: KeyObject
  readonly spki: Uint8Array
  readonly keyId: Uint8Array
}

function identity(role: Role): Identity {
  const principal = parsePrincipal(URI[role])
  if (!principal) throw new TypeError(URI[role])
  const key = createPrivateKey({
    key: Buffer.from(PKCS8[role], 'hex'),
    format: 'der',
    type: 'pkcs8',
  })
  const spki = createPublicKey(key).export({ format: 'der', type: 'spki' })
  return { principal, key, spki, keyId: sha256(spki) }
}

function helloFrame(role: Role): Buffer {
  const hello = encodeHello({
    versions: [1],
    role,
    principal: identity(role).principal,
    profile: PROFILES['SEC-2'],
    nonce: bytes((role === 'dialler' ? '55' : '66').repeat(32)),
    time: unixMs(TIME_MS),
    maxControlBytes: 16_384,
    maxDataBytes: 65_536,
    directory: { era: 1, number: 12 },
    manifest: role === 'dialler' ? undefined : { era: 1, number: 3 },
    updateCounter: role === 'dialler' ? 0 : 9,
  })
  return rawFrame(FRAME.HELLO, 0, hello)
}

/** What the AUTH of a role signs. */
export function vectorBinding(role: Role): Uint8Array {
  const isDialler = role === 'dialler'
  return encodeBinding({
    role,
    ownLeafHash: bytes(isDialler ? TLS.diallerLeafHash : TLS.listenerLeafHash),
    peerLeafHash: bytes(isDialler ? TLS.listenerLeafHash : TLS.diallerLeafHash),
    diallerHelloHash: sha256(helloFrame('dialler')),
    listenerHelloHash: sha256(helloFrame('listener')),
    exporter: bytes(TLS.exporterBinding),
  })
}

/** A fresh AUTH frame of a role; another one each time. */
export function freshAuth(role: Role): string {
  const { key, spki, keyId } = identity(role)
  const author = { identitySpki: spki, identitySigner: coseSignerFromKey(key, keyId), evidence: {} }
  return toHex(rawFrame(FRAME.AUTH, 0, encodeAuth(vectorBinding(role), author)))
}

function exporter(label: string): Uint8Array {
  if (label !== 'EXPORTER-kos1-mac') throw new TypeError(label)
  return bytes(TLS.exporterMac)
}

function readyFrame(sessionId: Uint8Array, role: Role): Buffer {
  const own = role === 'dialler' ? '77' : '88'
  const ready = encodeReady({
    sessionId,
    token: { handle: bytes(own.repeat(16)), secret: Secret.copy(bytes(own.repeat(32))) },
    grants: {
      maxStreams: 64,
      streamWindowBytes: 262_144,
      connectionWindowBytes: 1_048_576,
      opensPerSecond: 50,
      opensBurst: 100,
      maxDeadlineMs: 300_000,
    },
    epoch: 0,
    expiresAt: unixMs(TIME_MS + 3_600_000),
    resumeMs: 30_000,
  })
  return rawFrame(FRAME.READY, 0, ready)
}

function written(write: (writer: CborWriter) => void): Uint8Array {
  const writer = new CborWriter()
  write(writer)
  return writer.take()
}

const open = (trace: string, write: (writer: CborWriter) => void): Uint8Array =>
  written((writer) => {
    const ids = bytes('99'.repeat(16) + 'aa'.repeat(16) + trace)
    writeOpenHead(writer, { ids, command: 'files.read', deadlineMs: 10_000, timeMs: TIME_MS })
    write(writer)
  })

const END_OF_LIST = { sessionId: NO_SESSION, stream: 0 }
const resume = (stream: number, offset: number): Uint8Array =>
  encodeResume({ sessionId: 'cc'.repeat(16), stream, offset })

/** Every frame of a session after READY: name, kind, stream, payload. */
function sessionFrames(): readonly (readonly [string, number, number, Uint8Array])[] {
  const value = encodeCbor(['a large value'])
  return [
    [
      'OPEN with inline arguments',
      FRAME.OPEN | (FLAG_END << 8),
      1,
      open('', (writer) => writer.value({ path: '/etc/hostname', offset: 0 })),
    ],
    [
      'OPEN with a trace id; its arguments follow as DATA',
      FRAME.OPEN,
      3,
      open('bb'.repeat(16), (writer) => writer.bytes(sha256(value))),
    ],
    [
      'OPEN of a call that takes a stream',
      FRAME.OPEN | ((FLAG_END | FLAG_STREAM) << 8),
      5,
      open('', (writer) => writer.value({ path: '/srv/share/log', offset: 0 })),
    ],
    ['DATA of arguments, the last', FRAME.DATA | ((FLAG_END | FLAG_VALUE) << 8), 3, value],
    ['RESULT with a value', FRAME.RESULT, 2, written((writer) => writeOkResult(writer, { n: 1 }))],
    ['DATA of a streamed result', FRAME.DATA, 4, utf8('bytes')],
    [
      'RESULT after DATA',
      FRAME.RESULT,
      4,
      written((writer) => writeStreamResult(writer, encodeCbor(null), sha256(utf8('bytes')))),
    ],
    [
      'RESULT that refuses',
      FRAME.RESULT,
      6,
      written((writer) =>
        writeFailure(writer, {
          status: 'refused',
          code: 'KOS_POLICY_DENIED',
          rule: 'fleet/deny-etc',
          remedy: 'Ask the owner.',
        }),
      ),
    ],
    [
      'RESULT that failed and may be tried again',
      FRAME.RESULT,
      8,
      written((writer) =>
        writeFailure(writer, { status: 'failed', code: 'KOS_SESSION_RATE', retryAfterMs: 20 }),
      ),
    ],
    ['CREDIT of the connection', FRAME.CREDIT, 0, bytes('00080000')],
    ['CREDIT of a stream', FRAME.CREDIT, 2, bytes('00020000')],
    ['RESET, cancelled', FRAME.RESET, 1, bytes('0001')],
    ['RESUME of a session that was lost', FRAME.RESUME, 0, resume(0, 0)],
    ['RESUME of a call in it, 70,000 bytes are there', FRAME.RESUME, 7, resume(3, 70_000)],
    ['RESUME that ends the list', FRAME.RESUME, 0, encodeResume({ ...END_OF_LIST, offset: 0 })],
    ['PING', FRAME.PING, 0, bytes('0102030405060708')],
    ['PONG', FRAME.PONG, 0, bytes('1112131415161718')],
    ['BUSY, the node, 2 s', FRAME.BUSY, 0, bytes('01000007d0')],
    ['GOAWAY, recycle, last stream 7, 5 s', FRAME.GOAWAY, 0, bytes('00000007000200001388')],
    ['REKEY to epoch 1', FRAME.REKEY, 0, bytes('00000001')],
    ['PING under the key of epoch 1', FRAME.PING, 0, bytes('0102030405060708')],
  ]
}

/** One direction's frames, each under a SEAL of its own; number 0 is READY. */
function sealedFrames(
  keys: DirectionKeys,
  ready: Buffer,
): readonly Record<string, string | number>[] {
  const seal = new SealWriter(keys, { role: 'dialler', keyId: identity('dialler').keyId })
  const frames = [
    ['READY', FRAME.READY, 0, ready.subarray(HEADER_BYTES)] as const,
    ...sessionFrames(),
  ]
  return frames.map(([name, kind, stream, payload], number) => {
    const writer = new FrameWriter()
    writer.frame(kind, stream, payload)
    const end = writer.length
    const { epoch } = seal
    seal.seal(writer, TIME_MS + number)
    const all = seal.take(writer)
    if (kind === FRAME.REKEY) seal.rekey()
    const [frame, sealed] = [toHex(all.subarray(0, end)), toHex(all.subarray(end))]
    return { name, epoch, number, time: TIME_MS + number, frame, seal: sealed }
  })
}

/** HKDF-SHA256 without salt, 32 bytes: independent of the code under test. */
const expand = (secret: Uint8Array, info: string): Uint8Array =>
  new Uint8Array(hkdfSync('sha256', secret, new Uint8Array(0), utf8(info), 32))

/** The key schedule of one direction, by the page alone. */
function schedule(role: Role): Record<string, string> {
  const first = expand(bytes(TLS.exporterMac), `kos1 ${role}`)
  const second = expand(first, 'kos1 next epoch')
  return {
    secret0: toHex(first),
    macKey0: toHex(expand(first, 'kos1 mac')),
    secret1: toHex(second),
    macKey1: toHex(expand(second, 'kos1 mac')),
  }
}

/** HMAC of a SEAL by the page alone. */
export function sealMac(
  key: string,
  place: { readonly epoch: number; readonly number: number; readonly time: number },
  frame: string,
): string {
  const context = Buffer.alloc(53)
  context.set(identity('dialler').keyId, 0)
  context.writeUInt8(1, 32)
  context.writeUInt32BE(place.epoch, 33)
  context.writeBigUInt64BE(BigInt(place.time), 37)
  context.writeBigUInt64BE(BigInt(place.number), 45)
  return createHmac('sha256', bytes(key)).update(context).update(bytes(frame)).digest('hex')
}

/** All vectors. */
export interface SessionVectors {
  readonly keys: Readonly<Record<Role, Readonly<Record<string, string>>>>
  readonly tls: Readonly<Record<string, string>>
  readonly hello: Readonly<Record<Role, string>>
  readonly auth: Readonly<Record<Role, { readonly binding: string; readonly frame: string }>>
  readonly schedule: {
    readonly transcript: string
    readonly sessionId: string
    readonly dialler: Readonly<Record<string, string>>
    readonly listener: Readonly<Record<string, string>>
  }
  readonly frames: readonly Readonly<Record<string, string | number>>[]
}

/** Builds all vectors around two recorded AUTH frames. */
export function buildSessionVectors(auth: Readonly<Record<Role, string>>): SessionVectors {
  const key = (role: Role): Record<string, string> => ({
    principal: URI[role],
    pkcs8: PKCS8[role],
    spki: toHex(identity(role).spki),
    keyId: toHex(identity(role).keyId),
  })
  const transcript = transcriptHash({
    diallerHello: helloFrame('dialler'),
    listenerHello: helloFrame('listener'),
    diallerAuth: bytes(auth.dialler),
    listenerAuth: bytes(auth.listener),
  })
  const sessionId = sha256(transcript).subarray(0, 16)
  const keys = DirectionKeys.derive(exporter, transcript)
  const authOf = (role: Role): { readonly binding: string; readonly frame: string } => ({
    binding: toHex(vectorBinding(role)),
    frame: auth[role],
  })
  return {
    keys: { dialler: key('dialler'), listener: key('listener') },
    tls: TLS,
    hello: { dialler: toHex(helloFrame('dialler')), listener: toHex(helloFrame('listener')) },
    auth: { dialler: authOf('dialler'), listener: authOf('listener') },
    schedule: {
      transcript: toHex(transcript),
      sessionId: toHex(sessionId),
      dialler: schedule('dialler'),
      listener: schedule('listener'),
    },
    frames: sealedFrames(keys.dialler, readyFrame(sessionId, 'dialler')),
  }
}
