import assert from 'node:assert/strict'
import { test } from 'node:test'
import { splitHostPort } from '../../../../src/lifecycle/enrolment/host-port.ts'

const LABEL_63 = 'a'.repeat(63)
const NAME_253 = [LABEL_63, LABEL_63, LABEL_63, 'a'.repeat(61)].join('.')

const GOOD: readonly (readonly [text: string, host: string, port: number])[] = [
  ['localhost:1', 'localhost', 1],
  ['Camera-1.example:7402', 'Camera-1.example', 7402],
  ['xn--bcher-kva.example:443', 'xn--bcher-kva.example', 443],
  ['127.0.0.1:65535', '127.0.0.1', 65_535],
  ['[::1]:7400', '[::1]', 7400],
  ['[2001:db8::ffff:192.0.2.1]:7400', '[2001:db8::ffff:192.0.2.1]', 7400],
  [`${NAME_253}:65535`, NAME_253, 65_535],
]

const BAD: readonly string[] = [
  '',
  ':',
  'localhost',
  'localhost:',
  ':7402',
  'localhost:0',
  'localhost:07402',
  'localhost:65536',
  'localhost:123456',
  'localhost:-1',
  'localhost:1 ',
  ' localhost:1',
  'localhost:1\n',
  'local host:1',
  'user@localhost:1',
  'localhost/path:1',
  'a..b:1',
  '.a:1',
  'a.:1',
  '-a:1',
  'a-:1',
  'bücher.example:1',
  '256.0.0.1:1',
  '127.1:1',
  '10.0.0.1.example.7:1',
  '0x7f000001.5:1',
  '::1:7400',
  '[::1:7400',
  '[]:7400',
  '[127.0.0.1]:7400',
  '[fe80::1%eth0]:7400',
  '[12345::]:7400',
  `${'a'.repeat(64)}:1`,
  `${NAME_253}a:1`,
  `${'a.'.repeat(200)}a:1`,
]

test('host:port is split', () => {
  for (const [text, host, port] of GOOD) assert.deepEqual(splitHostPort(text), { host, port })
})

test('anything else is not host:port', () => {
  for (const text of BAD) assert.equal(splitHostPort(text), undefined, text)
})
