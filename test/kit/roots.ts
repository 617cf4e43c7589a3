/** Root keys that were moved off an authority, for tests of what is asked of them. */
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { isRefusal, Secret, systemRandom, utf8 } from '../../src/foundation/base/index.ts'
import type { KeyFilePlace } from '../../src/trust/keys/index.ts'
import { exportRootKeys, openRootFile, type RootFile } from '../../src/trust/pki/index.ts'
import { createTestAuthority, type TestAuthority } from './pki.ts'

/** An authority without root keys, and the file they are in. */
export interface OfflineRoots extends Disposable {
  readonly authority: TestAuthority
  readonly place: KeyFilePlace
  readonly open: (passphrase?: string) => RootFile
}

/** Makes an authority and moves its root keys into a file; `using` removes both. */
export function createOfflineRoots(authority: TestAuthority = createTestAuthority()): OfflineRoots {
  const folder = mkdtempSync(join(tmpdir(), 'kos-test-'))
  const deps = { random: systemRandom }
  // PBKDF2 costs the least.
  const place: KeyFilePlace = {
    path: join(folder, 'root.kos'),
    passphrase: Secret.copy(utf8('correct horse')),
    derivation: 'pbkdf2',
  }
  exportRootKeys(deps, authority.keys, { ...place, isKept: false })
  return {
    authority,
    place,
    open: (typed = 'correct horse') => {
      using passphrase = Secret.copy(utf8(typed))
      return openRootFile(deps, { ...place, passphrase })
    },
    [Symbol.dispose]: (): void => {
      authority[Symbol.dispose]()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

/** Signs a request that must be acceptable. */
export function signWith(file: RootFile, request: Uint8Array): Uint8Array {
  const opened = file.read(request)
  const answer = isRefusal(opened) ? opened : file.sign(opened)
  assert.ok(!isRefusal(answer), ruleOf(answer))
  return answer
}

/** Signs, or says why not. */
export function ruleOfSigning(file: RootFile, request: Uint8Array): string {
  const opened = file.read(request)
  return ruleOf(isRefusal(opened) ? opened : file.sign(opened))
}

/** Code and rule of a refusal; `ok` for everything else. */
export function ruleOf(answer: unknown): string {
  return isRefusal(answer) ? `${answer.code} ${answer.rule}` : 'ok'
}
