import { closeSync, openSync, rmSync, statSync } from 'node:fs'
import { join } from 'node:path'
import type { Refusal } from '../../foundation/base/index.ts'
import { type Member, nodeErrors, renewMembership } from '../node/index.ts'
import { type CliWorld, configFolder } from './context.ts'
import { cliErrors } from './errors.ts'
import { isRenewalDue, openCredential } from './credential.ts'

/** Longest silence of the authority in milliseconds. */
const AUTHORITY_TIMEOUT_MS = 10_000
/** Longest silence while a credential is renewed behind a command that is done. */
const QUIET_TIMEOUT_MS = 3000
const LOCK_NAME = 'renewal.lock'
/** A lock this old was left behind by a command that was killed. */
const STALE_LOCK_MS = 60_000

/** Renews a credential that has ended. */
export async function renewEnded(member: Member): Promise<void> {
  const refusal = await renewMembership(member, { addresses: [], timeoutMs: AUTHORITY_TIMEOUT_MS })
  if (refusal) {
    const { code, rule } = refusal
    throw nodeErrors.error('KOS_NODE_REFUSED', { code, rule })
  }
}

/**
 * Renews a credential because somebody wants it now.
 *
 * @returns `undefined` when renewed, else the authority's refusal
 * @throws {@link KosError} KOS_CLI_BUSY while another command renews it
 */
export async function renewNow(
  { clock }: Pick<CliWorld, 'clock'>,
  member: Member,
): Promise<Refusal | undefined> {
  const path = join(member.folder, LOCK_NAME)
  if (!takeLock(path, clock.wallMs()))
    throw cliErrors.error('KOS_CLI_BUSY', { folder: member.folder })
  try {
    return await renewMembership(member, { addresses: [], timeoutMs: AUTHORITY_TIMEOUT_MS })
  } finally {
    rmSync(path, { force: true })
  }
}

/**
 * Renews a credential that the authority does not take any more.
 *
 * @returns `false` when its owner is locked out
 */
export async function renewRefused(member: Member): Promise<boolean> {
  return !(await renewMembership(member, { addresses: [], timeoutMs: AUTHORITY_TIMEOUT_MS }))
}

/**
 * Renews a credential behind a command that is done and has said so: whatever goes wrong here is tried
 * again by the next one.
 */
export async function renewQuietly(world: CliWorld): Promise<void> {
  const path = join(configFolder(world.environment), LOCK_NAME)
  // Two commands at once would each make a key of the next generation: a copy, to the authority.
  if (!takeLock(path, world.clock.wallMs())) return
  try {
    const member = openCredential(world)
    try {
      if (!isRenewalDue(world, member)) return
      await renewMembership(member, { addresses: [], timeoutMs: QUIET_TIMEOUT_MS })
    } finally {
      member.close()
    }
  } catch {
    // The credential is good for half of its life yet.
  } finally {
    rmSync(path, { force: true })
  }
}

function takeLock(path: string, nowMs: number): boolean {
  try {
    closeSync(openSync(path, 'wx', 0o600))
    return true
  } catch {
    removeStale(path, nowMs)
    return false
  }
}

/** The next command finds the place free. */
function removeStale(path: string, nowMs: number): void {
  const stats = statSync(path, { throwIfNoEntry: false })
  if (stats && nowMs - stats.mtimeMs > STALE_LOCK_MS) rmSync(path, { force: true })
}
