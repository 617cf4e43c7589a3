/** Attack: a name stands twice in a configuration, and two readers believe different values. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createConfigFolder } from '../kit/config.ts'

test('a name that is there twice is refused, however it is written', async (context) => {
  const { write, start, config } = createConfigFolder(context)
  const twice: readonly (readonly [text: string, place: string])[] = [
    ['standby: false\nlisten: 127.0.0.1:0\nstandby: true\n', '3:1'],
    ['standby: false\n"stand\\u0062y": true\n', '2:1'],
    ['{ standby: false, standby: true }\n', '1:19'],
    ['secrets:\n  a: kos-sealed:v1:x\n  a: kos-sealed:v1:y\n', '3:3'],
  ]
  for (const [text, place] of twice) {
    write(text)
    for (const { code, err } of [await start(), await config(['check'])]) {
      assert.equal(code, 1)
      assert.match(err, new RegExp(`config\\.yaml:${place}\\b`))
      assert.match(err, /"(?:standby|a)" is there twice/)
    }
  }
})
