/** What outsiders get: the packed package has its rooms, their types and its programs. */
import assert from 'node:assert/strict'
import { execFileSync, type ExecFileSyncOptions, spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
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

const manifest = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as Manifest
const rooms = Object.keys(manifest.exports)
  .filter((path) => path !== './package.json')
  .map((path) => path.replace('./', 'kos/'))

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
  execFileSync(
    'tar',
    ['-xzf', join(project, `kos-${manifest.version}.tgz`), '--strip-components=1'],
    {
      cwd: installed,
    },
  )
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
})
