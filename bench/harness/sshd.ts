/** An OpenSSH server for one run: what people use today to run a command on another machine. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir, userInfo } from 'node:os'
import { join } from 'node:path'

const SSHD = '/usr/sbin/sshd'
/** Where a root sshd leaves its privileges; Debian makes it when the service starts. */
const PRIVILEGE_SEPARATION = '/run/sshd'
const READY_TIMEOUT_MS = 10_000

/** A server on loopback that lets one user in, by key. */
export interface SshServer {
  readonly user: string
  readonly port: number
  /**
   * The words of an `ssh` that runs a command there, without questions and without files of the
   * caller.
   *
   * @param command - program and arguments on the other side
   * @param options - more `-o` options, for example `ControlPath=…`
   */
  client(command: readonly string[], options?: readonly string[]): readonly string[]
  /** Ends the server and removes its user and files. */
  stop(): Promise<void>
}

/** Why there can be no server here; `undefined` when there can. */
export function sshdRefusal(): string | undefined {
  if (!existsSync(SSHD)) return `${SSHD} is not installed`
  try {
    execFileSync('ssh', ['-V'], { stdio: 'ignore' })
    return undefined
  } catch {
    return 'ssh is not installed'
  }
}

/**
 * Starts a server as OpenSSH is set up by default, without PAM. As root it lets a user of its own in,
 * who has `/bin/sh` and an empty home: no start-up file of anybody is measured. Else the own user.
 */
export async function startSshd(): Promise<SshServer> {
  const folder = mkdtempSync(join(tmpdir(), 'kos-sshd-'))
  // The user's authorised keys are read as that user.
  chmodSync(folder, 0o711)
  const account = makeAccount(folder)
  let server: ChildProcess | undefined
  const stop = async (): Promise<void> => {
    if (server?.pid !== undefined && server.exitCode === null && server.signalCode === null) {
      const ended = once(server, 'exit')
      server.kill('SIGTERM')
      await ended
    }
    account.remove()
    rmSync(folder, { recursive: true, force: true })
  }
  try {
    const port = await freePort()
    writeFiles(folder, { port, user: account.user })
    server = spawn(SSHD, ['-D', '-e', '-f', join(folder, 'sshd_config')], {
      stdio: ['ignore', 'ignore', 'pipe'],
    })
    await listening(server)
    return { user: account.user, port, client: clientOf(folder, account.user, port), stop }
  } catch (error) {
    await stop()
    throw error
  }
}

interface Account {
  readonly user: string
  remove(): void
}

function makeAccount(folder: string): Account {
  if (process.getuid?.() !== 0) return { user: userInfo().username, remove: () => undefined }
  mkdirSync(PRIVILEGE_SEPARATION, { recursive: true, mode: 0o755 })
  const user = `kos-bench-${randomBytes(4).toString('hex')}`
  const home = join(folder, 'home')
  mkdirSync(home, { mode: 0o700 })
  // "*": no password fits, and the account is not locked, which would keep keys out as well.
  const flags = ['--no-create-home', '--home-dir', home, '--shell', '/bin/sh', '--password', '*']
  execFileSync('useradd', [...flags, user], { stdio: ['ignore', 'ignore', 'pipe'] })
  const id = (flag: string): number =>
    Number(execFileSync('id', [flag, user], { encoding: 'utf8' }))
  chownSync(home, id('-u'), id('-g'))
  return { user, remove: () => void execFileSync('userdel', [user], { stdio: 'ignore' }) }
}

function writeFiles(
  folder: string,
  server: { readonly port: number; readonly user: string },
): void {
  for (const name of ['host', 'user']) {
    execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', join(folder, name)])
  }
  const publicKey = (name: string): string =>
    execFileSync('ssh-keygen', ['-y', '-f', join(folder, name)], { encoding: 'utf8' }).trim()
  writeFileSync(join(folder, 'authorized_keys'), `${publicKey('user')}\n`, { mode: 0o644 })
  writeFileSync(join(folder, 'known_hosts'), `[127.0.0.1]:${server.port} ${publicKey('host')}\n`)
  const config = [
    'ListenAddress 127.0.0.1',
    `Port ${server.port}`,
    `HostKey ${join(folder, 'host')}`,
    `PidFile ${join(folder, 'pid')}`,
    `AuthorizedKeysFile ${join(folder, 'authorized_keys')}`,
    `AllowUsers ${server.user}`,
    'AuthenticationMethods publickey',
    'UsePAM no',
    // The folder lies below the temporary one, which everybody may write to.
    'StrictModes no',
    'PrintMotd no',
    'PrintLastLog no',
    'UseDNS no',
    'MaxStartups 64',
  ]
  writeFileSync(join(folder, 'sshd_config'), `${config.join('\n')}\n`)
}

function clientOf(folder: string, user: string, port: number): SshServer['client'] {
  const fixed = [
    `IdentityFile=${join(folder, 'user')}`,
    `UserKnownHostsFile=${join(folder, 'known_hosts')}`,
    'GlobalKnownHostsFile=/dev/null',
    'StrictHostKeyChecking=yes',
    'IdentitiesOnly=yes',
    'IdentityAgent=none',
    'BatchMode=yes',
    'LogLevel=ERROR',
  ]
  return (command, options = []) => [
    'ssh',
    '-F',
    '/dev/null',
    '-p',
    String(port),
    ...[...fixed, ...options].flatMap((option) => ['-o', option]),
    `${user}@127.0.0.1`,
    ...command,
  ]
}

async function listening(server: ChildProcess): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  let said = ''
  const timer = setTimeout(() => reject(new Error(`sshd is not ready: ${said}`)), READY_TIMEOUT_MS)
  server.once('error', reject)
  server.once('exit', () => reject(new Error(`sshd did not start: ${said}`)))
  server.stderr?.setEncoding('utf8').on('data', (text: string) => {
    if (said.length < 10_000) said += text
    if (said.includes('Server listening on')) resolve()
  })
  try {
    await promise
  } finally {
    clearTimeout(timer)
  }
}

/** A port that was free a moment ago: sshd cannot say which one the system gave it. */
async function freePort(): Promise<number> {
  const holder = createServer().listen(0, '127.0.0.1')
  await once(holder, 'listening')
  const address = holder.address()
  holder.close()
  await once(holder, 'close')
  if (address === null || typeof address === 'string') throw new Error('no port')
  return address.port
}
