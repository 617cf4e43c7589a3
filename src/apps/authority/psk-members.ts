import {
  type Clock,
  isRefusal,
  parsePrincipal,
  type Principal,
  type Random,
  refuse,
  type Refusal,
  Secret,
  sha256,
  concatBytes,
  toHex,
  type UnixMs,
  unixMs,
  utf8,
} from '../../foundation/base/index.ts'
import type { PeerFacts } from '../../foundation/pipeline/index.ts'
import { profileOf } from '../../foundation/profiles/index.ts'
import { isPskDead, type PskRecord, type PskVault } from '../../lifecycle/enrolment/index.ts'
import type { PskAuthenticator, PskPeer } from '../../network/session/index.ts'
import type { PskDirectory } from '../../network/transport/index.ts'
import { derivePskKeys, isPskHandle, pskHandleHash } from '../../trust/pki/index.ts'
import type { OpenSession } from '../node/index.ts'
import type { Registry } from './registry.ts'

/** Why a proven pre-shared key is an alarm. */
export type PskAlarm = 'psk: dead handle' | 'psk: second machine'

interface PskMembersDeps {
  readonly clock: Clock
  readonly random: Random
  readonly registry: Registry
  readonly vault: PskVault
  /** The authority itself. */
  readonly principal: Principal
  /** Lock list and registry: whether the peer is welcome. */
  check(peer: PeerFacts): Refusal | undefined
  /** Told once per minute and device of what only a copied key explains. */
  onAlarm(uri: string, alarm: PskAlarm, handle: string): void
}

/** Devices with pre-shared keys, as the SEC-1 listener sees them. */
export interface PskMembers {
  /** What TLS asks. */
  readonly identity: PskDirectory
  /** What the session asks. */
  readonly authenticator: PskAuthenticator
  /** Whether the key behind an open session has ended; nothing is said of certificates. */
  recheck(peer: PeerFacts): Refusal | undefined
  /** A session begins or ends. */
  noted(open: OpenSession, state: 'opened' | 'closed'): void
}

/** One device and the machine that holds its key now. */
interface Holder {
  readonly machine: string
  readonly sessions: Set<OpenSession>
  /** Until when a handshake that proved the key keeps others out, in monotonic milliseconds. */
  claimedUntilMs: number
}

/** The key in force has no end of its own: locks, and the life of a session, bound it. */
const SESSION_BOUND_MS = 24 * 60 * 60 * 1000
/** From AUTH to READY, with room. */
const CLAIM_MS = 6000
const ALARM_INTERVAL_MS = 60_000
const MAX_ALARMS = 10_000
const SECRET_BYTES = 32
const AUTHORITY_MACHINE = utf8('kos-psk-authority')

/**
 * Makes the members that have a pre-shared key.
 *
 * **Security:** an unknown handle gets a key that nobody has: from outside it fails like a wrong one. A
 * dead handle still gets its own, so that only who really holds it raises the alarm.
 *
 * @see identity: SEC-1 keys
 */
export function createPskMembers(deps: PskMembersDeps): PskMembers {
  const { clock, registry } = deps
  const decoy = Secret.take(deps.random.bytes(SECRET_BYTES))
  const holders = new Map<string, Holder>()
  const alarm = createAlarm(deps)
  const own = { principal: deps.principal, machine: sha256(AUTHORITY_MACHINE) }
  return {
    identity: { kind: 'psk', keyOf: (handle) => tlsKeyOf(deps, decoy, handle) },
    authenticator: {
      own: () => own,
      verify: (handle, nowMs): PskPeer | Refusal => {
        const found = findPeer(deps, handle, nowMs)
        if (isRefusal(found)) return found
        const { facts, key } = found
        const { uri } = facts.principal
        if (isPskDead(key, nowMs)) return alarm(uri, 'psk: dead handle', handle)
        const admit = (machine: Uint8Array): Refusal | undefined =>
          claim(holders, { uri, machine: toHex(machine), nowMs: clock.monotonicMs() })
            ? undefined
            : alarm(uri, 'psk: second machine', handle)
        return deps.check(facts) ?? { facts, authKey: keysOf(deps, key).auth, admit }
      },
    },
    recheck: (peer) => {
      const isPsk = peer.floor.authentication.factor === 'psk'
      const key = isPsk ? registry.psk(peer.serial) : undefined
      if (!key || !isPskDead(key, clock.wallMs())) return undefined
      return refuse('KOS_SESSION_AUTH', 'psk: dead handle')
    },
    noted: (open, state) => {
      const holder = holders.get(open.authenticated.peer.principal.uri)
      if (!holder) return
      if (state === 'opened') holder.sessions.add(open)
      else holder.sessions.delete(open)
      holder.claimedUntilMs = 0
    },
  }
}

