/** Completion: from the table of commands and the directory at hand. */
import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { complete } from '../../../../src/apps/cli/completion.ts'
import { localPeerNames } from '../../../../src/apps/cli/local-names.ts'
import { KOSCTL } from '../../../../src/apps/cli/main.ts'
import { startFabric, type TestFabric } from '../../../kit/fabric.ts'
import { temporaryFolder } from '../../../kit/temporary.ts'

const PEERS = ['camera-1', 'camera-2', 'door-7']

/** The candidates for a line whose last word is not finished. */
function words(line: string): readonly string[] {
  return complete(KOSCTL.commands, line.split(' '), () => PEERS).candidates.map(({ word }) => word)
}

test('every command can be reached, every option is offered', () => {
  for (const { path, options, isHidden } of KOSCTL.commands) {
    for (const length of path.keys()) {
      const line = [...path.slice(0, length), ''].join(' ')
      assert.equal(words(line).includes(path[length] ?? ''), !isHidden, line)
    }
    if (isHidden) continue
    const offered = words([...path, '--'].join(' '))
    assert.deepEqual(
      offered,
      Object.keys(options).map((name) => `--${name}`),
    )
  }
})

test('peers, their commands, files and words stand where the usage says so', () => {
  assert.deepEqual(words('exec camera'), ['camera-1', 'camera-2'])
  assert.ok(words('exec camera-1 file').includes('files.read'))
  assert.deepEqual(words('exec camera-1 cal'), ['calc'])
  assert.deepEqual(words('devices show d'), ['door-7'])
  assert.deepEqual(words('exec --json cam'), ['camera-1', 'camera-2'])
  assert.deepEqual(words('exec --deadline 5s door'), ['door-7'])
  assert.deepEqual(words('exec --deadline cam'), [])
  assert.deepEqual(words('completion z'), ['zsh'])
  assert.deepEqual(words('nothing '), [])
  const none = (): readonly string[] => assert.fail('not asked where no peer can stand')
  assert.ok(complete(KOSCTL.commands, ['policy', 'apply', ''], none).takesFiles)
  assert.ok(complete(KOSCTL.commands, ['exec', '--identity', ''], none).takesFiles)
  assert.ok(!complete(KOSCTL.commands, ['devices', '--'], none).takesFiles)
})

describe('the directory at hand', () => {
  const ends: (() => Promise<void>)[] = []
  after(() => Promise.all(ends.map((end) => end())))
  let fabric: TestFabric
  before(async () => {
    fabric = await startFabric({ after: (end) => void ends.push(end) })
    await fabric.addNode('camera-1')
    await fabric.kosctl(['exec', 'camera-1', 'calc', '1'])
  })

  test('names come from the copy of the credential, also without the authority', async () => {
    assert.ok(localPeerNames(fabric.operator).includes('camera-1'))
    const asked = await fabric.kosctl(['__complete', 'exec', 'cam'])
    assert.deepEqual(asked, { code: 0, out: 'camera-1\tpeer\n', err: '' })
    const files = await fabric.kosctl(['__complete', 'policy', 'apply', ''])
    assert.equal(files.out.split('\n').at(-2), ':files')
  })

  test('no directory, a broken one, and names that a shell would read are nothing', (context) => {
    const folder = temporaryFolder(context)
    assert.deepEqual(localPeerNames(folder), [])
    for (const bytes of ['', 'text', '\u00d2\u0080', '\u0084@\u00a0@@']) {
      writeFileSync(join(folder, 'directory.cbor'), bytes, 'latin1')
      assert.deepEqual(localPeerNames(folder), [], bytes)
    }
  })
})
