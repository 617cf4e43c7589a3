/** Completion: from the table of commands and the directory at hand, and in real shells. */
import assert from 'node:assert/strict'
import { execFileSync, spawnSync } from 'node:child_process'
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { complete } from '../../../../src/apps/cli/completion.ts'
import { COMPLETION_SCRIPTS } from '../../../../src/apps/cli/completion-scripts.ts'
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

/** A `kosctl` in the path that answers from the sources, for scripts that call it by name. */
function shellPlace(context: Parameters<typeof temporaryFolder>[0]): {
  readonly folder: string
  readonly env: NodeJS.ProcessEnv
} {
  const folder = temporaryFolder(context)
  const bin = join(folder, 'bin')
  mkdirSync(bin)
  const source = join(import.meta.dirname, '../../../../src/apps/cli/main.ts')
  const code = `import(${JSON.stringify(source)}).then((m) => m.main(process.argv.slice(1)))`
  writeFileSync(join(bin, 'kosctl'), `#!/bin/sh\nexec ${process.execPath} -e '${code}' -- "$@"\n`)
  chmodSync(join(bin, 'kosctl'), 0o755)
  const path = `${bin}${delimiter}${process.env['PATH'] ?? ''}`
  return { folder, env: { ...process.env, PATH: path, KOS_CONFIG: folder, NODE_V8_COVERAGE: '' } }
}

function isMissing(shell: string): string | false {
  return spawnSync(shell, ['--version']).error ? `${shell} is not installed` : false
}

describe('completion scripts in their shells', () => {
  test('bash', { skip: isMissing('bash') }, (context) => {
    const { folder, env } = shellPlace(context)
    writeFileSync(join(folder, 'fleet one.json'), '{}')
    const completed = (...line: readonly string[]): readonly string[] => {
      const script = `${COMPLETION_SCRIPTS.bash}
        cd "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _kosctl
        printf '%s\\n' "\${COMPREPLY[@]}"; complete -p kosctl >&2`
      const args = ['--norc', '-c', script, 'bash', folder, ...line]
      return execFileSync('bash', args, { env, encoding: 'utf8' }).trimEnd().split('\n')
    }
    assert.deepEqual(completed('kosctl', 'devices', 're'), ['rename', 'remove'])
    assert.deepEqual(completed('kosctl', 'policy', 'apply', 'fl'), ['fleet one.json'])
  })

  test('zsh', { skip: isMissing('zsh') }, (context) => {
    const { env } = shellPlace(context)
    // The completion system is stood in for by functions that say what they are told.
    const script = `compdef() { print -r -- "compdef $@" }
      _describe() { print -rl -- "\${(@P)2}" }
      _files() { print files }
      ${COMPLETION_SCRIPTS.zsh}
      words=(kosctl devices re) CURRENT=3; _kosctl
      words=(kosctl policy apply x) CURRENT=4; _kosctl`
    const out = execFileSync('zsh', ['-f', '-c', script], { env, encoding: 'utf8' })
    const lines = out.trimEnd().split('\n')
    assert.deepEqual(
      lines.map((line) => line.split(':')[0]),
      ['compdef _kosctl kosctl', 'rename', 'remove', 'files'],
    )
  })

  test('fish', { skip: isMissing('fish') }, (context) => {
    const { env, folder } = shellPlace(context)
    const script = `${COMPLETION_SCRIPTS.fish}\ncomplete -C 'kosctl devices re'`
    const home = { ...env, HOME: folder, XDG_CONFIG_HOME: folder }
    const out = execFileSync('fish', ['--no-config', '-c', script], { env: home, encoding: 'utf8' })
    const found = out
      .trimEnd()
      .split('\n')
      .map((line) => line.split('\t')[0])
    assert.deepEqual(found, ['remove', 'rename'])
  })

  test('kosctl completion prints them, and knows no other shell', async (context) => {
    const fabric = await startFabric(context)
    for (const [shell, script] of Object.entries(COMPLETION_SCRIPTS)) {
      assert.equal((await fabric.kosctl(['completion', shell])).out, `${script}\n`)
      const json = await fabric.kosctl(['completion', shell, '--json'])
      assert.deepEqual(JSON.parse(json.out), { shell, script })
    }
    assert.equal((await fabric.kosctl(['completion', 'csh'])).code, 2)
  })
})
