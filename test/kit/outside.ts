/** Programs of others that look at our listeners from outside: what they are let do, and what not. */
import { spawn, spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { Secret } from '../../src/foundation/base/index.ts'
import type { ProfileName } from '../../src/foundation/profiles/index.ts'
import { startTestListener, type TestListener } from './transport.ts'

/** How long a foreign program may take; it ends by itself long before. */
const PATIENCE_MS = 20_000

/** Why the tests of a program are skipped; `false` when it is there. */
export function missing(program: string, versionOption: string = '--version'): string | false {
  const { status } = spawnSync(program, [versionOption], { stdio: 'ignore' })
  return status === 0 ? false : `${program} is not installed`
}

/** What a program said on both outputs, and its exit code. */
export interface Said {
  readonly code: number | null
  readonly text: string
}

/** Runs a foreign program; the listener it talks to is in this process. */
export async function runOutside(
  program: string,
  args: readonly string[],
  input: string = '',
): Promise<Said> {
  const child = spawn(program, args, { timeout: PATIENCE_MS, killSignal: 'SIGKILL' })
  const texts: string[] = []
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('latin1').on('data', (text: string) => texts.push(text))
  }
  child.stdin.on('error', () => undefined)
  child.stdin.end(input)
  const { promise, resolve, reject } = Promise.withResolvers<number | null>()
  child.once('error', reject)
  child.once('close', resolve)
  const code = await promise
  return { code, text: texts.join('') }
}

/** The pre-shared key that a listener of {@link startOutsideListener} at SEC-1 knows. */
export const PSK: { readonly handle: string; readonly keyHex: string } = {
  handle: '0123456789abcdef01234567',
  keyHex: '5a'.repeat(32),
}

/** A listener of a profile, and a good member's certificate as files. */
export interface OutsideListener {
  readonly server: TestListener
  readonly certFile: string
  readonly keyFile: string
}

/** Starts a listener that foreign programs can be pointed at; it ends with the test. */
export async function startOutsideListener(
  context: TestContext,
  profile: ProfileName,
): Promise<OutsideListener> {
  const key = Secret.take(Buffer.from(PSK.keyHex, 'hex'))
  const server = await startTestListener(context, {
    profile,
    ...(profile === 'SEC-1' && {
      identity: () => ({
        kind: 'psk',
        keyOf: (handle) => (handle === PSK.handle ? key : undefined),
      }),
    }),
  })
  const folder = mkdtempSync(join(tmpdir(), 'kos-outside-'))
  context.after(() => rmSync(folder, { recursive: true, force: true }))
  const { certificateChainPem, privateKeyPem } = server.fleet.identity('peer')
  const [certFile, keyFile] = [join(folder, 'cert.pem'), join(folder, 'key.pem')]
  writeFileSync(certFile, certificateChainPem)
  privateKeyPem.use((bytes) => writeFileSync(keyFile, bytes, { mode: 0o600 }))
  return { server, certFile, keyFile }
}
