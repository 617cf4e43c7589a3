import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isRefusal, Secret, toBase64Url } from '../../../../src/foundation/base/index.ts'
import {
  formatJoinLine,
  type JoinLine,
  parseJoinLine,
} from '../../../../src/lifecycle/enrolment/index.ts'
import { accepted, assertRefused } from '../../../kit/enrolment.ts'

const bytes = (length: number, value: number): Uint8Array => new Uint8Array(length).fill(value)
const PIN = toBase64Url(bytes(32, 0xfe))
const TOKEN = toBase64Url(bytes(16, 0xff))
const SECRET = toBase64Url(bytes(32, 0x7f))
const LINE = `kos://authority.example:7400#${PIN}.${TOKEN}.${SECRET}`

const line = (changes: Partial<JoinLine> = {}): JoinLine => ({
  host: 'authority.example',
  port: 7400,
  pin: PIN,
  tokenId: TOKEN,
  secret: Secret.take(bytes(32, 0x7f)),
  ...changes,
})

test('a line is written and read back', () => {
  assert.equal(formatJoinLine(line()), LINE)
  const { secret, ...rest } = accepted(parseJoinLine(`  ${LINE}\n`))
  assert.deepEqual(rest, { host: 'authority.example', port: 7400, pin: PIN, tokenId: TOKEN })
  assert.ok(secret.equals(bytes(32, 0x7f)))
})

test('an IPv6 address keeps its brackets', () => {
  const text = formatJoinLine(line({ host: '[2001:db8::1]' }))
  const parsed = accepted(parseJoinLine(text))
  assert.equal(parsed.host, '[2001:db8::1]')
})

test('the secret does not show when the line is printed', () => {
  const parsed = accepted(parseJoinLine(LINE))
  assert.ok(!JSON.stringify(parsed).includes(SECRET))
})

test('a line that could not be read back is not written', () => {
  const cases: Readonly<Record<string, Partial<JoinLine>>> = {
    address: { host: '::1' },
    pin: { pin: TOKEN },
    'token-id': { tokenId: 'a.b' },
    secret: { secret: Secret.take(bytes(31, 1)) },
  }
  for (const [rule, changes] of Object.entries(cases)) {
    const format = (): string => formatJoinLine(line(changes))
    assert.throws(format, { code: 'KOS_ENROLMENT_JOIN_LINE', details: { rule } })
  }
})

test('each malformed part is named', () => {
  const at = (address: string): string => LINE.replace('authority.example:7400', address)
  const cases: readonly (readonly [rule: string, text: string])[] = [
    ['shape', ''],
    ['shape', 'https://authority.example:7400'],
    ['shape', LINE.replace('kos:', 'KOS:')],
    ['shape', LINE.replace('#', '')],
    ['shape', LINE.slice(0, LINE.lastIndexOf('.'))],
    ['shape', `${LINE}.`],
    ['shape', `${LINE}${' '.repeat(512)}`],
    ['address', at('authority.example')],
    ['address', at('authority.example:0')],
    ['address', at('authority.example:65536')],
    ['address', at('authority.example/x:7400')],
    ['address', at('user@authority.example:7400')],
    ['pin', LINE.replace(PIN, toBase64Url(bytes(31, 1)))],
    ['pin', LINE.replace(PIN, `${PIN}=`)],
    ['token-id', LINE.replace(TOKEN, '')],
    ['token-id', LINE.replace(TOKEN, toBase64Url(bytes(17, 1)))],
    ['secret', LINE.slice(0, -1)],
    ['secret', `${LINE.slice(0, -1)}9`],
    ['secret', LINE.replace(SECRET, toBase64Url(bytes(33, 1)))],
    ['secret', `${LINE}\n${LINE.slice(0, 3)}`],
  ]
  for (const [rule, text] of cases) {
    assertRefused(parseJoinLine(text), 'KOS_ENROLMENT_JOIN_LINE', `join-line/${rule}`)
  }
})

test('a refusal repeats nothing of the line', () => {
  const refused = parseJoinLine(LINE.slice(0, -1))
  assert.ok(isRefusal(refused))
  assert.ok(!JSON.stringify(refused).includes(SECRET.slice(0, 20)))
})
