import { lstatSync, type Stats } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { refuse, type Refusal } from '../../foundation/base/index.ts'
import { type CliEnvironment, configFolder } from './context.ts'

/** The longest path that a Unix socket can have: `sun_path` less its end. */
const MAX_SOCKET_PATH_BYTES = 107
const OTHERS = 0o077
const OTHERS_WRITE = 0o022
const STICKY = 0o1000

/**
 * Where the agent of a credential listens: below its configuration folder, so that another credential
 * has another agent. `KOS_AGENT` names another place; set to nothing it means: no agent.
 */
export function agentSocket(environment: CliEnvironment): string | undefined {
  if (environment.agent === '') return undefined
  return resolve(environment.agent ?? join(configFolder(environment), 'agent', 'socket'))
}

/**
 * Why a socket at a path must not be used: somebody else could have put it there, or could replace it.
 * Node cannot ask a socket for its peer's user; the folders answer instead, on both sides.
 *
 * @param path - absolute path of the socket, which need not exist
 * @returns KOS_CLI_AGENT_PLACE with rule `path`, `folder`, `above` or `socket`
 */
export function placeRefusal(path: string): Refusal | undefined {
  const refused = (rule: string): Refusal => refuse('KOS_CLI_AGENT_PLACE', rule)
  if (Buffer.byteLength(path) > MAX_SOCKET_PATH_BYTES) return refused('path')
  const folder = lookAt(dirname(path))
  if (!folder?.isDirectory() || !isOwn(folder) || (folder.mode & OTHERS) !== 0) {
    return refused('folder')
  }
  for (let above = dirname(dirname(path)); ; above = dirname(above)) {
    if (!isSafeAbove(lookAt(above))) return refused('above')
    if (above === dirname(above)) break
  }
  const socket = lookAt(path)
  return socket && !(socket.isSocket() && isOwn(socket)) ? refused('socket') : undefined
}

function lookAt(path: string): Stats | undefined {
  return lstatSync(path, { throwIfNoEntry: false })
}

function isOwn({ uid }: Stats): boolean {
  return uid === process.getuid?.()
}

/** Whoever may write to a folder may put another one in the place of ours; `/tmp` keeps them from it. */
function isSafeAbove(stats: Stats | undefined): boolean {
  if (!stats?.isDirectory()) return stats?.isSymbolicLink() === true && stats.uid === 0
  const isTrusted = isOwn(stats) || stats.uid === 0
  return isTrusted && ((stats.mode & OTHERS_WRITE) === 0 || (stats.mode & STICKY) !== 0)
}
