import { linkSync, renameSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'

const HEARTBEAT_MS = 2_000
const STALE_MS = 20_000
const POLL_MS = 100

/**
 * Runs work while no other process of this machine runs work under the same lock file. The holder
 * touches the file; a lock that nobody touches any more is taken over.
 *
 * @template T
 * @param {string} path - lock file, in a folder that exists
 * @param {() => Promise<T>} work - must not block the event loop for long
 * @returns {Promise<T>}
 */
export async function withLock(path, work) {
  while (!take(path)) await sleep(POLL_MS)
  const heartbeat = setInterval(() => touch(path), HEARTBEAT_MS)
  try {
    return await work()
  } finally {
    clearInterval(heartbeat)
    rmSync(path, { force: true })
  }
}

function take(path) {
  try {
    writeFileSync(path, String(process.pid), { flag: 'wx', mode: 0o600 })
    return true
  } catch (error) {
    if (error.code !== 'EEXIST') throw error
    const found = statSync(path, { throwIfNoEntry: false })
    if (found && Date.now() - found.mtimeMs > STALE_MS) removeStale(path, found)
    return false
  }
}

/** Moves the lock aside and looks again: a lock that was taken meanwhile is put back. */
function removeStale(path, found) {
  const aside = `${path}.${process.pid}`
  try {
    renameSync(path, aside)
    const moved = statSync(aside)
    if (moved.ino !== found.ino || moved.mtimeMs !== found.mtimeMs) linkSync(aside, path)
  } catch (error) {
    if (error.code !== 'ENOENT' && error.code !== 'EEXIST') throw error
  }
  rmSync(aside, { force: true })
}

function touch(path) {
  const now = new Date()
  try {
    utimesSync(path, now, now)
  } catch (error) {
    if (error.code !== 'ENOENT') throw error
  }
}
