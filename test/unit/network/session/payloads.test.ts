/** HELLO, AUTH, READY, OPEN and RESULT: each is read back, and nothing else is read. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import {
  isRefusal,
  KosError,
  Secret,
  sha256,
  unixMs,
} from '../../../../src/foundation/base/index.ts'
import {
  type CborInput,
  CborReader,
  CborWriter,
  coseVerifierFromSpki,
  decodeCbor,
  encodeCbor,
} from '../../../../src/foundation/codec/index.ts'
import { PROFILES } from '../../../../src/foundation/profiles/index.ts'
import {
  encodeAuth,
  encodeBinding,
  type MetKeys,
  verifyAuth,
} from '../../../../src/network/session/auth.ts'
import {
  decodeOpen,
  decodeResult,
  decodeRule,
  isCallFault,
  readDigest,
  writeFailure,
  writeOkResult,
  writeOpenHead,
  writeStreamResult,
} from '../../../../src/network/session/call-codec.ts'
import { decodeHello, encodeHello, type Hello } from '../../../../src/network/session/hello.ts'
import { decodeReady, encodeReady } from '../../../../src/network/session/ready.ts'
import { testPeer } from '../../../kit/session-pair.ts'

const peer = testPeer('dialler')
const REFUSED = (error: unknown): boolean =>
  error instanceof KosError &&
  ['KOS_SESSION_PROTOCOL', 'KOS_CODEC_CBOR'].includes(String(error.code))

/** The encoding with one element of its array replaced. */
function replaced(bytes: Uint8Array, index: number, value: CborInput): Uint8Array {
  const array = [...(decodeCbor(bytes) as readonly CborInput[])]
  array[index] = value
  return encodeCbor(array)
}

describe('HELLO', () => {
  const hello: Hello = {
    versions: [1],
    role: 'dialler',
    principal: peer.principal,
    profile: PROFILES['SEC-2'],
    nonce: new Uint8Array(32).fill(5),
    time: unixMs(1_767_225_600_000),
    maxControlBytes: 16_384,
    maxDataBytes: 65_536,
    directory: { era: 1, number: 7 },
    manifest: undefined,
    updateCounter: 3,
  }
  const bytes = encodeHello(hello)

  test('is read back', () => {
    assert.deepEqual(decodeHello(bytes), hello)
    const other: Hello = { ...hello, role: 'listener', versions: [1, 2, 9], directory: undefined }
    assert.deepEqual(decodeHello(encodeHello(other)), other)
  })

  const faults: readonly (readonly [string, number, CborInput])[] = [
    ['no version', 0, []],
    ['nine versions', 0, [1, 2, 3, 4, 5, 6, 7, 8, 9]],
    ['versions out of order', 0, [2, 1]],
    ['version 0', 0, [0]],
    ['an unknown role', 1, 3],
    ['a principal that is none', 2, 'spiffe://kos.internal/robot/x'],
    ['an unknown profile', 3, 5],
    ['a short nonce', 4, new Uint8Array(31)],
    ['a negative time', 5, -1],
    ['limits of one element', 6, [16_384]],
    ['control frames below 1 KiB', 6, [1023, 65_536]],
    ['control frames above the protocol', 6, [16_385, 65_536]],
    ['DATA below 1 KiB', 6, [16_384, 1023]],
    ['DATA above the protocol', 6, [16_384, 65_537]],
    ['a directory of three elements', 7, [1, 2, 3]],
    ['a manifest that is text', 8, 'x'],
    ['a counter that is text', 9, 'x'],
    ['an eleventh element', 10, 1],
  ]
  for (const [title, index, value] of faults) {
    test(`refuses ${title}`, () =>
      assert.throws(() => decodeHello(replaced(bytes, index, value)), REFUSED))
  }

  test('refuses trailing bytes', () => {
    assert.throws(() => decodeHello(Buffer.concat([bytes, Buffer.of(0)])), REFUSED)
  })
})

