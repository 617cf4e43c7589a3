import assert from 'node:assert/strict'
import { createPublicKey, generateKeyPairSync, verify } from 'node:crypto'
import { describe, it } from 'node:test'
import { isRefusal, sha256 } from '../../../../src/foundation/base/index.ts'
import {
  claimedOrigin,
  createCheckpointSigner,
  createCheckpointVerifier,
} from '../../../../src/trust/audit/checkpoint.ts'
import { formatNote, noteKeyId, parseNote } from '../../../../src/trust/audit/signed-note.ts'
import { logKeyOf, makeLogKeys, publicKeysOf } from '../../../kit/audit.ts'

const ORIGIN = 'kos.test/log'
const KEYS = makeLogKeys()
const SIGNER = createCheckpointSigner(ORIGIN, KEYS)
const VERIFIER = createCheckpointVerifier(ORIGIN, publicKeysOf(KEYS))
const ROOT = sha256(Buffer.from('root'))
const CHECKPOINT = SIGNER.sign({ size: 20_852_163, root: ROOT }, 1_679_315_147_999)
const NOTE = CHECKPOINT.note

const rule = (note: string): string | undefined => {
  const result = VERIFIER(note)
  return isRefusal(result) ? result.rule : undefined
}

/** The note with its text or one of its lines changed. */
function changed(change: (text: string, lines: string[]) => string): string {
  const split = NOTE.lastIndexOf('\n\n')
  return change(NOTE.slice(0, split + 1), NOTE.slice(split + 2, -1).split('\n'))
}

