/** What outsiders get: the packed package has its rooms, their types and its programs. */
import assert from 'node:assert/strict'
import { execFileSync, type ExecFileSyncOptions, spawnSync } from 'node:child_process'
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { temporaryFolder } from '../kit/temporary.ts'

const ROOT = join(import.meta.dirname, '../..')

interface Manifest {
  readonly version: string
  readonly bin: Readonly<Record<string, string>>
  readonly exports: Readonly<Record<string, string | object>>
  readonly dependencies: Readonly<Record<string, string>>
}

/** What attw says as JSON, as far as it is looked at. */
interface AttwReport {
  readonly analysis: { readonly entrypoints: Readonly<Record<string, unknown>> }
  readonly problems?: Readonly<Record<string, unknown>>
}

const manifest = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as Manifest
const rooms = Object.keys(manifest.exports)
  .filter((path) => path !== './package.json')
  .map((path) => path.replace('./', 'kos/'))

/** Where npm put the package of a project. */
function tarball(project: string): string {
  return join(project, `kos-${manifest.version}.tgz`)
}

/** Runs a program that came with the dependencies. */
function tool(
  name: string,
  args: readonly string[],
): { readonly status: number | null; readonly said: string } {
  const path = join(ROOT, 'node_modules/.bin', name)
  const { status, stdout, stderr } = spawnSync(process.execPath, [path, ...args], {
    encoding: 'utf8',
  })
  return { status, said: stdout + stderr }
}

/** Builds, packs and unpacks the package below `node_modules` of a new project. */
function installPacked(project: string): string {
  const quiet: ExecFileSyncOptions = { cwd: ROOT, stdio: ['ignore', 'ignore', 'inherit'] }
  execFileSync(process.execPath, ['tools/build.ts', '--library'], quiet)
  execFileSync(
    'npm',
    ['pack', '--silent', '--ignore-scripts', '--pack-destination', project],
    quiet,
  )
  const installed = join(project, 'node_modules/kos')
  mkdirSync(installed, { recursive: true })
  execFileSync('tar', ['-xzf', tarball(project), '--strip-components=1'], { cwd: installed })
  for (const name of [...Object.keys(manifest.dependencies), '@types']) {
    mkdirSync(join(project, 'node_modules', name, '..'), { recursive: true })
    symlinkSync(join(ROOT, 'node_modules', name), join(project, 'node_modules', name))
  }
  return installed
}

test('the packed package works for a project that installs it', async (context) => {
  const project = temporaryFolder(context)
  const installed = installPacked(project)

  await context.test('it carries programs and licence, no sources and no tests', () => {
    for (const path of ['bin/launch.sh', 'LICENSE', ...Object.values(manifest.bin)]) {
      assert.ok(existsSync(join(installed, path)), path)
    }
    for (const path of ['src', 'test', 'tools']) assert.ok(!existsSync(join(installed, path)), path)
  })

  await context.test('publint finds nothing wrong with the tarball, not even a suggestion', () => {
    const { status, said } = tool('publint', ['run', '--strict', tarball(project)])
    assert.equal(status, 0, said)
    assert.match(said, /All good!/)
  })

  await context.test(
    'attw resolves code and types of every room, from ESM and by a bundler',
    () => {
      const { status, said } = tool('attw', [
        tarball(project),
        '--profile',
        'esm-only',
        '-f',
        'json',
      ])
      assert.equal(status, 0, said)
      const { analysis, problems } = JSON.parse(said) as AttwReport
      assert.deepEqual(
        Object.keys(analysis.entrypoints)
          .filter((path) => path !== './package.json')
          .map((path) => path.replace('./', 'kos/')),
        rooms,
      )
      // A package of ES modules alone cannot be asked by `require` of old: those two are of the profile.
      const ignored = new Set(['NoResolution', 'CJSResolvesToESM'])
      assert.deepEqual(
        Object.keys(problems ?? {}).filter((kind) => !ignored.has(kind)),
        [],
      )
    },
  )

  await context.test('every room can be imported', () => {
    const code = rooms.map((room) => `await import('${room}')`).join('\n')
    writeFileSync(join(project, 'use.mjs'), code)
    const { status, stderr } = spawnSync(process.execPath, ['use.mjs'], { cwd: project })
    assert.equal(status, 0, stderr.toString())
  })

  await context.test('its types hold in a strict project', () => {
    const names = rooms.map((room) => `import * as ${room.replace('kos/', '')} from '${room}'`)
    const uses = rooms.map((room) => `void ${room.replace('kos/', '')}`)
    writeFileSync(join(project, 'use.mts'), [...names, ...uses].join('\n'))
    const flags = '--noEmit --strict --module nodenext --target esnext --types node'
    const args = [...flags.split(' '), '--lib', 'es2025,esnext.disposable', 'use.mts']
    const compiler = join(ROOT, 'node_modules/.bin/tsc')
    const { status, stdout } = spawnSync(compiler, args, { cwd: project, encoding: 'utf8' })
    assert.equal(status, 0, stdout)
  })

  for (const program of Object.keys(manifest.bin)) {
    await context.test(`${program} starts`, () => {
      const { status, stdout, stderr } = spawnSync(join(installed, 'bin', program), ['--help'], {
        cwd: project,
        encoding: 'utf8',
      })
      assert.equal(status, 0, stderr)
      assert.match(stdout, new RegExp(`\\b${program}\\b`))
    })
  }

  await context.test('compiled code is kept in a folder that nobody else can reach', () => {
    const place = join(project, 'own')
    const cache = help(installed, place)
    for (const folder of ['.cache', '.cache/kos', '.cache/kos/compile-cache']) {
      const { mode, uid } = statSync(join(place, 'home', folder))
      assert.equal(mode & 0o777, 0o700, folder)
      assert.equal(uid, process.getuid?.(), folder)
    }
    assert.notDeepEqual(readdirSync(cache), [])
    // Node's own place for it, below the folder that all users share.
    assert.deepEqual(readdirSync(join(place, 'tmp')), [])
  })

  await context.test('a cache folder that others can write to is neither read nor written', () => {
    for (const shared of ['.cache', '.cache/kos', '.cache/kos/compile-cache']) {
      const place = join(project, `shared-${shared.split('/').length}`)
      const folder = join(place, 'home', shared)
      mkdirSync(folder, { recursive: true })
      chmodSync(folder, 0o777)
      assert.deepEqual(readdirSync(help(installed, place)), [], shared)
      assert.deepEqual(readdirSync(join(place, 'tmp')), [], shared)
    }
  })
})

/** Runs `kosctl --help` with a home and a temporary folder of its own; returns its cache folder. */
function help(installed: string, place: string): string {
  const [home, tmp] = [join(place, 'home'), join(place, 'tmp')]
  for (const folder of [home, tmp]) mkdirSync(folder, { recursive: true })
  const { PATH } = process.env
  const { status, stderr } = spawnSync(join(installed, 'bin/kosctl'), ['--help'], {
    env: { PATH, HOME: home, TMPDIR: tmp },
    encoding: 'utf8',
  })
  assert.equal(status, 0, stderr)
  return join(home, '.cache/kos/compile-cache')
}
