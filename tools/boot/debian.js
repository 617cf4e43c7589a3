import { spawnSync } from 'node:child_process'
import { accessSync, constants, existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { createInterface } from 'node:readline/promises'
import { fileURLToPath } from 'node:url'

const PACKAGE = 'bubblewrap'
const COMMAND = `apt-get install -y ${PACKAGE}`
const OFF = 'Until then commands that need a sandbox stay off.'
const ASKED = fileURLToPath(new URL('../../node_modules/.kos-asked', import.meta.url))

/** Sees to the one system package the demonstration can use; never stops it. */
export async function offerDebianPackages() {
  if (process.platform !== 'linux') {
    say(`Sandboxed commands need Linux with ${PACKAGE}; here they stay off.`)
  } else if (onPath('bwrap')) {
    return
  } else if (!onPath('apt-get')) {
    say(`Sandboxed commands need ${PACKAGE}: install it with your package manager. ${OFF}`)
  } else if (await mayInstall()) {
    installPackage()
  } else {
    say(`Sandboxed commands need ${PACKAGE}: run "${asRoot(COMMAND)}". ${OFF}`)
  }
}

/** On a terminal the person decides, once; without one root installs and nobody else does. */
async function mayInstall() {
  if (!process.stdin.isTTY || !process.stderr.isTTY) return isRoot()
  if (existsSync(ASKED)) return false
  const terminal = createInterface({ input: process.stdin, output: process.stderr })
  const question = `kos: Sandboxed commands need the Debian package ${PACKAGE}. Install it now? [Y/n] `
  const answer = await terminal.question(question)
  terminal.close()
  mkdirSync(join(ASKED, '..'), { recursive: true })
  writeFileSync(ASKED, '')
  return /^(?:y|yes|)$/i.test(answer.trim())
}

function installPackage() {
  say(`Installing the Debian package ${PACKAGE} with apt-get …`)
  // A fresh image has no package lists: the first try fails fast, the update mends it.
  const worked = runStep(COMMAND) || (runStep('apt-get update') && runStep(COMMAND))
  if (!worked) say(`${PACKAGE} could not be installed: run "${asRoot(COMMAND)}". ${OFF}`)
}

function runStep(step) {
  const options = '-qq -o Acquire::Retries=1 -o Acquire::http::Timeout=15'.split(' ')
  const [command, ...args] = [...asRoot(step).split(' '), ...options]
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' }
  const stdio = [isRoot() ? 'ignore' : 'inherit', 'ignore', isRoot() ? 'ignore' : 'inherit']
  return spawnSync(command, args, { env, stdio }).status === 0
}

function asRoot(command) {
  return isRoot() ? command : `sudo ${command}`
}

function isRoot() {
  return process.getuid?.() === 0
}

function onPath(command) {
  return (process.env.PATH ?? '').split(delimiter).some((folder) => {
    try {
      accessSync(join(folder, command), constants.X_OK)
      return true
    } catch {
      return false
    }
  })
}

function say(sentence) {
  process.stderr.write(`kos: ${sentence}\n`)
}