/** Keeps a second machine out while the first one has a session, or is about to. */
function claim(
  holders: Map<string, Holder>,
  by: { readonly uri: string; readonly machine: string; readonly nowMs: number },
): boolean {
  const holder = holders.get(by.uri)
  const isHeld = holder && (holder.sessions.size > 0 || holder.claimedUntilMs > by.nowMs)
  if (isHeld && holder.machine !== by.machine) return false
  const claimedUntilMs = by.nowMs + CLAIM_MS
  if (isHeld) holder.claimedUntilMs = claimedUntilMs
  else holders.set(by.uri, { machine: by.machine, sessions: new Set(), claimedUntilMs })
  return true
}

function tlsKeyOf(deps: PskMembersDeps, decoy: Secret, handle: string): Secret {
  const key = isPskHandle(handle) ? deps.registry.psk(handle) : undefined
  if (key) return keysOf(deps, key).tls
  const root = decoy.use((bytes) => Secret.take(sha256(concatBytes(bytes, utf8(handle)))))
  return derivePskKeys(root).tls
}

function keysOf({ vault }: PskMembersDeps, key: PskRecord): ReturnType<typeof derivePskKeys> {
  using root = vault.open(key.handle, key.sealedRoot)
  return derivePskKeys(root)
}

function findPeer(
  { registry }: PskMembersDeps,
  handle: string,
  nowMs: UnixMs,
): { readonly facts: PeerFacts; readonly key: PskRecord } | Refusal {
  const key = registry.psk(handle)
  const record = key && registry.principal(key.principalId)
  const principal = parsePrincipal(record?.uri ?? '')
  if (!key || !record || !principal) return refuse('KOS_SESSION_AUTH', 'psk: unknown handle')
  const floor = profileOf(record.profile)
  // A device that was raised has a certificate, and its old key opens nothing.
  if (floor.authentication.factor !== 'psk') return refuse('KOS_SESSION_PROFILE', 'psk: raised')
  const facts: PeerFacts = {
    principal,
    floor,
    generation: key.generation,
    identityKeyHash: sha256(record.identitySpki),
    tlsKeyHash: pskHandleHash(handle),
    serial: handle,
    notAfter: key.endsAt ?? unixMs(nowMs + SESSION_BOUND_MS),
  }
  return { facts, key }
}

/** One alarm per device, kind and minute: who holds a copied key must not fill the log. */
function createAlarm(
  deps: PskMembersDeps,
): (uri: string, alarm: PskAlarm, handle: string) => Refusal {
  const told = new Map<string, number>()
  return (uri, alarm, handle) => {
    const nowMs = deps.clock.monotonicMs()
    const name = `${alarm} ${uri}`
    if (nowMs - (told.get(name) ?? -Infinity) >= ALARM_INTERVAL_MS) {
      if (told.size >= MAX_ALARMS) told.clear()
      told.set(name, nowMs)
      deps.onAlarm(uri, alarm, handle)
    }
    return refuse('KOS_SESSION_AUTH', alarm)
  }
}
