/** The built programs: bundle, launcher, private cache. */
import assert from 'node:assert/strict'
import { execFileSync, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { describe, test, type TestContext } from 'node:test'
import { buildPrograms, isBuilt } from '../../../tools/build/programs.ts'
import { temporaryFolder } from '../../kit/temporary.ts'

const ROOT = join(import.meta.dirname, '../../..')
const PROGRAMS = { kosctl: 'src/main.ts', kosd: 'src/main.ts' }

const MAIN = `
import { word } from './word.ts'
export async function main(argv: string[]): Promise<number> {
  if (argv[0] === 'wait') await new Promise(() => setInterval(() => console.log(process.pid), 20))
  if (argv[0] === 'pause') await new Promise((resolve) => setTimeout(resolve, 20).unref())
  if (argv[0] === 'flood') process.stdout.write('x'.repeat(Number(argv[1])) + '\\n')
  if (argv[0] === 'lazy') console.log((await import('./lazy.ts')).lazy)
  console.log(JSON.stringify([word, ...argv]), process.execArgv.join(' '))
  return 3
}
`

/** A project with a program, its sources an hour old. */
function project(context: TestContext): string {
  const root = temporaryFolder(context)
  mkdirSync(join(root, 'src'))
  writeFileSync(join(root, 'package-lock.json'), '{}')
  writeFileSync(join(root, 'src/main.ts'), MAIN)
  writeFileSync(join(root, 'src/word.ts'), "export const word: string = 'hello'\n")
  writeFileSync(join(root, 'src/lazy.ts'), "export const lazy: string = 'loaded late'\n")
  for (const path of ['package-lock.json', 'src/main.ts', 'src/word.ts', 'src/lazy.ts', 'src']) {
    age(join(root, path))
  }
  return root
}

function age(path: string): void {
  const hourAgo = new Date(Date.now() - 3_600_000)
  utimesSync(path, hourAgo, hourAgo)
}

const bundles = (root: string): readonly string[] =>
  readdirSync(join(root, 'dist')).filter((name) => name.startsWith('bundle-'))

/** Makes the project what a user of the package has: programs without sources. */
async function installed(context: TestContext): Promise<string> {
  const root = project(context)
  await buildPrograms(root, PROGRAMS)
  cpSync(join(ROOT, 'bin'), join(root, 'bin'), { recursive: true })
  rmSync(join(root, 'src'), { recursive: true })
  return root
}

/** The environment of a person whose first `node` is the one of this test. */
function environment(
  context: TestContext,
): NodeJS.ProcessEnv & { readonly XDG_CACHE_HOME: string } {
  const folder = temporaryFolder(context)
  symlinkSync(process.execPath, join(folder, 'node'))
  return { PATH: `${folder}:/usr/bin:/bin`, XDG_CACHE_HOME: join(folder, 'cache') }
}

describe('the build', () => {
  test('makes programs that load the rest when they need it', async (context) => {
    const root = project(context)
    await buildPrograms(root, PROGRAMS)
    const env = environment(context)
    const run = (...args: readonly string[]): string =>
      spawnSync(process.execPath, [join(root, 'dist/kosctl.cjs'), ...args], {
        env,
        encoding: 'utf8',
      }).stdout
    assert.equal(run('a b'), '["hello","a b"] \n')
    assert.equal(run('lazy'), 'loaded late\n["hello","lazy"] \n')
    const [bundle = ''] = bundles(root)
    assert.ok(readdirSync(join(root, 'dist', bundle)).some((name) => name.startsWith('lazy-')))
  })

  test('is repeated when a source, a dependency or a removal is newer', async (context) => {
    const root = project(context)
    assert.ok(!isBuilt(root))
    await buildPrograms(root, PROGRAMS)
    assert.ok(isBuilt(root))
    const later = new Date(Date.now() + 5_000)
    for (const path of ['src/word.ts', 'package-lock.json']) {
      utimesSync(join(root, path), later, later)
      assert.ok(!isBuilt(root), path)
      age(join(root, path))
    }
    assert.ok(isBuilt(root))
    rmSync(join(root, 'src/lazy.ts'))
    utimesSync(join(root, 'src'), later, later)
    assert.ok(!isBuilt(root))
  })

  test('keeps the bundle before, which a running program may still load from', async (context) => {
    const root = project(context)
    const seen: string[] = []
    for (let n = 0; n < 3; n += 1) {
      await buildPrograms(root, PROGRAMS)
      seen.push(...bundles(root).filter((name) => !seen.includes(name)))
      // Bundles of one second are told apart by their age.
      for (const [index, name] of seen.entries()) {
        const path = join(root, 'dist', name)
        const time = new Date(Date.now() - 60_000 + index * 1_000)
        if (existsSync(path)) utimesSync(path, time, time)
      }
    }
    assert.deepEqual(bundles(root).toSorted(), seen.slice(1).toSorted())
  })

  test('that fails leaves the last one in place', async (context) => {
    const root = project(context)
    await buildPrograms(root, PROGRAMS)
    writeFileSync(join(root, 'src/word.ts'), 'export const other = 1\n')
    await assert.rejects(buildPrograms(root, { kosctl: 'src/absent.ts' }))
    const env = environment(context)
    const { stdout } = spawnSync(process.execPath, [join(root, 'dist/kosctl.cjs')], { env })
    assert.match(stdout.toString(), /hello/)
  })
})

describe('the launchers', () => {
  test('pass arguments and exit code, also through a link', async (context) => {
    const root = await installed(context)
    const link = join(temporaryFolder(context), 'kosctl')
    symlinkSync(join(root, 'bin/kosctl'), link)
    const { status, stdout, stderr } = spawnSync(link, ['a b', '', '*'], {
      env: environment(context),
      encoding: 'utf8',
    })
    assert.deepEqual(
      [status, stdout, stderr],
      [
        3,
        '["hello","a b","","*"] --preserve-symlinks --preserve-symlinks-main --min-semi-space-size=16\n',
        '',
      ],
    )
  })

  test('are found from wherever they are called', async (context) => {
    const root = await installed(context)
    const env = environment(context)
    const called: readonly (readonly [cwd: string, command: string])[] = [
      [root, 'bin/kosctl a'],
      [join(root, 'bin'), './kosctl a'],
      [join(root, 'bin'), 'sh kosctl a'],
      [join(root, 'dist'), '../bin/kosctl a'],
      ['/', `PATH=${join(root, 'bin')}:$PATH kosctl a`],
    ]
    for (const [cwd, command] of called) {
      const { status, stdout } = spawnSync('sh', ['-c', command], { cwd, env, encoding: 'utf8' })
      assert.equal(status, 3, command)
      assert.match(stdout, /^\["hello","a"\]/, command)
    }
  })

  test('end at once, but not before a slow reader has everything', async (context) => {
    const root = await installed(context)
    const bytes = 3_000_000
    const slow = `{ bin/kosctl flood ${bytes}; echo "code $?" >&2; } | { sleep 0.5; wc -c; }`
    const options = { cwd: root, env: environment(context), encoding: 'utf8' } as const
    const { stdout, stderr } = spawnSync('sh', ['-c', slow], options)
    assert.ok(Number(stdout) > bytes + 1, stdout)
    assert.equal(stderr, 'code 3\n')
  })

  test('wait for a program whose timers keep no process alive', async (context) => {
    const root = await installed(context)
    const { status } = spawnSync(join(root, 'bin/kosctl'), ['pause'], { env: environment(context) })
    assert.equal(status, 3)
  })

  test('harden the daemon and give it room for the young', async (context) => {
    const root = await installed(context)
    const { stdout } = spawnSync(join(root, 'bin/kosd'), { env: environment(context) })
    assert.equal(
      stdout.toString(),
      '["hello"] --disallow-code-generation-from-strings --disable-proto=throw --min-semi-space-size=8\n',
    )
  })

  test('become the program: one process id, signals arrive', async (context) => {
    const root = await installed(context)
    const child = spawn(join(root, 'bin/kosd'), ['wait'], {
      env: environment(context),
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    const [first] = (await once(child.stdout, 'data')) as [Buffer]
    assert.equal(Number.parseInt(first.toString(), 10), child.pid)
    child.kill('SIGTERM')
    assert.deepEqual(await once(child, 'exit'), [null, 'SIGTERM'])
  })

  test('say what is missing when there is no Node, or an old one', async (context) => {
    const root = await installed(context)
    const tools = temporaryFolder(context)
    for (const name of ['readlink', 'sh'])
      symlinkSync(execFileSync('which', [name]).toString().trim(), join(tools, name))
    const env = { PATH: tools }
    const absent = spawnSync(join(root, 'bin/kosctl'), { env, encoding: 'utf8' })
    assert.equal(absent.status, 127)
    assert.match(absent.stderr, /^kosctl: Node 26 or newer is needed: install it from \S+\n$/)
    // An old Node is one that says so: the check reads process.versions.
    const old = join(tools, 'old.cjs')
    writeFileSync(
      old,
      "Object.defineProperty(process, 'versions', { value: { node: '20.1.0' } })\n",
    )
    const refused = spawnSync(process.execPath, ['-r', old, join(root, 'dist/kosctl.cjs')], {
      encoding: 'utf8',
    })
    assert.equal(refused.status, 1)
    assert.match(refused.stderr, /^kosctl: Node 26 or newer is needed, this is \S+: install it/)
  })
})

describe('the compile cache', () => {
  const run = (root: string, env: NodeJS.ProcessEnv): string =>
    spawnSync(join(root, 'bin/kosctl'), { env, encoding: 'utf8' }).stdout

  test('is a private folder of the user', async (context) => {
    const [root, env] = [await installed(context), environment(context)]
    assert.match(run(root, env), /hello/)
    const folder = join(env.XDG_CACHE_HOME, 'kos/compile-cache')
    assert.equal(statSync(folder).mode & 0o777, 0o700)
    assert.equal(readdirSync(folder).length, 1)
  })

  test('is not used when others can write to it or to a folder above', async (context) => {
    const [root, env] = [await installed(context), environment(context)]
    const folder = join(env.XDG_CACHE_HOME, 'kos/compile-cache')
    mkdirSync(folder, { recursive: true, mode: 0o700 })
    for (const path of [folder, join(folder, '..'), env.XDG_CACHE_HOME]) {
      chmodSync(path, 0o777)
      assert.match(run(root, env), /hello/)
      assert.deepEqual(readdirSync(folder), [], path)
      chmodSync(path, 0o700)
    }
  })

  test('is not used through a link', async (context) => {
    const [root, env] = [await installed(context), environment(context)]
    const elsewhere = temporaryFolder(context)
    mkdirSync(join(env.XDG_CACHE_HOME, 'kos'), { recursive: true, mode: 0o700 })
    symlinkSync(elsewhere, join(env.XDG_CACHE_HOME, 'kos/compile-cache'))
    assert.match(run(root, env), /hello/)
    assert.deepEqual(readdirSync(elsewhere), [])
  })

  test('is left out where there is no home to write to', async (context) => {
    const [root, env] = [await installed(context), environment(context)]
    writeFileSync(env.XDG_CACHE_HOME, 'a file in the way')
    assert.match(run(root, env), /hello/)
  })
})
