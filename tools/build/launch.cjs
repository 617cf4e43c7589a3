'use strict'
/** First code of a built program: Node's version, the compile cache, then `main`. */
const { lstatSync, mkdirSync } = require('node:fs')
const { enableCompileCache } = require('node:module')
const { homedir } = require('node:os')
const { isAbsolute, join } = require('node:path')

const NEEDED = 26

module.exports = function launch(name, load) {
  if (Number.parseInt(process.versions.node, 10) < NEEDED) {
    const version = process.version
    process.stderr.write(
      `${name}: Node ${NEEDED} or newer is needed, this is ${version}: install it from https://nodejs.org\n`,
    )
    process.exitCode = 1
    return
  }
  const cache = privateCache()
  if (cache) enableCompileCache(cache)
  // The timers of `base/clock` keep no process alive; what a program waits for, it gets.
  const alive = setInterval(() => undefined, 1 << 30)
  load()
    .main(process.argv.slice(2))
    .finally(() => clearInterval(alive))
    .then((code) => {
      process.exitCode = code
      // Nothing is left to wait for, no write either: the heap need not be taken apart first.
      if (process.getActiveResourcesInfo().length === 0) process.exit()
    })
}

/**
 * A cache folder nobody else can write to: Node runs cached code without asking who wrote it, and its
 * own default lies in the shared temporary folder. Undefined where there is none: then without cache.
 */
function privateCache() {
  const asked = process.env.XDG_CACHE_HOME
  try {
    const base = asked && isAbsolute(asked) ? asked : join(homedir(), '.cache')
    const folder = join(base, 'kos', 'compile-cache')
    mkdirSync(folder, { recursive: true, mode: 0o700 })
    // The folders above count too: whoever owns one of them can swap what lies below.
    return [base, join(base, 'kos'), folder].every(isOurs) ? folder : undefined
  } catch {
    return undefined
  }
}

function isOurs(path) {
  const { uid, mode } = lstatSync(path)
  return uid === process.getuid() && (mode & 0o022) === 0
}
