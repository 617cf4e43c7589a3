import assert from 'node:assert/strict'
import { createPublicKey, verify } from 'node:crypto'
import { describe, it } from 'node:test'
import { toHex } from '../../../../src/foundation/base/index.ts'
import {
  formatNote,
  isNoteName,
  noteKeyId,
  parseNote,
} from '../../../../src/trust/audit/signed-note.ts'

/** The example of the format's first implementation, with its verifier key. */
const GO_NOTE =
  'If you think cryptography is the answer to your problem,\n' +
  "then you don't know what your problem is.\n" +
  '\n' +
  '\u2014 PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n'
const GO_KEY = Buffer.from('ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW', 'base64')

/** The example of the specification: a text with an empty line. */
const SPEC_NOTE =
  'Ognuno sta solo sul cuor della terra\n' +
  'trafitto da un raggio di sole:\n' +
  '\n' +
  'ed \u00e8 subito sera.\n' +
  '\n' +
  '\u2014 quasimodo.example/salvatore NnugSzTjtVAewIS+Z/iJhUPeFDkO/5QQ2i5ddnGITLlC+EhfLW9oJKONrMouFSQU0xMcXxj99ihAQwaqP3ZekRwNtIc=\n'

describe('signed notes', () => {
  it('reads a note of another implementation, key id and signature included', () => {
    const { text, signatures } = parseNote(GO_NOTE)
    const [line] = signatures
    assert.equal(line?.name, 'PeterNeumann')
    assert.equal(toHex(line?.keyId ?? new Uint8Array()), 'c74f20a3')
    // The verifier key is the signature type and the bare public key.
    assert.equal(toHex(noteKeyId('PeterNeumann', 1, GO_KEY.subarray(1))), 'c74f20a3')
    const key = createPublicKey({
      key: { kty: 'OKP', crv: 'Ed25519', x: GO_KEY.subarray(1).toString('base64url') },
      format: 'jwk',
    })
    assert.ok(verify(null, Buffer.from(text), key, line?.signature ?? new Uint8Array()))
  })

  it('keeps empty lines inside the text', () => {
    const { text, signatures } = parseNote(SPEC_NOTE)
    assert.ok(text.endsWith('sole:\n\ned \u00e8 subito sera.\n'))
    assert.equal(signatures.length, 1)
    assert.equal(formatNote(text, signatures), SPEC_NOTE)
    assert.deepEqual(parseNote(Buffer.from(SPEC_NOTE)), parseNote(SPEC_NOTE))
  })

  it('takes up to 16 signatures', () => {
    const line = GO_NOTE.slice(GO_NOTE.indexOf('\u2014'))
    const text = 'text\n\n'
    assert.equal(parseNote(text + line.repeat(16)).signatures.length, 16)
    assert.throws(() => parseNote(text + line.repeat(17)), { code: 'KOS_AUDIT_NOTE' })
  })

  const line = GO_NOTE.slice(GO_NOTE.indexOf('\u2014'), -1)
  const malformed: readonly (readonly [rule: string, note: string | Uint8Array])[] = [
    ['blank line', ''],
    ['blank line', `text\n${line}\n`],
    ['last line', `text\n\n${line}`],
    ['signature count', 'text\n\n'],
    ['signature line', `text\n\n- x ${line.split(' ')[2]}\n`],
    ['signature line', 'text\n\n\u2014 name\n'],
    ['signature line', `text\n\n${line} more\n`],
    ['signature line', `text\n\n${line}\n \n`],
    ['key name', `text\n\n${line.replace('Peter', 'Pe+er')}\n`],
    ['key name', `text\n\n${line.replace('Peter', 'Pe\u2003er')}\n`],
    ['key name', `text\n\n\u2014  ${line.split(' ')[2]}\n`],
    ['base64', `text\n\n${line.slice(0, -1)}\n`],
    ['base64', `text\n\n${line.replace('/', '_')}\n`],
    ['base64', 'text\n\n\u2014 a AAAAAB==\n'],
    ['signature length', 'text\n\n\u2014 a AAAAAA==\n'],
    ['control character', `te\txt\n\n${line}\n`],
    ['UTF-8', `te\ud800xt\n\n${line}\n`],
    ['UTF-8', Uint8Array.of(0xff, 0x0a, 0x0a)],
    ['size', 'x'.repeat(128 * 1024 + 1)],
  ]
  for (const [rule, note] of malformed) {
    it(`refuses a malformed note: ${rule}`, () => {
      assert.throws(() => parseNote(note), { code: 'KOS_AUDIT_NOTE', details: { rule } })
    })
  }

  it('knows names', () => {
    for (const name of ['example.com/log', '\u00e9']) assert.ok(isNoteName(name))
    for (const name of ['', 'a b', 'a+b', 'a\nb', 'a\u0001b', 'a\u2028b']) {
      assert.ok(!isNoteName(name))
    }
  })
})
