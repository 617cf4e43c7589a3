import {
  parsePrincipal,
  type Principal,
  refuse,
  type Refusal,
  Secret,
  sha256,
  unixMs,
  type UnixMs,
} from '../../foundation/base/index.ts'
import { profileOf } from '../../foundation/profiles/index.ts'
import type { PskAuthenticator, PskPeer } from '../../network/session/index.ts'
import type { PskIdentity } from '../../network/transport/index.ts'
import type { KeyStore } from '../../trust/keys/index.ts'
import { derivePskKeys, pskHandleHash, pskIdentity, type PskKeys } from '../../trust/pki/index.ts'
import { nodeErrors } from './errors.ts'
import type { FabricState } from './fabric-state.ts'
import type { PskHandedOut } from './fabric-commands.ts'
import type { LockGate } from './lock-gate.ts'
import type { Membership, PskMembership } from './membership.ts'

/** The authority proves itself by the same key; the life of a session bounds it. */
const SESSION_BOUND_MS = 24 * 60 * 60 * 1000

/** Seals the root of a handle in the key store; durable on return. */
export function keepPskRoot(keys: KeyStore, handle: string, root: Uint8Array): void {
  using secret = Secret.copy(root)
  keys.sealSecret(secretName(handle), secret)
}

function secretName(handle: string): string {
  return `psk-${handle}`
}

function pskKeysOf(keys: KeyStore, { handle }: PskMembership): PskKeys {
  using root = keys.openSecret(secretName(handle))
  if (!root) throw nodeErrors.error('KOS_NODE_STATE', { rule: 'psk' })
  return derivePskKeys(root)
}

/** What TLS authenticates with. */
export function pskDialIdentity(keys: KeyStore, psk: PskMembership): PskIdentity {
  return { kind: 'psk', handle: psk.handle, key: pskKeysOf(keys, psk).tls }
}

/**
 * What stands in for the identity key of a principal in hashes.
 *
 * @param keys - of the principal
 * @param psk - its pre-shared key; `undefined`: it has an identity key
 */
export function ownIdentityHash(keys: KeyStore, psk: PskMembership | undefined): Uint8Array {
  return psk ? sha256(pskIdentity(psk.identity)) : keys.require('identity').keyId
}

/**
 * Takes the next key of this device: root first, then the membership that names it, so that a crash
 * in between leaves the old one in use.
 *
 * @returns `undefined` when taken, again too; or a refusal of a key that is older
 */
export function takePsk(
  member: {
    readonly keys: KeyStore
    readonly membership: Membership
    update(next: Membership): void
  },
  next: PskHandedOut,
): Refusal | undefined {
  const { keys, membership } = member
  const { psk, generation } = membership
  if (!psk) return refuse('KOS_NODE_REFUSED', 'psk/certificate')
  const isSame = next.handle === psk.handle
  if (isSame) return undefined
  if (next.generation <= generation) return refuse('KOS_NODE_REFUSED', 'psk/older')
  keepPskRoot(keys, next.handle, next.root)
  next.root.fill(0)
  member.update({
    ...membership,
    generation: next.generation,
    psk: { ...psk, handle: next.handle },
  })
  keys.removeSecret(secretName(psk.handle))
  return undefined
}

/** What the authenticator of a device with a pre-shared key needs. */
interface PskEnd {
  readonly keys: KeyStore
  readonly fabric: FabricState
  readonly locks: LockGate
  readonly machine: Uint8Array
  readonly membership: () => Membership
}

/**
 * Makes what the session asks on a connection by pre-shared key: the other end is the authority, since
 * nobody else has the key.
 */
export function pskAuthenticatorOf(end: PskEnd): PskAuthenticator {
  return {
    own: () => ({ principal: end.membership().principal, machine: end.machine }),
    verify: (handle, nowMs) => authorityOf(end, handle, nowMs),
  }
}

function authorityOf(end: PskEnd, handle: string, nowMs: UnixMs): PskPeer | Refusal {
  const { keys, fabric, locks } = end
  const { psk, generation } = end.membership()
  const principal = authorityPrincipal(fabric)
  // The key may have been replaced between TLS and here: then another connection is made.
  if (!psk || psk.handle !== handle) return refuse('KOS_SESSION_AUTH', 'psk: other handle')
  if (!principal) return refuse('KOS_NODE_STATE', 'authority-address')
  const facts = {
    principal,
    floor: profileOf('SEC-1'),
    generation,
    identityKeyHash: ownIdentityHash(keys, psk),
    tlsKeyHash: pskHandleHash(handle),
    serial: handle,
    notAfter: unixMs(nowMs + SESSION_BOUND_MS),
  }
  return locks.check(facts) ?? { facts, authKey: pskKeysOf(keys, psk).auth }
}

function authorityPrincipal({ directory }: FabricState): Principal | undefined {
  const entry = directory.current?.value.entries.find(({ kind }) => kind === 'authority')
  return entry && parsePrincipal(entry.uri)
}
