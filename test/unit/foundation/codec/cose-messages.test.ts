import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { type Refusal, Secret, utf8 } from '../../../../src/foundation/base/index.ts'
import {
  CborTag,
  type CborInput,
  type CborValue,
  encodeCbor,
  macCose0,
  signCose,
  signCose1,
  verifyCose,
  verifyCose1,
  verifyCoseMac0,
} from '../../../../src/foundation/codec/index.ts'
import { cosePair, editCose, TEST_AAD } from '../../../kit/cose.ts'

const payload = Uint8Array.from(utf8('a payload'))
const content = { payload, externalAad: TEST_AAD }
const check = { externalAad: TEST_AAD, maxBytes: 16_384 }
const misuse = { name: 'KosError', code: 'KOS_CODEC_COSE' }
const es256 = cosePair('ES256')
const other = cosePair('ES256')
const eddsa = cosePair('EdDSA')
const mlDsa = cosePair('ML-DSA-65')

function isRefused(result: object, rule: string | RegExp): void {
  const refusal = result as Refusal
  assert.equal(refusal.allow, false)
  assert.equal(refusal.code, 'KOS_CODEC_COSE')
  if (typeof rule === 'string') assert.equal(refusal.rule, rule)
  else assert.match(refusal.rule, rule)
}

const header = (entries: readonly (readonly [number, CborInput])[]): Uint8Array =>
  encodeCbor(new Map(entries))

/** Replaces one element of a message. */
function put(message: Uint8Array, index: number, value: CborValue): Uint8Array {
  return editCose(message, (parts, tag) => new CborTag(tag, parts.with(index, value)))
}

describe('COSE_Sign1', () => {
  const message = signCose1(content, es256.signer)
  const verify1 = (bytes: Uint8Array) => verifyCose1(bytes, { ...check, verifier: es256.verifier })

  test('verifies by one key or by the key that the id leads to', () => {
    const expected = { payload, keyId: Uint8Array.from(es256.verifier.keyId) }
    assert.deepEqual(verify1(message), expected)
    const resolve = (keyId: Uint8Array) =>
      [other.verifier, es256.verifier].find((one) => Buffer.compare(one.keyId, keyId) === 0)
    const found = verifyCose1(message, { ...check, resolve })
    assert.deepEqual(found, expected)
    isRefused(verifyCose1(message, { ...check, resolve: () => undefined }), 'key id')
    isRefused(verifyCose1(message, { ...check, resolve: () => other.verifier }), 'key id')
  })

  test('returns a copy of the payload', () => {
    const bytes = Uint8Array.from(message)
    const result = verify1(bytes)
    bytes.fill(0)
    assert.ok('payload' in result)
    assert.deepEqual(result.payload, payload)
  })

  test('refuses another context, payload, key and signature', () => {
    const aad = { ...check, externalAad: utf8('kos-other-v1'), verifier: es256.verifier }
    isRefused(verifyCose1(message, aad), 'signature')
    isRefused(verify1(put(message, 2, utf8('b payload'))), 'signature')
    isRefused(verify1(put(message, 3, new Uint8Array(64))), 'signature')
    isRefused(verify1(put(message, 3, new Uint8Array(63))), 'signature')
    isRefused(verifyCose1(message, { ...check, verifier: other.verifier }), 'key id')
  })

  test('refuses another algorithm than the key has', () => {
    const keyId = es256.signer.keyId
    for (const id of [-8, -35, 5]) {
      isRefused(
        verify1(
          put(
            message,
            0,
            header([
              [1, id],
              [4, keyId],
            ]),
          ),
        ),
        'algorithm',
      )
    }
  })

  test('binds the content type', () => {
    const typed = signCose1({ ...content, contentType: 'kos/demo' }, es256.signer)
    const verifier = es256.verifier
    assert.ok('payload' in verifyCose1(typed, { ...check, verifier, contentType: 'kos/demo' }))
    isRefused(verify1(typed), 'content type')
    isRefused(verifyCose1(message, { ...check, verifier, contentType: 'kos/demo' }), 'content type')
    const long = { ...content, contentType: 'x'.repeat(256) }
    assert.throws(() => signCose1(long, es256.signer), misuse)
  })

  test('refuses every other form', () => {
    const keyId = es256.signer.keyId
    const forms: readonly Uint8Array[] = [
      new Uint8Array(0),
      message.subarray(1),
      message.subarray(0, -1),
      Uint8Array.from([...message, 0]),
      editCose(message, (parts) => new CborTag(17, parts)),
      editCose(message, (parts, tag) => new CborTag(tag, parts.slice(0, 3))),
      editCose(message, (parts, tag) => new CborTag(tag, [...parts, 0])),
      put(message, 0, new Uint8Array(0)),
      put(message, 0, header([])),
      put(message, 0, header([[1, -7]])),
      put(message, 0, header([[4, keyId]])),
      put(
        message,
        0,
        header([
          [1, -7],
          [2, [1]],
          [4, keyId],
        ]),
      ),
      put(
        message,
        0,
        header([
          [1, -7],
          [4, keyId],
          [5, 0],
        ]),
      ),
      put(
        message,
        0,
        header([
          [1, -7],
          [3, 'x'],
          [4, keyId],
          [5, 0],
        ]),
      ),
      put(
        message,
        0,
        header([
          [1, -7],
          [4, new Uint8Array(0)],
        ]),
      ),
      put(
        message,
        0,
        header([
          [1, -7],
          [4, new Uint8Array(65)],
        ]),
      ),
      put(
        message,
        0,
        Uint8Array.from([
          ...header([
            [1, -7],
            [4, keyId],
          ]),
          0,
        ]),
      ),
      put(message, 1, new Map([[4, keyId]])),
      put(message, 2, null),
      put(message, 3, 'text'),
    ]
    for (const form of forms) isRefused(verify1(form), /^format: /)
    const small = { ...check, verifier: es256.verifier, maxBytes: message.length - 1 }
    isRefused(verifyCose1(message, small), 'format: limit: bytes')
  })

  test('refuses to sign with a key id of a wrong length', () => {
    for (const length of [0, 65]) {
      const signer = { ...es256.signer, keyId: new Uint8Array(length) }
      assert.throws(() => signCose1(content, signer), misuse)
    }
  })

  test('lets an error that is not its own pass', () => {
    const verifier = es256.verifier
    assert.throws(
      () => verifyCose1(null as unknown as Uint8Array, { ...check, verifier }),
      TypeError,
    )
  })
})

