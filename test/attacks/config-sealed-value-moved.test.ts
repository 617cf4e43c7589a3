/** Attack: a sealed value is put where its writer did not: another name, another folder, cut, changed. */
import assert from 'node:assert/strict'
import { cpSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { createConfigFolder } from '../kit/config.ts'

test('it opens nowhere else, and nothing starts', async (context) => {
  const own = createConfigFolder(context)
  const other = createConfigFolder(context)
  await own.seal('weather', 'correct horse')
  await other.seal('weather', 'battery staple')
  assert.equal((await own.start()).code, 0)
  const text = own.read()
  const refused = async (daemon: typeof own, changed: string, problem: RegExp): Promise<void> => {
    daemon.write(changed)
    const { code, err } = await daemon.start()
    assert.equal(code, 1)
    assert.match(err, /KOS_CLI_CONFIG\)\n {2}at {2}.*config\.yaml:3:3\n/)
    assert.match(err, problem)
    assert.match((await daemon.config(['check'])).err, problem)
  }
  await refused(
    own,
    text.replace('weather:', 'maps:'),
    /"maps" does not open: it was changed, or sealed for another name/,
  )
  await refused(own, text.replace(/.{6}\n$/, '\n'), /"weather" (?:does not open|is cut)/)
  await refused(own, text.replace(/(weather: .{40}).*/, '$1'), /"weather" is cut or changed/)
  const flip = (letter: string): string => (letter === 'A' ? 'B' : 'A')
  await refused(
    own,
    text.replace(/(.)(.{20})\n$/, (_, one: string, rest: string) => `${flip(one)}${rest}\n`),
    /does not open/,
  )
  await refused(other, text, /is sealed with the key [0-9a-f]{16}, which this folder does not have/)
  const bare = createConfigFolder(context)
  await refused(bare, text, /is sealed with the key [0-9a-f]{16}, which this folder does not have/)
  // The own value, in a folder with the own keys, opens: nothing else was in the way.
  cpSync(join(own.folder, 'keys'), join(bare.folder, 'keys'), { recursive: true })
  assert.equal((await bare.start()).code, 0)
})
