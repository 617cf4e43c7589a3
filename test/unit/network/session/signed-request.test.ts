/** Signed requests: what the client writes the authority reads, and every other form is refused. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  isRefusal,
  Secret,
  toBase64Url,
  unixMs,
  utf8,
} from '../../../../src/foundation/base/index.ts'
import {
  type ArrivedRequest,
  type ArrivedSignature,
  readRequestSignature,
  type RequestSignature,
  requestTarget,
  signRequest,
} from '../../../../src/network/session/index.ts'

const NOW = unixMs(1_800_000_000_000)
const HANDLE = new Uint8Array(16).fill(1)
const NONCE = new Uint8Array(16).fill(2)
const secret = Secret.copy(new Uint8Array(32).fill(3))
const targetUri = requestTarget('Authority:7400', '/v1/tokens?x=1')

function sign(body?: Uint8Array, nowMs: number = NOW): RequestSignature {
  const request = { method: 'POST', targetUri, body }
  return signRequest(request, { handle: HANDLE, secret, now: unixMs(nowMs), nonce: NONCE })
}

type Fields = Readonly<Record<string, string | readonly string[]>>

function arrived(fields: Fields, hasBody = false): ArrivedRequest {
  const field = (name: string): readonly string[] => {
    const value = fields[name]
    return value === undefined ? [] : typeof value === 'string' ? [value] : value
  }
  return { method: 'POST', targetUri, hasBody, field }
}

function read(fields: Fields, hasBody = false): ArrivedSignature {
  const signature = readRequestSignature(arrived(fields, hasBody), NOW)
  assert.ok(!isRefusal(signature), JSON.stringify(signature))
  return signature
}

function ruleOf(fields: Fields, hasBody = false): string {
  const signature = readRequestSignature(arrived(fields, hasBody), NOW)
  assert.ok(isRefusal(signature))
  assert.equal(signature.code, 'KOS_SESSION_SIGNATURE')
  return signature.rule
}

test('what is signed is read, with and without a body', () => {
  assert.equal(targetUri, 'https://authority:7400/v1/tokens?x=1')
  assert.equal(requestTarget('a:443', '/'), 'https://a/')
  const bare = read(sign())
  assert.equal(bare.handle, toBase64Url(HANDLE))
  assert.equal(bare.nonce, toBase64Url(NONCE))
  assert.equal(bare.endsAt, NOW + 30_000)
  assert.equal(bare.contentDigest, undefined)
  assert.ok(bare.verify(secret))
  assert.equal(bare.verify(Secret.copy(new Uint8Array(32))), false)
  const withBody = sign(utf8('{}'))
  const signature = read(withBody, true)
  assert.equal(signature.contentDigest, withBody['content-digest'])
  assert.ok(signature.verify(secret))
})

test('dates within 30 s are taken, at both ends', () => {
  for (const offset of [-30_000, 0, 30_000]) read(sign(undefined, NOW + offset))
  assert.equal(ruleOf(sign(undefined, NOW + 31_000)), 'signature/future')
  assert.equal(ruleOf(sign(undefined, NOW - 31_000)), 'signature/old')
  const input = sign()['signature-input'].replace(/expires=\d+/, 'expires=1')
  assert.equal(ruleOf({ ...sign(), 'signature-input': input }), 'signature/old')
  const ahead = sign(undefined, NOW + 20_000)
  const backwards = ahead['signature-input'].replace(/expires=\d+/, `expires=${NOW / 1000 + 10}`)
  assert.equal(ruleOf({ ...ahead, 'signature-input': backwards }), 'signature/old')
})

test('header fields that are missing, twice or many are refused', () => {
  const { 'signature-input': input, signature } = sign()
  assert.equal(ruleOf({}), 'signature/missing')
  assert.equal(ruleOf({ 'signature-input': input }), 'signature/missing')
  assert.equal(ruleOf({ signature }), 'signature/missing')
  assert.equal(ruleOf({ 'signature-input': '', signature: '' }), 'signature/missing')
  assert.equal(ruleOf({ 'signature-input': [input, input], signature }), 'signature/duplicated')
  assert.equal(
    ruleOf({ 'signature-input': input, signature: [signature, signature] }),
    'signature/duplicated',
  )
  const both = {
    'signature-input': `${input}, b${input.slice(3)}`,
    signature: `${signature}, b${signature.slice(3)}`,
  }
  assert.equal(ruleOf(both), 'signature/several')
  assert.equal(ruleOf({ 'signature-input': '(', signature }), 'signature/format')
  const signed = sign(utf8('{}'))
  const { 'content-digest': digest = '' } = signed
  assert.equal(ruleOf({ 'signature-input': input, signature }, true), 'signature/missing')
  assert.equal(
    ruleOf({ ...signed, 'content-digest': [digest, digest] }, true),
    'signature/duplicated',
  )
})

test('only the whole request may be covered', () => {
  const fields = sign(utf8('{}'))
  const covering = (components: string): Fields => ({
    ...fields,
    'signature-input': fields['signature-input'].replace(/\(.*\)/, components),
  })
  const others = [
    '()',
    '("@method" "@target-uri")',
    '("@method" "content-digest")',
    '("@target-uri" "@method" "content-digest")',
    '("@method" "@path" "content-digest")',
    '("@method" "@target-uri";req "content-digest")',
    '("@method" @target-uri "content-digest")',
    '("@method" "@target-uri" "content-digest" "date")',
  ].map((components) => components.replace(' @target-uri ', ' *target-uri '))
  for (const components of others) {
    assert.equal(ruleOf(covering(components), true), 'signature/components', components)
  }
  assert.equal(ruleOf(fields, false), 'signature/components')
})

test('the parameters are these, each once, in one spelling', () => {
  const fields = sign()
  const changed = (from: RegExp, to: string): Fields => ({
    ...fields,
    'signature-input': fields['signature-input'].replace(from, to),
  })
  const handle = toBase64Url(HANDLE)
  const changes: readonly (readonly [RegExp, string])[] = [
    [/;created=\d+/, ''],
    [/;expires=\d+/, ''],
    [/;nonce="[^"]*"/, ''],
    [/;keyid="[^"]*"/, ''],
    [/;alg="[^"]*"/, ''],
    [/$/, ';tag="x"'],
    [/created=\d+/, 'created="1800000000"'],
    [/"hmac-sha256"/, '"ed25519"'],
    [/keyid="[^"]*"/, 'keyid="short"'],
    // The same 16 bytes, and two bits that nobody looks at.
    [/keyid="[^"]*"/, `keyid="${handle.slice(0, -1)}R"`],
    [/nonce="[^"]*"/, 'nonce=""'],
  ]
  for (const [from, to] of changes) {
    assert.equal(ruleOf(changed(from, to)), 'signature/parameters', `${String(from)} ${to}`)
  }
})

test('a signature of another target, method or digest does not verify', () => {
  const fields = sign(utf8('{}'))
  const others: readonly Partial<ArrivedRequest>[] = [
    { method: 'PUT' },
    { targetUri: requestTarget('authority:7400', '/v1/tokens?x=2') },
    { targetUri: requestTarget('elsewhere:7400', '/v1/tokens?x=1') },
  ]
  for (const other of others) {
    const signature = readRequestSignature({ ...arrived(fields, true), ...other }, NOW)
    assert.ok(!isRefusal(signature))
    assert.equal(signature.verify(secret), false)
  }
  const digest = sign(utf8('[]'))['content-digest'] ?? ''
  assert.equal(read({ ...fields, 'content-digest': digest }, true).verify(secret), false)
})