describe('COSE_Sign', () => {
  const message = signCose(content, [es256.signer, mlDsa.signer])
  const verifiers = [es256.verifier, mlDsa.verifier]
  const verify2 = (bytes: Uint8Array, keys = verifiers) =>
    verifyCose(bytes, { ...check, verifiers: keys })

  test('verifies with all keys, in any order', () => {
    for (const keys of [verifiers, verifiers.toReversed()]) {
      assert.deepEqual(verify2(message, keys), { payload: payload })
    }
    assert.deepEqual(
      Buffer.from(signCose(content, [eddsa.signer])),
      Buffer.from(signCose(content, [eddsa.signer])),
    )
  })

  test('refuses fewer, more and other keys', () => {
    isRefused(verify2(message, [es256.verifier]), 'key id')
    isRefused(verify2(message, [...verifiers, eddsa.verifier]), 'key id')
    isRefused(verify2(message, [other.verifier, mlDsa.verifier]), 'key id')
  })

  test('refuses a dropped, doubled or exchanged signature', () => {
    const edit = (change: (entries: CborValue[]) => CborValue[]) =>
      editCose(message, (parts, tag) => {
        const entries = [...(parts[3] as readonly CborValue[])]
        return new CborTag(tag, parts.with(3, change(entries)))
      })
    isRefused(verify2(edit((entries) => entries.slice(0, 1))), 'key id')
    isRefused(
      verify2(
        edit((entries) => entries.slice(0, 1)),
        [es256.verifier],
      ),
      'key id',
    )
    isRefused(verify2(edit((entries) => [...entries, ...entries])), 'key id')
    isRefused(verify2(edit((entries) => entries.toReversed())), 'key id')
    isRefused(verify2(edit(() => [])), /^format: /)
    isRefused(
      verify2(edit((entries) => Array.from({ length: 9 }, () => entries[0] ?? 0))),
      /^format/,
    )
  })

  test('refuses a message cut down to fewer keys: the list of keys is signed', () => {
    const cut = editCose(message, (parts, tag) => {
      const entries = parts[3] as readonly (readonly CborValue[])[]
      const [kept] = entries.filter((entry) => (entry[2] as Uint8Array).length === 64)
      const list = header([[-70001, [es256.signer.keyId]]])
      return new CborTag(tag, parts.with(0, list).with(3, [kept ?? 0]))
    })
    isRefused(verify2(cut), 'key id')
    isRefused(verify2(cut, [es256.verifier]), 'signature')
  })

  test('refuses changes of payload, context, algorithm, type and headers', () => {
    isRefused(verify2(put(message, 2, utf8('b'))), 'signature')
    isRefused(verifyCose(message, { ...check, externalAad: utf8('x'), verifiers }), 'signature')
    const one = signCose(content, [es256.signer])
    const keyId = es256.signer.keyId
    const entry = (protectedBytes: Uint8Array) =>
      put(one, 3, [[protectedBytes, new Map(), new Uint8Array(64)]])
    const verifyOne = (bytes: Uint8Array) => verify2(bytes, [es256.verifier])
    isRefused(
      verifyOne(
        entry(
          header([
            [1, -8],
            [4, keyId],
          ]),
        ),
      ),
      'algorithm',
    )
    isRefused(
      verifyOne(
        entry(
          header([
            [1, -7],
            [4, other.signer.keyId],
          ]),
        ),
      ),
      'key id',
    )
    isRefused(
      verifyOne(
        entry(
          header([
            [1, -7],
            [3, 'x'],
            [4, keyId],
          ]),
        ),
      ),
      'content type',
    )
    isRefused(verifyOne(entry(header([[1, -7]]))), /^format: /)
    isRefused(verifyOne(put(one, 3, [[header([]), new Map()]])), /^format: /)
    isRefused(
      verifyOne(
        put(
          one,
          0,
          header([
            [-70001, [keyId]],
            [-70002, 1],
          ]),
        ),
      ),
      /^format: /,
    )
    isRefused(verifyOne(put(one, 0, header([[-70002, [keyId]]]))), /^format: /)
    isRefused(verifyOne(put(one, 1, new Map([[1, 1]]))), /^format: /)
  })

  test('refuses wrong numbers of keys as misuse', () => {
    const nine = Array.from({ length: 9 }, () => cosePair('EdDSA'))
    assert.throws(() => signCose(content, []), misuse)
    assert.throws(() => signCose(content, [es256.signer, es256.signer]), misuse)
    assert.throws(
      () =>
        signCose(
          content,
          nine.map(({ signer }) => signer),
        ),
      misuse,
    )
    assert.throws(() => verify2(message, []), misuse)
  })
})

