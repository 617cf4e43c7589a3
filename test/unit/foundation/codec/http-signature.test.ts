/** Structured fields, digests and HTTP signatures: what is read, and every reason to refuse. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Secret, utf8 } from '../../../../src/foundation/base/index.ts'
import {
  type BareItem,
  codecErrors,
  contentDigest,
  type FieldItem,
  type HttpMessage,
  httpSignatureBase,
  MAX_FIELD_CHARACTERS,
  parseDictionary,
  parseHttpSignatures,
  signHttpHmac,
  verifyContentDigest,
  verifyHttpHmac,
  writeFieldItem,
  writeInnerList,
} from '../../../../src/foundation/codec/index.ts'

function ruleOf(work: () => unknown): string {
  try {
    work()
  } catch (error) {
    assert.ok(codecErrors.has(error), String(error))
    assert.equal(error.code, 'KOS_CODEC_HTTP')
    return String(error.details['rule'])
  }
  return 'none'
}

const text = (value: string): FieldItem => ({
  item: { kind: 'string', value },
  parameters: new Map(),
})

test('every kind of value is read and written back', () => {
  const field =
    'a=(1 "x\\"\\\\";p=tok/en:*;q "y");created=-12;on;off=?0;k=:AQI=:, b, c=?1;d=?1, e=*t, f=()'
  const members = parseDictionary(field)
  assert.deepEqual([...members.keys()], ['a', 'b', 'c', 'e', 'f'])
  const written = [...members].map(([key, member]) => {
    const value = 'items' in member ? writeInnerList(member) : writeFieldItem(member)
    return `${key}=${value}`
  })
  assert.equal(
    written.join(', '),
    'a=(1 "x\\"\\\\";p=tok/en:*;q "y");created=-12;on;off=?0;k=:AQI=:, b=?1, c=?1;d, e=*t, f=()',
  )
  assert.equal(parseDictionary('').size, 0)
})

test('what is not in the grammar is refused by name', () => {
  const refusals: Readonly<Record<string, string>> = {
    A: 'key: first character',
    '=1': 'key: first character',
    'a=1, a=2': 'key: twice',
    'a=1;b;b': 'key: twice',
    'a=1,': 'dictionary: trailing comma',
    'a=1 b=2': 'dictionary: no comma',
    'a=': 'token: first character',
    'a=(': 'token: first character',
    'a=("x""y")': 'list: no space',
    'a=((1))': 'token: first character',
    'a="': 'string: character',
    'a="\u00e9"': 'string: character',
    'a="\\x"': 'string: escape',
    'a=:': 'bytes: no end',
    'a=:AQI:': 'bytes: base64',
    'a=:AR==:': 'bytes: base64',
    'a=:A Q=:': 'bytes: base64',
    'a=?2': 'boolean: value',
    'a=-': 'integer: digits',
    'a=1234567890123456': 'integer: digits',
    'a=1.5': 'decimal: not read',
    'a=@1': 'token: first character',
  }
  for (const [field, rule] of Object.entries(refusals)) {
    assert.equal(
      ruleOf(() => parseDictionary(field)),
      rule,
      field,
    )
  }
  const many = (count: number, make: (index: number) => string, by: string): string =>
    Array.from({ length: count }, (_, index) => make(index)).join(by)
  const limits: Readonly<Record<string, string>> = {
    [' '.repeat(MAX_FIELD_CHARACTERS + 1)]: 'field: too long',
    [many(33, (index) => `k${index}`, ', ')]: 'dictionary: too many members',
    [`a=(${many(33, () => '1', ' ')})`]: 'list: too many items',
    [`a=1${many(17, (index) => `;k${index}`, '')}`]: 'parameters: too many',
  }
  for (const [field, rule] of Object.entries(limits)) {
    assert.equal(
      ruleOf(() => parseDictionary(field)),
      rule,
    )
  }
})

test('what cannot be read back is not written', () => {
  const items: readonly BareItem[] = [
    { kind: 'integer', value: 0.5 },
    { kind: 'integer', value: 1e15 },
    { kind: 'string', value: 'a\nb' },
    { kind: 'token', value: 'a b' },
  ]
  for (const item of items) {
    assert.match(
      ruleOf(() => writeFieldItem({ item, parameters: new Map() })),
      /cannot be written$/,
    )
  }
  const parameters = new Map<string, BareItem>([['A', { kind: 'boolean', value: true }]])
  assert.equal(
    ruleOf(() => writeInnerList({ items: [], parameters })),
    'key: cannot be written',
  )
})

test('digests are checked, all of them, and unknown ones refuse', () => {
  const body = utf8('{"hello": "world"}')
  const digest = contentDigest(body)
  assert.equal(digest, 'sha-256=:X48E9qOokqqrvdts8nOJRJN3OWDUoyWxBf7kbu9DBPE=:')
  assert.ok(verifyContentDigest(digest, body))
  const refused = [
    '',
    'sha-256',
    'sha-256=?1',
    'sha-256=("x")',
    `${digest};a=1`,
    `${digest}, md5=:AQI=:`,
    `${digest}, sha-512=:AQI=:`,
    'constructor=:AQI=:',
    'sha-256=:AQI:',
  ]
  for (const field of refused) assert.equal(verifyContentDigest(field, body), false, field)
  assert.equal(verifyContentDigest(digest, utf8('{}')), false)
})

const MESSAGE: HttpMessage = {
  method: 'POST',
  targetUri: 'HTTPS://Example.COM:443/a%20b?x=1&y=a+b&y2=%27'.replace('HTTPS', 'https'),
  field: (name) => (name === 'folded' ? [' a \r\n  b', 'c '] : []),
}

function lineOf(component: FieldItem, message: HttpMessage = MESSAGE): string {
  const covered = { items: [component], parameters: new Map() }
  return httpSignatureBase(message, covered).split('\n')[0] ?? ''
}

test('components have the values that the clauses give', () => {
  const lines: Readonly<Record<string, string>> = {
    '@method': 'POST',
    '@target-uri': 'https://Example.COM:443/a%20b?x=1&y=a+b&y2=%27',
    '@authority': 'example.com',
    '@scheme': 'https',
    '@request-target': '/a%20b?x=1&y=a+b&y2=%27',
    '@path': '/a%20b',
    '@query': '?x=1&y=a+b&y2=%27',
    folded: 'a b, c',
  }
  for (const [name, value] of Object.entries(lines)) {
    assert.equal(lineOf(text(name)), `"${name}": ${value}`)
  }
  const named = (name: string): FieldItem => ({
    item: { kind: 'string', value: '@query-param' },
    parameters: new Map([['name', { kind: 'string', value: name }]]),
  })
  assert.equal(lineOf(named('y')), '"@query-param";name="y": a%20b')
  assert.equal(lineOf(named('y2')), '"@query-param";name="y2": %27')
  const bare = { ...MESSAGE, targetUri: 'http://h:80' }
  assert.equal(lineOf(text('@path'), bare), '"@path": /')
  assert.equal(lineOf(text('@query'), bare), '"@query": ?')
  assert.equal(lineOf(text('@authority'), bare), '"@authority": h')
  assert.equal(lineOf(text('@status'), { status: 200, field: () => [] }), '"@status": 200')
})

test('components that are unknown, missing or twice are refused', () => {
  const token: FieldItem = { item: { kind: 'token', value: 'a' }, parameters: new Map() }
  const sf: FieldItem = {
    item: { kind: 'string', value: 'folded' },
    parameters: new Map([['sf', { kind: 'boolean', value: true }]]),
  }
  const param = (parameters: FieldItem['parameters']): FieldItem => ({
    item: { kind: 'string', value: '@query-param' },
    parameters,
  })
  const noTarget: HttpMessage = { method: 'GET', field: () => ['a\nb'] }
  const refusals: readonly (readonly [FieldItem, string, HttpMessage?])[] = [
    [token, 'component: no string'],
    [sf, 'component: parameter'],
    [param(new Map()), 'component: parameter'],
    [
      param(new Map([['name', { kind: 'string', value: 'none' }]])),
      'component: not in the message',
    ],
    [text('@signature-params'), 'component: unknown'],
    [text('@status'), 'component: not in the message'],
    [text('absent'), 'component: not in the message'],
    [text('Folded'), 'component: field name'],
    [text('@path'), 'component: no target', noTarget],
    [text('x'), 'component: line break', noTarget],
  ]
  for (const [component, rule, message] of refusals) {
    assert.equal(
      ruleOf(() => lineOf(component, message)),
      rule,
    )
  }
  const twice = { items: [text('@method'), text('@method')], parameters: new Map() }
  assert.equal(
    ruleOf(() => httpSignatureBase(MESSAGE, twice)),
    'component: twice',
  )
})

test('both header fields belong together', () => {
  const refusals: readonly (readonly [string, string, string])[] = [
    ['a=()', '', 'signature: labels'],
    ['a=()', 'b=:AQI=:', 'signature: no bytes'],
    ['a=()', 'a=1', 'signature: no bytes'],
    ['a=()', 'a=()', 'signature: no bytes'],
    ['a=()', 'a=:AQI=:;x', 'signature: no bytes'],
    ['a=1', 'a=:AQI=:', 'signature-input: no list'],
  ]
  for (const [input, signature, rule] of refusals) {
    assert.equal(
      ruleOf(() => parseHttpSignatures(input, signature)),
      rule,
      `${input} ${signature}`,
    )
  }
})

test('what was signed verifies; a shorter MAC does not', () => {
  using secret = Secret.copy(new Uint8Array(32).fill(7))
  const request = {
    label: 'sig',
    components: ['@method', '@target-uri'],
    parameters: new Map<string, BareItem>([['created', { kind: 'integer', value: 1 }]]),
  }
  const made = signHttpHmac(MESSAGE, request, secret)
  const [signature] = parseHttpSignatures(made['signature-input'], made.signature)
  assert.ok(signature)
  assert.ok(verifyHttpHmac(MESSAGE, signature, secret))
  assert.equal(verifyHttpHmac({ ...MESSAGE, method: 'GET' }, signature, secret), false)
  const short = { ...signature, signature: signature.signature.subarray(0, 16) }
  assert.equal(verifyHttpHmac(MESSAGE, short, secret), false)
})
