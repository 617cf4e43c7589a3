/** Join lines: what is written is read back; any other text is refused, never an error. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { isRefusal, Secret, toBase64Url } from '../../src/foundation/base/index.ts'
import { formatJoinLine, parseJoinLine } from '../../src/lifecycle/enrolment/index.ts'
import { accepted } from '../kit/enrolment.ts'
import { fuzz } from '../kit/fuzz.ts'

const bytes = (length: number): fc.Arbitrary<Uint8Array> =>
  fc.uint8Array({ minLength: length, maxLength: length })
const address = fc.oneof(
  fc.domain(),
  fc.ipV4(),
  fc.ipV6().map((text) => `[${text}]`),
)
const parts = fc.record({
  host: address,
  port: fc.integer({ min: 1, max: 65_535 }),
  pin: bytes(32).map(toBase64Url),
  tokenId: bytes(16).map(toBase64Url),
  secret: bytes(32),
})

test('a line is read back as it was written', () => {
  fuzz(
    fc.property(parts, ({ secret, ...rest }) => {
      const parsed = accepted(
        parseJoinLine(formatJoinLine({ ...rest, secret: Secret.copy(secret) })),
      )
      const { secret: read, ...others } = parsed
      assert.deepEqual(others, rest)
      assert.ok(read.equals(secret))
    }),
  )
})

test('a line with one changed character is refused or reads as what it says', () => {
  fuzz(
    fc.property(parts, fc.nat(), fc.string({ unit: 'binary', maxLength: 2 }), (line, at, text) => {
      const whole = formatJoinLine({ ...line, secret: Secret.copy(line.secret) })
      const position = at % whole.length
      const changed = whole.slice(0, position) + text + whole.slice(position + 1)
      const parsed = parseJoinLine(changed)
      if (!isRefusal(parsed)) assert.equal(formatJoinLine(parsed), changed.trim())
    }),
  )
})

test('any text is refused', () => {
  const texts = fc.oneof(
    fc.string({ unit: 'binary', maxLength: 600 }),
    fc.string({ maxLength: 400 }).map((text) => `kos://${text}`),
    fc.tuple(fc.string(), fc.string(), fc.string()).map((three) => `kos://a:1#${three.join('.')}`),
  )
  fuzz(
    fc.property(texts, (text) => {
      const parsed = parseJoinLine(text)
      assert.ok(isRefusal(parsed))
      assert.equal(parsed.code, 'KOS_ENROLMENT_JOIN_LINE')
    }),
  )
})
