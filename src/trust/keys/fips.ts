import { createHash, generateKeyPairSync, getFips, sign, verify } from 'node:crypto'

/** What a live probe found of the cryptographic module. */
export interface FipsProbe {
  /** Node runs restricted to an OpenSSL FIPS provider. */
  readonly isInUse: boolean
  /** The only two things that are ever said about it. */
  readonly state: 'validated module in use' | 'not in use'
  /** Which look was the first not to fit; `undefined` when all did. */
  readonly failed: string | undefined
}

/**
 * Looks whether Node is restricted to an OpenSSL FIPS provider: it says so, algorithms that no such
 * provider has are refused, and those that it has work.
 *
 * **Security:** "validated module in use" is true on the condition that the operator installed a provider
 * with a CMVP certificate, as its security policy says, on a listed platform: no probe can see that.
 */
export function probeFips(): FipsProbe {
  const failed = LOOKS.find(({ holds }) => !holds())?.name
  const isInUse = failed === undefined
  return { isInUse, state: isInUse ? 'validated module in use' : 'not in use', failed }
}

/**
 * Whether this process was started for a FIPS provider. Cheap: for choices of algorithms, not for claims.
 */
export function isFipsMode(): boolean {
  return getFips() === 1
}

/**
 * Leaves out what no FIPS provider has: the hybrid group over X25519, in FIPS mode.
 *
 * @param groups - named groups, first wins
 */
export function approvedGroups<Group extends string>(groups: readonly Group[]): readonly Group[] {
  return isFipsMode() ? groups.filter((group) => !group.startsWith('X25519')) : groups
}

const LOOKS: readonly { readonly name: string; readonly holds: () => boolean }[] = [
  { name: 'mode', holds: isFipsMode },
  { name: 'md5-refused', holds: () => isRefused(() => createHash('md5').update('').digest()) },
  { name: 'x25519-refused', holds: () => isRefused(() => generateKeyPairSync('x25519')) },
  { name: 'p-256-works', holds: () => !isRefused(signOnce) },
]

function signOnce(): void {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const message = Buffer.from('kos fips probe')
  if (!verify('sha256', message, publicKey, sign('sha256', message, privateKey))) {
    throw new Error('signature')
  }
}

function isRefused(use: () => unknown): boolean {
  try {
    use()
    return false
  } catch {
    return true
  }
}
