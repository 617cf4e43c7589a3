/**
 * The first step of every command: dependencies as locked, Node 26, then the real thing.
 * Plain JavaScript without dependencies, because it runs on whatever Node ≥ 20 the system has.
 *
 *   node tools/boot.js install
 *   node tools/boot.js start [arguments of the demo]
 *   node tools/boot.js test [arguments of tools/test.ts]
 *   node tools/boot.js build [arguments of tools/build.ts]
 *   node tools/boot.js run <file.ts> [its arguments]
 */
import { spawn } from 'node:child_process'
import { constants } from 'node:os'
import { fileURLToPath } from 'node:url'
import { offerDebianPackages } from './boot/debian.js'
import { ensureModules } from './boot/modules.js'
import { findNode } from './boot/node.js'

const ROOT = fileURLToPath(new URL('..', import.meta.url))

/** Verb → the program it runs; `run` names its own, `install` needs none. */
const PROGRAMS = {
  install: undefined,
  start: 'tools/demo/main.ts',
  test: 'tools/test.ts',
  build: 'tools/build.ts',
  run: undefined,
}

async function boot([verb, ...args]) {
  if (!Object.hasOwn(PROGRAMS, verb ?? '') || (verb === 'run' && args.length === 0)) {
    throw new Error(`usage: node tools/boot.js ${Object.keys(PROGRAMS).join('|')} …`)
  }
  await ensureModules(ROOT)
  const node = findNode(ROOT)
  if (verb === 'install') return
  if (verb === 'start') await offerDebianPackages()
  become(node, [PROGRAMS[verb] ?? args.shift(), ...args])
}

/** Turns this process into another one, or stands in for it where that is impossible. */
function become(node, args) {
  process.chdir(ROOT)
  if (process.execve) process.execve(node, [node, ...args], process.env)
  const child = spawn(node, args, { stdio: 'inherit' })
  for (const signal of ['SIGTERM', 'SIGHUP', 'SIGINT']) {
    // A terminal sends SIGINT to the whole group: passing it on would make it two.
    process.on(signal, () => {
      if (signal !== 'SIGINT' || !process.stdin.isTTY) child.kill(signal)
    })
  }
  child.on('error', fail)
  child.on('exit', (code, signal) => process.exit(code ?? 128 + constants.signals[signal]))
}

function fail(error) {
  process.stderr.write(`kos: ${error.message}\n`)
  process.exit(1)
}

boot(process.argv.slice(2)).catch(fail)