describe('AUTH', () => {
  const binding = encodeBinding({
    role: 'dialler',
    ownLeafHash: sha256(Uint8Array.of(1)),
    peerLeafHash: sha256(Uint8Array.of(2)),
    diallerHelloHash: sha256(Uint8Array.of(3)),
    listenerHelloHash: sha256(Uint8Array.of(4)),
    exporter: new Uint8Array(32),
  })
  const { identitySpki, identitySigner } = peer.own
  const author = { identitySpki, identitySigner, evidence: {} }
  const hash = peer.facts.identityKeyHash
  const rules = (payload: Uint8Array): string => {
    const result = verifyAuth(payload, binding, { keyHash: hash })
    assert.ok(isRefusal(result) && result.code === 'KOS_SESSION_AUTH')
    return result.rule
  }
  const fields = (payload: Uint8Array): Map<number, CborInput> =>
    new Map(decodeCbor(payload) as ReadonlyMap<number, CborInput>)
  const changed = (key: number, value: CborInput | undefined): Uint8Array => {
    const map = fields(encodeAuth(binding, author))
    if (value === undefined) map.delete(key)
    else map.set(key, value)
    return encodeCbor(map)
  }

  test('verifies, with and without evidence', () => {
    const none = verifyAuth(encodeAuth(binding, author), binding, { keyHash: hash })
    assert.deepEqual(none, { attestation: undefined, secondFactor: undefined })
    const evidence = { attestation: Uint8Array.of(1), secondFactor: Uint8Array.of(2, 3) }
    const payload = encodeAuth(binding, { ...author, evidence })
    assert.deepEqual(verifyAuth(payload, binding, { keyHash: hash }), evidence)
  })

  test('the key of a leaf met before is not imported again', () => {
    const met: MetKeys = new WeakMap()
    const payload = encodeAuth(binding, author)
    const check = (keyHash: Uint8Array): ReturnType<typeof verifyAuth> =>
      verifyAuth(payload, binding, { keyHash, met })
    assert.ok(!isRefusal(check(hash)))
    const entry = met.get(hash)
    assert.ok(entry)
    assert.deepEqual(Buffer.from(entry.spki), Buffer.from(identitySpki))
    assert.ok(!isRefusal(check(hash)))
    assert.equal(met.get(hash), entry)
    // What stands there is used: with the verifier of another key the same AUTH no longer verifies.
    const stranger = testPeer('stranger').own
    met.set(hash, { spki: entry.spki, verifier: coseVerifierFromSpki(stranger.identitySpki) })
    assert.ok(isRefusal(check(hash)))
    // Another object with the same bytes is another leaf's.
    const copy = Uint8Array.from(hash)
    assert.ok(!isRefusal(check(copy)))
    assert.notEqual(met.get(copy), met.get(hash))
  })

  test('a key met before lets no other key in, and a refused key is not kept', () => {
    const met: MetKeys = new WeakMap()
    const ask = (payload: Uint8Array, keyHash: Uint8Array = hash): string => {
      const result = verifyAuth(payload, binding, { keyHash, met })
      return isRefusal(result) ? result.rule : 'ok'
    }
    const stranger = testPeer('stranger').own
    const forged = encodeAuth(binding, { ...stranger, evidence: {} })
    assert.equal(ask(forged), 'identity key')
    assert.equal(met.get(hash), undefined)
    assert.equal(ask(encodeAuth(binding, author)), 'ok')
    assert.equal(ask(forged), 'identity key')
    // The known key with a signature of another one.
    const signedByStranger = { ...author, identitySigner: stranger.identitySigner }
    assert.notEqual(ask(encodeAuth(binding, signedByStranger)), 'ok')
    assert.equal(ask(encodeAuth(binding, author)), 'ok')
  })

  test('refuses another binding, another key and other forms', () => {
    const other = encodeBinding({
      role: 'listener',
      ownLeafHash: hash,
      peerLeafHash: hash,
      diallerHelloHash: hash,
      listenerHelloHash: hash,
      exporter: hash,
    })
    assert.equal(rules(encodeAuth(other, author)), 'binding')
    const stranger = testPeer('stranger').own
    assert.equal(rules(encodeAuth(binding, { ...stranger, evidence: {} })), 'identity key')
    assert.equal(rules(changed(1, Uint8Array.of(1))), 'format: key: not a canonical SPKI')
    assert.equal(rules(changed(1, new Uint8Array(4097))), 'format: auth: fields')
    assert.equal(rules(changed(1, undefined)), 'format: auth: fields')
    assert.equal(rules(changed(2, undefined)), 'format: auth: fields')
    assert.match(rules(changed(2, Uint8Array.of(1))), /^format: /)
    assert.equal(rules(changed(5, Uint8Array.of(1))), 'format: auth: unknown field')
    assert.equal(rules(encodeCbor({ a: 1 })), 'format: auth: unknown field')
    const own = encodeAuth(binding, { ...author, identitySigner: stranger.identitySigner })
    assert.equal(rules(own), 'key id')
  })

  test('does not hide an error that is not about the payload', () => {
    const broken = new Proxy(new Uint8Array(1), {
      get: () => {
        throw new TypeError('broken')
      },
    })
    assert.throws(() => verifyAuth(broken, binding, { keyHash: hash }), TypeError)
  })
})

