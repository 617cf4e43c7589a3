/** The first step of every command, with an npm and an apt-get that only write down what they do. */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { existsSync, readFileSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test, type TestContext } from 'node:test'
import { withLock } from '../../../tools/boot/lock.js'
import { temporaryFolder } from '../../kit/temporary.ts'

const BOOT = join(import.meta.dirname, '../../../tools/boot')
const MODULES = join(BOOT, 'modules.js')
const DEBIAN = join(BOOT, 'debian.js')

interface Ended {
  readonly code: number
  readonly said: string
}

/** Runs one expression on a module's exports in a process of its own, without a terminal. */
function runModule(path: string, call: string, programs: string): Promise<Ended> {
  const code = `const m = await import(${JSON.stringify(path)}); await m.${call}`
  const env = { PATH: `${programs}:/nowhere` }
  return new Promise((resolve) => {
    const args = ['--input-type=module', '-e', code]
    const child = execFile(process.execPath, args, { env }, (error, stdout, stderr) => {
      resolve({ code: Number(error?.code ?? 0), said: stdout + stderr })
    })
    child.stdin?.end()
  })
}

/** A folder of programs: name → shell lines. */
function programs(context: TestContext, scripts: Readonly<Record<string, string>>): string {
  const folder = temporaryFolder(context)
  for (const [name, lines] of Object.entries(scripts)) {
    writeFileSync(join(folder, name), `#!/bin/sh\nPATH=/usr/bin:/bin\n${lines}\n`, { mode: 0o700 })
  }
  return folder
}

/** A project that has a lock but no modules. */
function project(context: TestContext): string {
  const root = temporaryFolder(context)
  writeFileSync(join(root, 'package-lock.json'), '{}')
  return root
}

describe('dependencies', () => {
  const NPM = { npm: 'echo "$@" >> calls; sleep 0.2; rm -rf node_modules; mkdir node_modules' }
  const calls = (root: string): number =>
    readFileSync(join(root, 'calls'), 'utf8').split('\n').length - 1

  test('are installed once by two first starts at once, and not again', async (context) => {
    const [root, path] = [project(context), programs(context, NPM)]
    const call = `ensureModules(${JSON.stringify(root)})`
    const starts = [runModule(MODULES, call, path), runModule(MODULES, call, path)]
    const ended = await Promise.all(starts)
    assert.deepEqual(
      ended.map(({ code }) => code),
      [0, 0],
    )
    assert.equal(ended.filter(({ said }) => said.includes('installing')).length, 1)
    assert.deepEqual(await runModule(MODULES, call, path), { code: 0, said: '' })
    assert.equal(calls(root), 1)
    assert.match(
      readFileSync(join(root, 'calls'), 'utf8'),
      /^ci --prefer-offline .*--loglevel=error$/m,
    )
  })

  test('are installed again when the lock changes', async (context) => {
    const [root, path] = [project(context), programs(context, NPM)]
    const call = `ensureModules(${JSON.stringify(root)})`
    await runModule(MODULES, call, path)
    writeFileSync(join(root, 'package-lock.json'), '{"changed":1}')
    await runModule(MODULES, call, path)
    assert.equal(calls(root), 2)
  })

  test('that cannot be installed stop the start with what npm said', async (context) => {
    const [root, path] = [
      project(context),
      programs(context, { npm: 'echo no network >&2; exit 1' }),
    ]
    const { code, said } = await runModule(MODULES, `ensureModules(${JSON.stringify(root)})`, path)
    assert.equal(code, 1)
    assert.match(said, /npm ci failed\.\nno network/)
    assert.ok(!existsSync(join(root, '.kos-install.lock')))
  })
})

describe('the lock between processes', () => {
  test('lets one in at a time', async (context) => {
    const path = join(temporaryFolder(context), 'lock')
    let inside = 0
    const work = async (): Promise<number> => {
      inside += 1
      await new Promise((resolve) => setTimeout(resolve, 20))
      const seen = inside
      inside -= 1
      return seen
    }
    const seen = await Promise.all([1, 2, 3].map(() => withLock(path, work)))
    assert.deepEqual(seen, [1, 1, 1])
    assert.ok(!existsSync(path))
  })

  test('is taken over from a holder that died', async (context) => {
    const path = join(temporaryFolder(context), 'lock')
    writeFileSync(path, '')
    const long = new Date(Date.now() - 60_000)
    utimesSync(path, long, long)
    assert.equal(await withLock(path, () => Promise.resolve('in')), 'in')
  })

  test('is given back when the work fails', async (context) => {
    const path = join(temporaryFolder(context), 'lock')
    await assert.rejects(
      withLock(path, () => Promise.reject(new Error('broken'))),
      /broken/,
    )
    assert.ok(!existsSync(path))
  })
})

describe('system packages', { skip: process.platform === 'linux' ? false : 'Linux only' }, () => {
  const offer = 'offerDebianPackages()'

  test('that are there are not mentioned', async (context) => {
    const path = programs(context, { bwrap: '' })
    assert.deepEqual(await runModule(DEBIAN, offer, path), { code: 0, said: '' })
  })

  test('of another distribution are left to the person', async (context) => {
    const { code, said } = await runModule(DEBIAN, offer, programs(context, {}))
    assert.equal(code, 0)
    assert.match(said, /install it with your package manager.*stay off/)
  })

  test('are installed by root and only named to others', async (context) => {
    const record = join(temporaryFolder(context), 'calls')
    // The first install fails, as in an image without package lists.
    const apt = `echo "$1" >> ${record}; [ "$(wc -l < ${record})" -gt 1 ]`
    const { code, said } = await runModule(DEBIAN, offer, programs(context, { 'apt-get': apt }))
    assert.equal(code, 0)
    if (process.getuid?.() === 0) {
      assert.match(said, /Installing the Debian package bubblewrap/)
      assert.equal(readFileSync(record, 'utf8'), 'install\nupdate\ninstall\n')
    } else {
      assert.match(said, /run "sudo apt-get install -y bubblewrap".*stay off/)
    }
  })

  test('that cannot be installed leave the sandbox off, visibly', async (context) => {
    const path = programs(context, { 'apt-get': 'exit 100' })
    const { code, said } = await runModule(DEBIAN, offer, path)
    assert.equal(code, 0)
    assert.match(said, /run "(?:sudo )?apt-get install -y bubblewrap".*stay off/)
  })
})

test('an unknown verb is explained', async () => {
  const boot = join(BOOT, '../boot.js')
  const ended = await new Promise<Ended>((resolve) => {
    execFile(process.execPath, [boot, 'launch'], (error, stdout, stderr) =>
      resolve({ code: Number(error?.code ?? 0), said: stdout + stderr }),
    )
  })
  assert.deepEqual(ended, {
    code: 1,
    said: 'kos: usage: node tools/boot.js install|start|test|build|run …\n',
  })
})
