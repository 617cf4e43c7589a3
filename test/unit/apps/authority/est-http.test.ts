/** EST on HTTP: the credential, and base64 both ways. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { isRefusal } from '../../../../src/foundation/base/index.ts'
import {
  decodeEstBody,
  encodeEstBody,
  parseBasic,
} from '../../../../src/apps/authority/est-http.ts'

const basic = (text: string): string => `Basic ${Buffer.from(text).toString('base64')}`

test('the credential is user and password; a password may have colons', () => {
  assert.deepEqual(parseBasic(basic('id:secret')), { user: 'id', password: 'secret' })
  assert.deepEqual(parseBasic(basic('id:a:b').replace('Basic', 'bAsIc')), {
    user: 'id',
    password: 'a:b',
  })
  assert.deepEqual(parseBasic(basic('id:')), { user: 'id', password: '' })
  const none = [
    undefined,
    '',
    'Basic',
    'Basic !!!',
    'Bearer abc',
    basic(':secret'),
    basic('none'),
    basic(`id:${'x'.repeat(600)}`),
  ]
  for (const header of none) assert.equal(parseBasic(header), undefined, `of ${header}`)
})

describe('bodies', () => {
  const bytes = Buffer.from(Array.from({ length: 200 }, (_, index) => index))

  test('are read with line breaks, spaces and tabs, and without', () => {
    const text = bytes.toString('base64')
    for (const body of [
      text,
      `${text}\n`,
      encodeEstBody(bytes),
      text.replaceAll(/.{10}/g, '$& \t\r\n'),
    ]) {
      const read = decodeEstBody(Buffer.from(body))
      assert.ok(!isRefusal(read))
      assert.deepEqual(Buffer.from(read), bytes)
    }
  })

  test('are written in lines of 64', () => {
    const lines = encodeEstBody(bytes).split('\n')
    assert.equal(lines.at(-1), '')
    assert.ok(lines.slice(0, -2).every(({ length }) => length === 64))
  })

  test('that are no base64 are refused', () => {
    const pem = '-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n-----END CERTIFICATE REQUEST-----'
    for (const body of [
      '',
      ' \n',
      '=',
      'AAA',
      'AB==',
      'A-_B',
      'AAAA=',
      'AA=A',
      'é',
      pem,
      '\0\0\0\0',
    ]) {
      const read = decodeEstBody(Buffer.from(body))
      assert.ok(isRefusal(read), body)
      assert.deepEqual([read.code, read.rule], ['KOS_ENROLMENT_CSR', 'csr/base64'])
    }
  })
})
