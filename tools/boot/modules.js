import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { withLock } from './lock.js'

// Everything the lock names, whatever NODE_ENV says; `error` keeps the engine warning of an old Node away.
const INSTALL =
  'ci --prefer-offline --include=dev --include=optional --no-audit --no-fund --loglevel=error'.split(
    ' ',
  )

/**
 * Makes `node_modules` what `package-lock.json` says; nothing to do in all runs but the first.
 *
 * @param {string} root - project folder
 */
export async function ensureModules(root) {
  if (isCurrent(root)) return
  await withLock(join(root, '.kos-install.lock'), async () => {
    if (isCurrent(root)) return
    process.stderr.write('kos: installing the locked dependencies (once) …\n')
    const wanted = lockHash(root)
    await install(root)
    writeFileSync(stampPath(root), wanted)
  })
}

function stampPath(root) {
  return join(root, 'node_modules', '.kos-lock')
}

function lockHash(root) {
  const lock = readFileSync(join(root, 'package-lock.json'))
  const platform = `${process.platform}-${process.arch}`
  return createHash('sha256').update(lock).update(platform).digest('hex')
}

function isCurrent(root) {
  try {
    return readFileSync(stampPath(root), 'utf8') === lockHash(root)
  } catch (error) {
    if (error.code === 'ENOENT') return false
    throw error
  }
}

/** Runs npm quietly; what it said is shown only when it fails. */
function install(root) {
  return new Promise((resolve, reject) => {
    let said = ''
    const npm = spawn('npm', INSTALL, { cwd: root, stdio: ['ignore', 'pipe', 'pipe'] })
    npm.stdout.on('data', (chunk) => (said += chunk))
    npm.stderr.on('data', (chunk) => (said += chunk))
    npm.on('error', (cause) => reject(new Error(`npm does not start: ${cause.message}`)))
    npm.on('close', (code) => {
      if (code === 0) resolve()
      else reject(new Error(`npm ci failed.\n${said.trim()}`))
    })
  })
}
