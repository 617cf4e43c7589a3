/** Completion in real shells: what each of them offers when somebody presses the key. */
import assert from 'node:assert/strict'
import { execFileSync, spawnSync } from 'node:child_process'
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { describe, test } from 'node:test'
import { COMPLETION_SCRIPTS } from '../../src/apps/cli/completion-scripts.ts'
import { startFabric } from '../kit/fabric.ts'
import { temporaryFolder } from '../kit/temporary.ts'

/** A `kosctl` in the path that answers from the sources, for scripts that call it by name. */
function shellPlace(context: Parameters<typeof temporaryFolder>[0]): {
  readonly folder: string
  readonly env: NodeJS.ProcessEnv
} {
  const folder = temporaryFolder(context)
  const bin = join(folder, 'bin')
  mkdirSync(bin)
  const source = join(import.meta.dirname, '../../src/apps/cli/main.ts')
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