describe('READY', () => {
  const ready = {
    sessionId: new Uint8Array(16).fill(1),
    token: { handle: new Uint8Array(16).fill(2), secret: Secret.copy(new Uint8Array(32).fill(3)) },
    grants: {
      maxStreams: 64,
      streamWindowBytes: 262_144,
      connectionWindowBytes: 1_048_576,
      opensPerSecond: 50,
      opensBurst: 100,
      maxDeadlineMs: 300_000,
    },
    epoch: 0,
    expiresAt: unixMs(1_767_229_200_000),
    resumeMs: 30_000,
  }
  const bytes = encodeReady(ready)

  test('is read back, the secret too', () => {
    const read = decodeReady(bytes)
    assert.deepEqual({ ...read, token: 0 }, { ...ready, token: 0 })
    assert.deepEqual(read.token.handle, ready.token.handle)
    assert.ok(read.token.secret.equals(ready.token.secret))
  })

  const faults: readonly (readonly [string, number, CborInput])[] = [
    ['a short session id', 0, new Uint8Array(15)],
    ['a long handle', 1, new Uint8Array(17)],
    ['a short secret', 2, new Uint8Array(31)],
    ['five limits', 3, [1, 1, 1, 1, 1]],
    ['a limit of 0', 3, [0, 1, 1, 1, 1, 1]],
    ['a window of 2 GiB', 3, [1, 2 ** 31, 1, 1, 1, 1]],
    ['an epoch above 0', 4, 1],
    ['an expiry that is text', 5, 'x'],
    ['a resumption of 2 GiB', 6, 2 ** 31],
    ['an eighth element', 7, 1],
  ]
  for (const [title, index, value] of faults) {
    test(`refuses ${title}`, () =>
      assert.throws(() => decodeReady(replaced(bytes, index, value)), REFUSED))
  }
})

describe('OPEN', () => {
  const ids = Buffer.from('00112233445566778899aabbccddeeff'.repeat(3), 'hex')
  const open = (head: { readonly ids?: Uint8Array; readonly command?: string } = {}): Buffer => {
    const writer = new CborWriter()
    writeOpenHead(writer, {
      ids: head.ids ?? ids.subarray(0, 32),
      command: head.command ?? 'echo',
      deadlineMs: 10_000,
      timeMs: 1_767_225_600_000,
    })
    writer.value({ n: 1 })
    return Buffer.from(writer.take())
  }

  test('is read back; without a trace id the call id serves', () => {
    const { rest, ...head } = decodeOpen(open())
    assert.deepEqual(head, {
      callId: '00112233445566778899aabbccddeeff',
      command: 'echo',
      deadlineMs: 10_000,
      timeMs: 1_767_225_600_000,
      traceId: '00112233445566778899aabbccddeeff',
    })
    assert.deepEqual({ ...(rest.plain() as object) }, { n: 1 })
    const trace = Buffer.from(ids)
    trace.fill(0xab, 32)
    assert.equal(decodeOpen(open({ ids: trace })).traceId, 'ab'.repeat(16))
    assert.equal(decodeOpen(open({ ids: trace })).callId, head.callId)
  })

  test('refuses ids of another length, no command, a long one, other fields', () => {
    for (const length of [0, 16, 31, 33, 47]) {
      assert.throws(() => decodeOpen(open({ ids: ids.subarray(0, length) })), REFUSED)
    }
    assert.throws(() => decodeOpen(open({ command: '' })), REFUSED)
    assert.equal(decodeOpen(open({ command: 'c'.repeat(255) })).command.length, 255)
    assert.throws(() => decodeOpen(open({ command: 'c'.repeat(256) })), REFUSED)
    assert.throws(() => decodeOpen(open({ command: 'é'.repeat(128) })), REFUSED)
    assert.throws(() => decodeOpen(Buffer.from(encodeCbor([ids, 'echo', 1, 1]))), REFUSED)
  })

  test('a digest is 32 bytes', () => {
    assert.throws(() => readDigest(new CborReader(encodeCbor(new Uint8Array(31)))), REFUSED)
  })
})