describe('COSE_Mac0', () => {
  const key = { keyId: Uint8Array.of(1, 2), secret: Secret.copy(new Uint8Array(32).fill(9)) }
  const message = macCose0(content, key)

  test('verifies with the key and context', () => {
    assert.deepEqual(verifyCoseMac0(message, { ...check, key }), {
      payload: payload,
    })
  })

  test('refuses another key, context, tag, algorithm, type and form', () => {
    const secret = Secret.copy(new Uint8Array(32))
    const verifyMac = (bytes: Uint8Array) => verifyCoseMac0(bytes, { ...check, key })
    isRefused(verifyCoseMac0(message, { ...check, key: { ...key, secret } }), 'tag')
    isRefused(verifyCoseMac0(message, { ...check, externalAad: utf8('x'), key }), 'tag')
    const foreign = { ...key, keyId: Uint8Array.of(1) }
    isRefused(verifyCoseMac0(message, { ...check, key: foreign }), 'key id')
    isRefused(verifyMac(put(message, 3, new Uint8Array(32))), 'tag')
    isRefused(verifyMac(put(message, 3, new Uint8Array(0))), 'tag')
    isRefused(
      verifyMac(
        put(
          message,
          0,
          header([
            [1, 4],
            [4, key.keyId],
          ]),
        ),
      ),
      'algorithm',
    )
    const typed = header([
      [1, 5],
      [3, 'x'],
      [4, key.keyId],
    ])
    isRefused(verifyMac(put(message, 0, typed)), 'content type')
    isRefused(verifyMac(signCose1(content, es256.signer)), /^format: /)
  })

  test('refuses short secrets as misuse', () => {
    const short = { keyId: key.keyId, secret: Secret.copy(new Uint8Array(31)) }
    assert.throws(() => macCose0(content, short), misuse)
    assert.throws(() => verifyCoseMac0(message, { ...check, key: short }), misuse)
  })
})
