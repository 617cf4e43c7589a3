/** Attack: a small configuration that grows, or costs, without bounds when it is read. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createConfigFolder } from '../kit/config.ts'

const laughs = ['a0: &a0 [x, x]']
for (let n = 1; n < 30; n += 1) laughs.push(`a${n}: &a${n} [*a${n - 1}, *a${n - 1}]`)

test('it is refused before anything is built of it', async (context) => {
  const { write, start } = createConfigFolder(context)
  const bombs: readonly (readonly [text: string, problem: RegExp])[] = [
    [laughs.join('\n'), /anchors \(&\) are not used here/],
    ['a: &a\n  <<: *a\n', /anchors \(&\) are not used here/],
    ['a: { <<: *a }\n', /aliases \(\*\) are not used here/],
    [`a: ${'['.repeat(200_000)}`, /nested too deeply/],
    [`${'{a: '.repeat(60_000)}`, /nested too deeply/],
    ['- '.repeat(100_000), /nested too deeply/],
    ['? '.repeat(100_000), /explicit keys/],
    [Array.from({ length: 30_000 }, (_, n) => `k${n}:`).join('\n'), /is too long from here on/],
    [`{${'a, '.repeat(60_000)}}`, /is too long from here on/],
    ['---\n'.repeat(60_000), /is too long|a second document/],
    [`share: "${'\\q'.repeat(20_000)}"`, /not YAML/],
    [`share: ${'x'.repeat(300_000)}`, /is larger than 262144 bytes/],
    ['%TAG ! tag:x,2000:\n---\na: !b c\n', /directives/],
    ['a: !!python/object/apply:os.system ["id"]\n', /tags/],
  ]
  for (const [text, problem] of bombs) {
    write(text)
    const { code, err } = await start()
    assert.equal(code, 1)
    assert.match(err, problem)
    assert.ok(err.length < 1000)
  }
})