describe('RESULT', () => {
  const written = (write: (writer: CborWriter) => void): Buffer => {
    const writer = new CborWriter()
    write(writer)
    return Buffer.from(writer.take())
  }

  test('a value is read back, inline or with the digest of its stream', () => {
    const ok = written((writer) => writeOkResult(writer, [1, 'a']))
    assert.deepEqual(decodeResult(ok), { status: 'ok', value: [1, 'a'], digest: undefined })
    const digest = new Uint8Array(32).fill(9)
    const stream = written((writer) => writeStreamResult(writer, Uint8Array.of(0xf6), digest))
    assert.deepEqual(decodeResult(stream), { status: 'ok', value: null, digest })
  })

  test('a "no" is read back', () => {
    for (const failure of [
      { status: 'refused', code: 'KOS_POLICY_DENIED' },
      { status: 'failed', code: 'KOS_X', rule: 'fleet/a', remedy: 'Ask.', retryAfterMs: 5 },
    ] as const) {
      assert.deepEqual(decodeResult(written((writer) => writeFailure(writer, failure))), failure)
    }
  })

  test('what a handler says is brought into bounds', () => {
    const failure = {
      status: 'failed',
      code: 'not a code',
      rule: `${'r'.repeat(255)}\u{1f600}`,
      remedy: 'x'.repeat(600),
      retryAfterMs: 2 ** 40,
    } as const
    assert.deepEqual(decodeResult(written((writer) => writeFailure(writer, failure))), {
      status: 'failed',
      code: 'KOS_SESSION_INTERNAL',
      rule: `${'r'.repeat(255)}\ufffd`,
      remedy: 'x'.repeat(512),
      retryAfterMs: 2 ** 32 - 1,
    })
    const never = { status: 'failed', code: 'KOS_X', retryAfterMs: Number.NaN } as const
    assert.deepEqual(decodeResult(written((writer) => writeFailure(writer, never))), {
      status: 'failed',
      code: 'KOS_X',
    })
  })

  const faults: readonly (readonly [string, CborInput])[] = [
    ['an unknown status', [3, null, null]],
    ['a value with five fields', [0, null, null, null, null]],
    ['a "no" with three fields', [1, 'KOS_X', null]],
    ['a code of another form', [1, 'EACCES', null, null, null]],
    ['a long code', [1, `KOS_${'A'.repeat(61)}`, null, null, null]],
    ['a long rule', [1, 'KOS_X', 'r'.repeat(800), null, null]],
    ['a long remedy', [1, 'KOS_X', null, 'r'.repeat(2000), null]],
    ['a retry beyond u32', [1, 'KOS_X', null, null, 2 ** 32]],
    ['a short digest', [0, null, new Uint8Array(31)]],
  ]
  for (const [title, value] of faults) {
    test(`refuses ${title}`, () =>
      assert.throws(() => decodeResult(Buffer.from(encodeCbor(value))), REFUSED))
  }
})

test('a rule is named where there is one; other errors go on', () => {
  assert.equal(
    decodeRule(
      catchError(() => decodeCbor(Uint8Array.of(0xff))),
      'open',
    ),
    'open: simple: unknown value',
  )
  const bare = new KosError('KOS_X', { message: '', hint: '', retry: 'never' })
  assert.equal(decodeRule(bare, 'open'), 'open')
  assert.equal(isCallFault(bare), false)
  assert.throws(() => decodeRule(new TypeError('x'), 'open'), TypeError)
})

function catchError(run: () => unknown): unknown {
  try {
    run()
  } catch (error) {
    return error
  }
  return undefined
}
