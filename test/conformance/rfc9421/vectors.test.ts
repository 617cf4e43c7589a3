/** RFC 9421 appendix B: every example's signature base is built and its signature verified. */
import assert from 'node:assert/strict'
import { constants, createPublicKey, type KeyObject, verify } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { Secret } from '../../../src/foundation/base/index.ts'
import {
  type HttpMessage,
  httpSignatureBase,
  parseHttpSignatures,
  signHttpHmac,
  verifyContentDigest,
  verifyHttpHmac,
} from '../../../src/foundation/codec/index.ts'

interface Example {
  readonly id: string
  readonly message?: string
  readonly message_with_signature?: string
  readonly signature_base?: string
  readonly signature_input?: string
  readonly signature?: string
  readonly keyid: string
  readonly valid: boolean
}

interface Vectors {
  readonly keys: Readonly<Record<string, string | { readonly base64: string }>>
  readonly cases: readonly Example[]
}

const { keys, cases } = JSON.parse(
  readFileSync(join(import.meta.dirname, '../../vectors/rfc9421.json'), 'utf8'),
) as Vectors

/** The response's digest in the message is not the one in the base that was signed (erratum). */
const OTHER_DIGEST = 'B.2.4'

const SHARED = keys['test-shared-secret']
assert.ok(typeof SHARED === 'object')
const secret = Secret.take(Buffer.from(SHARED.base64, 'base64'))

interface Read {
  readonly message: HttpMessage
  readonly body: Buffer
}

function read(text: string): Read {
  const [head = '', body = ''] = text.split('\n\n')
  const [first = '', ...lines] = head.split('\n')
  const fields = lines.map((line) => {
    const colon = line.indexOf(':')
    return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1)] as const
  })
  const field = (name: string): readonly string[] =>
    fields.filter(([key]) => key === name).map(([, value]) => value)
  const [method = '', target = ''] = first.split(' ')
  const message = first.startsWith('HTTP/')
    ? { status: Number(target), field }
    : { method, targetUri: `https://${field('host')[0]?.trim()}${target}`, field }
  return { message, body: Buffer.from(body) }
}

function publicKey(name: string): KeyObject {
  const pem = keys[name]
  assert.ok(typeof pem === 'string')
  return createPublicKey(pem)
}

function isSigned(base: string, keyName: string, signature: Uint8Array): boolean {
  const data = Buffer.from(base)
  switch (keyName) {
    case 'test-key-ed25519':
      return verify(null, data, publicKey(keyName), signature)
    case 'test-key-ecc-p256': {
      const key = { key: publicKey(keyName), dsaEncoding: 'ieee-p1363' } as const
      return verify('sha256', data, key, signature)
    }
    default: {
      const { RSA_PKCS1_PSS_PADDING: padding } = constants
      return verify('sha512', data, { key: publicKey(keyName), padding, saltLength: 64 }, signature)
    }
  }
}

describe('RFC 9421 appendix B', () => {
  for (const example of cases) {
    test(`${example.id} (${example.keyid})`, () => {
      const { message, body } = read(example.message_with_signature ?? example.message ?? '')
      const input = example.signature_input ?? message.field('signature-input')[0]?.trim() ?? ''
      const value = example.signature ?? message.field('signature')[0]?.trim() ?? ''
      const [signature] = parseHttpSignatures(input, value)
      assert.ok(signature)
      const digest = example.signature_base?.match(/"content-digest": (\S+)/)?.[1] ?? ''
      const seen: HttpMessage =
        example.id === OTHER_DIGEST
          ? {
              ...message,
              field: (name) => (name === 'content-digest' ? [digest] : message.field(name)),
            }
          : message
      const base = httpSignatureBase(seen, signature.covered)
      if (example.signature_base !== undefined) assert.equal(base, example.signature_base)
      const holds =
        example.keyid === 'test-shared-secret'
          ? verifyHttpHmac(seen, signature, secret)
          : isSigned(base, example.keyid, signature.signature)
      assert.equal(holds, example.valid)
      const [declared] = seen.field('content-digest')
      if (declared !== undefined) assert.ok(verifyContentDigest(declared.trim(), body))
    })
  }

  test('the HMAC example is made byte by byte', () => {
    const example = cases.find(({ id }) => id === 'B.2.5')
    assert.ok(example?.message !== undefined)
    const { message } = read(example.message)
    const made = signHttpHmac(
      message,
      {
        label: 'sig-b25',
        components: ['date', '@authority', 'content-type'],
        parameters: new Map([
          ['created', { kind: 'integer', value: 1_618_884_473 }],
          ['keyid', { kind: 'string', value: 'test-shared-secret' }],
        ]),
      },
      secret,
    )
    assert.deepEqual(made, {
      'signature-input': example.signature_input,
      signature: example.signature,
    })
  })

  test('another body, path or key is refused', () => {
    const example = cases.find(({ id }) => id === 'B.2.5')
    assert.ok(example?.message !== undefined)
    const { message, body } = read(example.message)
    const [signature] = parseHttpSignatures(example.signature_input ?? '', example.signature ?? '')
    assert.ok(signature)
    const elsewhere = { ...message, targetUri: 'https://example.org/foo' }
    assert.equal(verifyHttpHmac(elsewhere, signature, secret), false)
    assert.equal(verifyHttpHmac(message, signature, Secret.copy(new Uint8Array(64))), false)
    const [declared = ''] = message.field('content-digest')
    assert.equal(verifyContentDigest(declared.trim(), Buffer.concat([body, body])), false)
  })
})
