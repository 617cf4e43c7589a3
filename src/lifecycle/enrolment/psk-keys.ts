import {
  type Clock,
  type Random,
  refuse,
  type Refusal,
  type Secret,
  type UnixMs,
  unixMs,
} from '../../foundation/base/index.ts'
import { newPskHandle, PSK_LIFE_MS, PSK_OVERLAP_MS } from '../../trust/pki/index.ts'
import { newPsk, type PskVault } from './join-psk.ts'
import type { EnrolmentStore, EnrolmentTransaction, PskRecord } from './records.ts'

/** A new key on its way to its device. */
export interface NextPsk {
  readonly handle: string
  readonly generation: number
  /** 32 bytes; the caller disposes of it. */
  readonly root: Secret
}

/** The generations of the pre-shared keys of devices. */
export interface PskKeyService {
  /**
   * Makes the next key of a device, or gives the one that it has not used yet: a lost answer is
   * repeated. The key before goes on for {@link PSK_OVERLAP_MS} at most.
   *
   * @returns the key, durable, or a refusal KOS_ENROLMENT_UNKNOWN or KOS_ENROLMENT_LOCKED
   */
  rotate(principalId: string): Promise<NextPsk | Refusal>
  /** Notes that a device proved a key: with the first use of a new one, those before it are dead. */
  used(handle: string): Promise<void>
}

interface PskKeyDeps {
  readonly clock: Clock
  readonly random: Random
  readonly store: EnrolmentStore
  readonly vault: PskVault
}

/**
 * Makes the service of key generations.
 *
 * @see identity: SEC-1 keys
 */
export function createPskKeyService(deps: PskKeyDeps): PskKeyService {
  return Object.freeze({
    rotate: (principalId: string): Promise<NextPsk | Refusal> =>
      deps.store.transaction((transaction) => rotate(deps, transaction, principalId)),
    used: (handle: string): Promise<void> =>
      deps.store.transaction((transaction) => used(deps, transaction, handle)),
  })
}

/** Whether a key has ended: a newer one was used, or the time of both together is over. */
export function isPskDead(key: Pick<PskRecord, 'endsAt'>, nowMs: UnixMs): boolean {
  return key.endsAt !== undefined && key.endsAt <= nowMs
}

function rotate(
  deps: PskKeyDeps,
  transaction: EnrolmentTransaction,
  principalId: string,
): NextPsk | Refusal {
  const principal = transaction.principal(principalId)
  const keys = transaction.pskOf(principalId)
  const newest = keys.at(-1)
  if (!principal || !newest) return refuse('KOS_ENROLMENT_UNKNOWN', 'principal/no-psk')
  if (principal.state !== 'active') return refuse('KOS_ENROLMENT_LOCKED', 'principal/state')
  const isWaiting = keys.length > 1 && newest.firstUsedAt === undefined
  return nextOf(deps, isWaiting ? newest : makeNext(deps, transaction, newest))
}

function makeNext(
  deps: PskKeyDeps,
  transaction: EnrolmentTransaction,
  { principalId, generation, handle: before }: PskRecord,
): PskRecord {
  const handle = newPskHandle(deps.random)
  const next = newPsk(deps, { principalId, generation: generation + 1, handle })
  const now = deps.clock.wallMs()
  transaction.insertPsk(next)
  transaction.changePsk(before, { endsAt: unixMs(now + PSK_OVERLAP_MS) })
  transaction.changePrincipal(principalId, {
    generation: next.generation,
    generationUsed: false,
    certificateNotBefore: now,
    certificateNotAfter: unixMs(now + PSK_LIFE_MS),
  })
  return next
}

function nextOf({ vault }: PskKeyDeps, { handle, generation, sealedRoot }: PskRecord): NextPsk {
  return { handle, generation, root: vault.open(handle, sealedRoot) }
}

function used(deps: PskKeyDeps, transaction: EnrolmentTransaction, handle: string): void {
  const key = transaction.psk(handle)
  if (!key || key.firstUsedAt !== undefined) return
  const now = deps.clock.wallMs()
  transaction.changePsk(handle, { firstUsedAt: now })
  for (const other of transaction.pskOf(key.principalId)) {
    const isOlder = other.generation < key.generation
    if (isOlder && !isPskDead(other, now)) transaction.changePsk(other.handle, { endsAt: now })
  }
  transaction.changePrincipal(key.principalId, { generationUsed: true })
}
