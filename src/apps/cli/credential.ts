import { closeSync, openSync, rmSync, statSync } from 'node:fs'
import { join } from 'node:path'
import {
  type AuthorityClient,
  type Member,
  nodeErrors,
  openMember,
  renewMembership,
} from '../node/index.ts'
import { renewAtMs } from '../../trust/pki/index.ts'
import { type CliContext, configFolder } from './context.ts'
import { cliErrors } from './errors.ts'

/** Longest silence of the authority in milliseconds. */
const AUTHORITY_TIMEOUT_MS = 10_000
/** Longest silence while a credential is renewed behind a command that is done. */
const QUIET_TIMEOUT_MS = 3000
const LOCK_NAME = 'renewal.lock'
/** A lock this old was left behind by a command that was killed. */
const STALE_LOCK_MS = 60_000

/**
 * Opens the credential that a command acts with.
 *
 * @param context - see {@link CliContext}
 * @param folder - another credential's folder, for example a node's state folder
 * @throws {@link KosError} KOS_CLI_CREDENTIAL when there is none
 */
export function openCredential(context: CliContext, folder?: string): Member {
  const place = folder ?? configFolder(context.environment)
  const member = openMember(context, { folder: place, onKeepFailed: () => undefined })
  if (!member) throw cliErrors.error('KOS_CLI_CREDENTIAL', { folder: place })
  return member
}

/**
 * Runs work with the operator's credential, which it keeps alive: one that has ended is renewed
 * before, one past half of its life afterwards, quietly.
 *
 * @throws {@link KosError} KOS_CLI_CREDENTIAL; KOS_NODE_REFUSED when an ended credential cannot be
 * renewed; what the work throws
 * @see identity: Renewal and absence
 */
export async function withCredential<T>(
  context: CliContext,
  work: (member: Member) => Promise<T>,
): Promise<T> {
  let member = openCredential(context)
  try {
    if (member.clock.wallMs() >= member.validity.notAfter) {
      await renewEnded(member)
      member.close()
      member = openCredential(context)
    }
    return await work(member)
  } finally {
    const isDue = isRenewalDue(context, member)
    member.close()
    if (isDue) await renewQuietly(context)
  }
}

/** Runs work with a verified connection to the authority, and closes both afterwards. */
export function withAuthority<T>(
  context: CliContext,
  work: (client: AuthorityClient, member: Member) => Promise<T>,
): Promise<T> {
  return withCredential(context, async (member) => {
    const client = await member.connectAuthority(AUTHORITY_TIMEOUT_MS)
    try {
      return await work(client, member)
    } finally {
      client.close()
    }
  })
}

function isRenewalDue({ random }: CliContext, { clock, validity }: Member): boolean {
  const now = clock.wallMs()
  const { notBefore, notAfter } = validity
  return now < notAfter && now >= renewAtMs(notBefore, notAfter, random)
}

async function renewEnded(member: Member): Promise<void> {
  const refusal = await renewMembership(member, { addresses: [], timeoutMs: AUTHORITY_TIMEOUT_MS })
  if (refusal) {
    const { code, rule } = refusal
    throw nodeErrors.error('KOS_NODE_REFUSED', { code, rule })
  }
}

/** The command is done and has said so: whatever goes wrong here is tried again by the next one. */
async function renewQuietly(context: CliContext): Promise<void> {
  const path = join(configFolder(context.environment), LOCK_NAME)
  // Two commands at once would each make a key of the next generation: a copy, to the authority.
  if (!takeLock(path, context.clock.wallMs())) return
  try {
    const member = openCredential(context)
    try {
      if (!isRenewalDue(context, member)) return
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