describe('checkpoints', () => {
  it('are three lines and two signatures', () => {
    const { text, signatures } = parseNote(NOTE)
    assert.equal(text, `${ORIGIN}\n20852163\n${Buffer.from(ROOT).toString('base64')}\n`)
    assert.deepEqual(
      signatures.map(({ name, signature }) => [name, signature.length]),
      [
        [ORIGIN, 64],
        [ORIGIN, 8 + 2420],
      ],
    )
  })

  it('verify, and say when they were signed', () => {
    const checkpoint = VERIFIER(NOTE)
    assert.ok(!isRefusal(checkpoint))
    assert.deepEqual(Buffer.from(checkpoint.root), Buffer.from(ROOT))
    assert.deepEqual(
      [checkpoint.origin, checkpoint.size, checkpoint.timeSeconds],
      [ORIGIN, 20_852_163, 1_679_315_147],
    )
    assert.equal(claimedOrigin(NOTE), ORIGIN)
  })

  it('carry signatures as the formats define them, byte by byte', () => {
    const { text, signatures } = parseNote(NOTE)
    const [ed25519, mlDsa44] = signatures
    const spki = (der: Uint8Array) =>
      createPublicKey({ key: Buffer.from(der), format: 'der', type: 'spki' })
    const raw = KEYS.ed25519.spki.slice(-32)
    assert.deepEqual(Buffer.from(ed25519?.keyId ?? []), Buffer.from(noteKeyId(ORIGIN, 1, raw)))
    assert.ok(
      verify(
        null,
        Buffer.from(text),
        spki(KEYS.ed25519.spki),
        ed25519?.signature ?? new Uint8Array(),
      ),
    )
    const bare = KEYS.mlDsa44.spki.slice(-1312)
    assert.deepEqual(Buffer.from(mlDsa44?.keyId ?? []), Buffer.from(noteKeyId(ORIGIN, 6, bare)))
    // c2sp.org/tlog-cosignature: label, name, timestamp, origin, start, end, hash.
    const number = (value: number): string => value.toString(16).padStart(16, '0')
    const name = `${ORIGIN.length.toString(16).padStart(2, '0')}${Buffer.from(ORIGIN).toString('hex')}`
    const message = [
      '737562747265652f76310a00',
      name,
      number(1_679_315_147),
      name,
      number(0),
      number(20_852_163),
      Buffer.from(ROOT).toString('hex'),
    ].join('')
    const stamped = Buffer.from(mlDsa44?.signature ?? [])
    assert.equal(stamped.subarray(0, 8).toString('hex'), number(1_679_315_147))
    assert.ok(
      verify(null, Buffer.from(message, 'hex'), spki(KEYS.mlDsa44.spki), stamped.subarray(8)),
    )
  })

  it('need both signatures, in any order, and ignore those of others', () => {
    const other = createCheckpointSigner(ORIGIN, makeLogKeys()).sign({ size: 1, root: ROOT }, 0)
    const [foreign] = parseNote(other.note).signatures
    const { text, signatures } = parseNote(NOTE)
    assert.equal(rule(formatNote(text, signatures.toReversed())), undefined)
    assert.equal(rule(formatNote(text, [...signatures, ...(foreign ? [foreign] : [])])), undefined)
    assert.equal(rule(formatNote(text, signatures.slice(0, 1))), 'ML-DSA-44')
    assert.equal(rule(formatNote(text, signatures.slice(1))), 'Ed25519')
    assert.equal(rule(formatNote(text, [...signatures, ...signatures])), 'Ed25519')
  })

  it('do not survive a changed byte', () => {
    assert.equal(rule(NOTE.replace('20852163', '20852164')), 'Ed25519')
    assert.equal(rule(NOTE.replace(`${ORIGIN}\n`, 'kos.test/other\n')), 'origin')
    const { text, signatures } = parseNote(NOTE)
    signatures.forEach(({ name, keyId, signature }, position) => {
      // The last byte of either signature, and the first byte of the time.
      for (const at of position === 0 ? [63] : [2427, 7]) {
        const forged = Uint8Array.from(signature)
        forged[at] = (forged[at] ?? 0) ^ 1
        const lines = signatures.with(position, { name, keyId, signature: forged })
        assert.equal(rule(formatNote(text, lines)), position === 0 ? 'Ed25519' : 'ML-DSA-44')
      }
    })
    const [first, second] = signatures
    if (!first || !second) assert.fail()
    const short = { ...second, signature: second.signature.subarray(0, 100) }
    assert.equal(rule(formatNote(text, [first, short])), 'ML-DSA-44')
    const far = Uint8Array.from(second.signature).fill(0xff, 0, 8)
    assert.equal(rule(formatNote(text, [first, { ...second, signature: far }])), 'time')
  })

  it('are refused when they are malformed', () => {
    const lines = (body: string): string =>
      changed((_, signed) => `${body}\n${signed.join('\n')}\n`)
    const root = Buffer.from(ROOT).toString('base64')
    assert.equal(rule('nonsense'), 'blank line')
    assert.equal(rule(lines(`${ORIGIN}\n1\n`)), 'lines')
    assert.equal(rule(lines(`${ORIGIN}\n1\n${root}\nextension\n`)), 'lines')
    assert.equal(rule(lines(`${ORIGIN}\n01\n${root}\n`)), 'size')
    assert.equal(rule(lines(`${ORIGIN}\n-1\n${root}\n`)), 'size')
    assert.equal(rule(lines(`${ORIGIN}\n9007199254740993\n${root}\n`)), 'size')
    assert.equal(rule(lines(`${ORIGIN}\n1\n${root.slice(4)}\n`)), 'root')
    assert.equal(rule(lines(`${ORIGIN}\n1\n${root.replace(/.=$/, '/=')}\n`)), 'root')
    assert.equal(claimedOrigin('nonsense'), undefined)
    assert.equal(claimedOrigin(lines(`a b\n1\n${root}\n`)), undefined)
  })

  it('are made with the right keys and names only', () => {
    const p256 = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey
    const wrong = logKeyOf('Ed25519', p256)
    for (const keys of [
      { ...KEYS, ed25519: wrong },
      { ...KEYS, mlDsa44: KEYS.ed25519 },
      { ...KEYS, ed25519: { ...KEYS.ed25519, spki: new Uint8Array(4) } },
    ]) {
      assert.throws(() => createCheckpointSigner(ORIGIN, keys), { code: 'KOS_AUDIT_KEY' })
    }
    for (const origin of ['', 'a b', 'a+b', 'x'.repeat(256)]) {
      assert.throws(() => createCheckpointSigner(origin, KEYS), { code: 'KOS_AUDIT_NOTE' })
    }
  })
})
