import { type Clock, isRefusal, type Log, type Refusal } from '../../foundation/base/index.ts'
import type { NextPsk, PrincipalRecord, PskKeyService } from '../../lifecycle/enrolment/index.ts'
import { PSK_LIFE_MS } from '../../trust/pki/index.ts'
import { FABRIC, type OpenSession } from '../node/index.ts'
import type { Registry } from './registry.ts'

interface PskRotationDeps {
  readonly clock: Clock
  readonly log: Log
  readonly registry: Registry
  readonly keys: PskKeyService
  /** Those that are open now. */
  readonly sessions: () => ReadonlySet<OpenSession>
  /** A key was handed out, or used for the first time. */
  onRotation(uri: string, step: 'psk.rotate' | 'psk.use', generation: number): void
}

/** Replaces pre-shared keys, inside the sessions of their devices. */
export interface PskRotation {
  /** A session reached READY: its key is used, and a newer one is handed out when there is one. */
  opened(open: OpenSession): void
  /**
   * Makes the next key of a device and hands it out, now or in its next session.
   *
   * @returns whether the device has it already
   */
  rotate(record: PrincipalRecord): Promise<{ readonly delivered: boolean } | Refusal>
  /** Hands new keys to the connected devices whose key is old. */
  rotateDue(): void
}

const CALL_DEADLINE_MS = 10_000

/**
 * Makes the rotation of pre-shared keys.
 *
 * @see identity: SEC-1 keys
 */
export function createPskRotation(deps: PskRotationDeps): PskRotation {
  const soon = (work: Promise<unknown>): void => {
    work.catch((error: unknown) => {
      deps.log.event('psk.rotation-failed', { error: String(error) }, 'error')
    })
  }
  return {
    opened: (open) => {
      if (isPskSession(open)) soon(entered(deps, open))
    },
    rotate: async (record) => {
      const next = await deps.keys.rotate(record.id)
      if (isRefusal(next)) return next
      const open = [...deps.sessions()].find((one) => isPskSession(one) && isOf(one, record.uri))
      return { delivered: open ? await handOut(deps, open, next) : (wipe(next), false) }
    },
    rotateDue: () => {
      for (const open of deps.sessions()) if (isPskSession(open)) soon(handOutDue(deps, open))
    },
  }
}

/** Whether a session was made by a pre-shared key: its serial is then the handle. */
export function isPskSession({ authenticated }: OpenSession): boolean {
  const { listener } = authenticated.connected.connection
  return listener.transport?.authentication === 'psk'
}

function isOf({ authenticated }: OpenSession, uri: string): boolean {
  return authenticated.peer.principal.uri === uri
}

async function entered(deps: PskRotationDeps, open: OpenSession): Promise<void> {
  const { serial, principal, generation } = open.authenticated.peer
  const isFirst = deps.registry.psk(serial)?.firstUsedAt === undefined
  await deps.keys.used(serial)
  if (isFirst) deps.onRotation(principal.uri, 'psk.use', generation)
  // The key before is dead now: its sessions end, and their calls go on in this one.
  for (const other of deps.sessions()) {
    const isOlder = isPskSession(other) && other.authenticated.peer.generation < generation
    if (isOlder && isOf(other, principal.uri)) other.session.goaway('recycle')
  }
  await handOutDue(deps, open)
}

async function handOutDue(deps: PskRotationDeps, open: OpenSession): Promise<void> {
  const { serial, principal } = open.authenticated.peer
  const newest = deps.registry.pskOf(principal.id).at(-1)
  if (!newest) return
  const isWaiting = newest.handle !== serial && newest.firstUsedAt === undefined
  const isOld = deps.clock.wallMs() - newest.createdAt >= PSK_LIFE_MS
  if (!isWaiting && !(isOld && newest.handle === serial)) return
  const next = await deps.keys.rotate(principal.id)
  if (!isRefusal(next)) await handOut(deps, open, next)
}

async function handOut(
  deps: PskRotationDeps,
  { authenticated, session }: OpenSession,
  next: NextPsk,
): Promise<boolean> {
  const { handle, generation } = next
  const root = next.root.use((bytes) => Uint8Array.from(bytes))
  wipe(next)
  const result = await session.call(
    FABRIC.psk,
    { handle, generation, root },
    { deadlineMs: CALL_DEADLINE_MS },
  )
  root.fill(0)
  const isTaken = result.status === 'ok'
  if (isTaken) {
    deps.onRotation(authenticated.peer.principal.uri, 'psk.rotate', generation)
    // The device connects anew with the new key, and running calls go on there.
    session.goaway('recycle')
  } else deps.log.event('psk.not-taken', { rule: result.rule ?? result.code }, 'warn')
  return isTaken
}

function wipe({ root }: NextPsk): void {
  root[Symbol.dispose]()
}
