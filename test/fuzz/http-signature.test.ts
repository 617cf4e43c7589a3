/** HTTP signatures: any field is read or refused by name, what is written reads back, changes fail. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { Secret } from '../../src/foundation/base/index.ts'
import {
  type BareItem,
  codecErrors,
  type HttpMessage,
  parseDictionary,
  parseHttpSignatures,
  signHttpHmac,
  verifyContentDigest,
  verifyHttpHmac,
  writeFieldItem,
  writeInnerList,
} from '../../src/foundation/codec/index.ts'
import { fuzz } from '../kit/fuzz.ts'

const GRAMMAR = [
  'a',
  'b',
  '1',
  '-',
  '"',
  '\\',
  ':',
  ';',
  '=',
  ',',
  '?',
  '(',
  ')',
  '*',
  ' ',
  '.',
  '@',
  '\t',
  'sig=',
  '("@method")',
  ':AQI=:',
  ';created=1',
  '?1',
]
const nearly = fc.array(fc.constantFrom(...GRAMMAR), { maxLength: 40 }).map((some) => some.join(''))
const anything = fc.oneof(nearly, fc.string({ maxLength: 80, unit: 'binary' }))

function parse(text: string): ReturnType<typeof parseDictionary> | undefined {
  try {
    return parseDictionary(text)
  } catch (error) {
    assert.ok(codecErrors.has(error), String(error))
    return undefined
  }
}

test('any text is a dictionary that writes back equal, or refused', () => {
  fuzz(
    fc.property(anything, (text) => {
      const members = parse(text)
      assert.equal(typeof verifyContentDigest(text, new Uint8Array(3)), 'boolean')
      if (!members) return
      const written = [...members]
        .map(([key, member]) => {
          const value = 'items' in member ? writeInnerList(member) : writeFieldItem(member)
          return `${key}=${value}`
        })
        .join(', ')
      assert.deepEqual(parse(written), members)
    }),
  )
})

test('any two fields are signatures or refused', () => {
  fuzz(
    fc.property(anything, anything, (input, signature) => {
      try {
        for (const found of parseHttpSignatures(input, signature)) assert.ok(found.label)
      } catch (error) {
        assert.ok(codecErrors.has(error), String(error))
      }
    }),
  )
})

test('a signature holds for its message, and for no changed one', () => {
  const secret = Secret.copy(new Uint8Array(32).fill(3))
  const message = (target: string): HttpMessage => ({
    method: 'GET',
    targetUri: `https://a${target}`,
    field: () => [],
  })
  const path = fc.webPath().map((some) => `/${some}`)
  fuzz(
    fc.property(fc.tuple(path, path), fc.nat(), fc.nat(255), ([signed, other], at, bits) => {
      const parameters = new Map<string, BareItem>([
        ['created', { kind: 'integer', value: at }],
        ['nonce', { kind: 'string', value: signed.slice(0, 20) }],
      ])
      const components = ['@method', '@target-uri']
      const made = signHttpHmac(message(signed), { label: 's', components, parameters }, secret)
      const [found] = parseHttpSignatures(made['signature-input'], made.signature)
      assert.ok(found)
      assert.ok(verifyHttpHmac(message(signed), found, secret))
      assert.equal(verifyHttpHmac(message(other), found, secret), other === signed)
      const changed = Uint8Array.from(found.signature)
      changed[at % changed.length] = (changed[at % changed.length] ?? 0) ^ bits
      const holds = verifyHttpHmac(message(signed), { ...found, signature: changed }, secret)
      assert.equal(holds, bits === 0)
    }),
  )
})
