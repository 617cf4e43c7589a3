import {
  isRefusal,
  parsePrincipal,
  type Random,
  sha256,
  equalBytes,
  type Clock,
} from '../../foundation/base/index.ts'
import { profileOf, stricterOf } from '../../foundation/profiles/index.ts'
import {
  type CertificateRecord,
  type EnrolmentTransaction,
  keyHashOf,
  type PrincipalRecord,
} from '../../lifecycle/enrolment/index.ts'
import {
  type ProvenMember,
  RECOVERED_KINDS,
  type RecoveredState,
} from '../../lifecycle/recovery/index.ts'
import {
  compareNumbered,
  createDirectoryState,
  type DirectoryEntry,
  EMPTY_LOCK_LIST,
  type LockList,
  readLockList,
} from '../../trust/pki/index.ts'
import { parseCertificate } from '../../foundation/codec/index.ts'
import type { AuthorityState } from './authority-state.ts'
import type { RegistryChange } from './registry.ts'

/** What the members brought, in numbers. */
export interface RecoveryOutcome {
  /** Principals that joined after the backup. */
  readonly adopted: number
  /** Certificates that were renewed after it. */
  readonly renewed: number
  /** Principals that were locked or removed after it. */
  readonly locked: number
  /** Members whose certificate is genuine, and that no signed directory names. */
  readonly unknown: number
}

/** The directory as it was when the authority was lost. */
export const FORMER_DIRECTORY = 'former-directory'
/** The lock list as it was then. */
export const FORMER_LOCKS = 'former-lock-list'

/**
 * Brings the registry up to what the members of a restored authority proved: signed objects as they are,
 * and what follows from them. Durable on return, as a whole. Tokens that were open when the backup was
 * made are revoked: they may have been used since.
 *
 * @see identity: Eras: restore without bricking
 */
export function applyRecovered(
  deps: { readonly clock: Clock; readonly random: Random },
  state: AuthorityState,
  recovered: RecoveredState,
): RecoveryOutcome {
  const { registry, store } = state
  const locks = lockListOf(recovered)
  const entries = directoryOf(recovered)
  const isNewer = (kind: 'directory' | 'lock-list'): boolean => {
    const stored = registry.signedObject(kind)
    const object = recovered.objects.get(kind)?.object
    return object !== undefined && (!stored || compareNumbered(object, stored) > 0)
  }
  const news = { directory: isNewer('directory'), locks: isNewer('lock-list') }
  return store.transaction(() => {
    keepObjects(state, recovered)
    const locked = [
      ...(news.directory ? follow(state, entries, locks) : []),
      ...(news.locks ? lock(state, locks) : []),
    ]
    const members = [...recovered.members.values()]
    const adopted = members.filter((member) => adopt(deps, state, { member, entries, locks }))
    const renewed = members.filter((member) => takeOver(state, member))
    store.raw.exec(`
      UPDATE token SET state = 'revoked' WHERE state = 'open';
      DELETE FROM api_token;
      DELETE FROM request_nonce;
    `)
    return {
      adopted: adopted.length,
      renewed: renewed.length,
      locked: locked.length,
      unknown: members.filter(({ peer }) => !registry.principal(peer.principal.id)).length,
    }
  })
}

function keepObjects({ registry }: AuthorityState, { objects }: RecoveredState): void {
  for (const kind of RECOVERED_KINDS) {
    const found = objects.get(kind)
    if (!found) continue
    const { signed: bytes, object } = found
    const { era, number } = object
    registry.putSignedObject({ kind, era, number, bytes })
    if (kind === 'directory')
      registry.putSignedObject({ kind: FORMER_DIRECTORY, era, number, bytes })
    if (kind === 'lock-list') registry.putSignedObject({ kind: FORMER_LOCKS, era, number, bytes })
  }
}

/** What the newest lock list says. */
export function lockListOf({ objects }: Pick<RecoveredState, 'objects'>): LockList {
  const object = objects.get('lock-list')?.object
  const list = object && readLockList(object)
  return !list || isRefusal(list) ? EMPTY_LOCK_LIST : list
}

/** Entries of the newest directory by URI. */
export function directoryOf({
  bundle,
  objects,
}: Pick<RecoveredState, 'bundle' | 'objects'>): ReadonlyMap<string, DirectoryEntry> {
  const directory = createDirectoryState({ trust: () => bundle.object })
  const signed = objects.get('directory')?.signed
  if (signed) directory.apply(signed)
  return directory.current?.value.byUri ?? new Map<string, DirectoryEntry>()
}

/** Whoever the newer directory does not name any more was removed; the others are as it says. */
function follow(
  { registry }: AuthorityState,
  entries: ReadonlyMap<string, DirectoryEntry>,
  locks: LockList,
): readonly PrincipalRecord[] {
  const known = registry.principals()
  const gone = known.filter(({ uri }) => !entries.has(uri) && locks.principals.includes(uri))
  for (const { id } of gone) change(registry, id, { state: 'removed' })
  const taken = new Set(registry.principals().map(({ name }) => name))
  for (const record of known) {
    const entry = entries.get(record.uri)
    if (!entry) continue
    const { addresses, listeners, roles, groups, labels, name } = entry
    const isRenamed = name !== record.name && !taken.has(name)
    change(registry, record.id, {
      addresses,
      roles,
      groups,
      labels,
      ...(listeners && { listeners }),
      ...(isRenamed && { name }),
    })
  }
  return gone
}

/** An operator's locks as the newest list has them; a quarantine stays. */
function lock(state: AuthorityState, locks: LockList): readonly PrincipalRecord[] {
  const { registry } = state
  const listed = new Set(locks.principals)
  for (const { id, uri, state: now } of registry.principals()) {
    if (now === 'locked' && !listed.has(uri)) change(registry, id, { state: 'active' })
  }
  return lockListed(state, locks)
}

/** Locks in the registry what a list locks, and says whom it was new for. */
export function lockListed(
  { registry }: Pick<AuthorityState, 'registry'>,
  { principals }: LockList,
): readonly PrincipalRecord[] {
  const listed = new Set(principals)
  const locked = registry
    .principals()
    .filter(({ uri, state }) => state === 'active' && listed.has(uri))
  for (const { id } of locked) change(registry, id, { state: 'locked' })
  return locked
}

function change(registry: AuthorityState['registry'], id: string, what: RegistryChange): void {
  registry.atOnce((transaction) => transaction.changePrincipal(id, what))
}

/**
 * Registers a member that the backup does not know: its certificate is the CA's, its identity key has
 * signed, and the directory that the authority signed last names it. Its MAC address is not known any
 * more.
 *
 * @returns whether it was unknown and is registered now
 */
export function adopt(
  { clock, random }: { readonly clock: Clock; readonly random: Random },
  { registry }: Pick<AuthorityState, 'registry'>,
  found: {
    readonly member: ProvenMember
    readonly entries: ReadonlyMap<string, DirectoryEntry>
    readonly locks: LockList
  },
): boolean {
  const { peer, claim } = found.member
  const { principal } = peer
  const entry = found.entries.get(principal.uri)
  const isLocked = found.locks.principals.includes(principal.uri)
  if (!entry || isLocked || registry.principal(principal.id)) return false
  if (!equalBytes(entry.identityKeyHash, sha256(claim.identitySpki))) return false
  const keys = [claim.identitySpki, claim.kemSpki, ...claim.logSpkis]
  return registry.atOnce((transaction) => {
    const isTaken = keys.some((spki) => transaction.keyUse(keyHashOf(spki)))
    if (isTaken || transaction.principalNamed(entry.name)) return false
    transaction.insertPrincipal({
      id: principal.id,
      uri: principal.uri,
      kind: principal.kind,
      name: entry.name,
      profile: stricterOf(peer.floor, profileOf(entry.profile)).name,
      state: 'active',
      owner: entry.owner ?? '',
      mac: '',
      uuid: random.uuidv7(),
      identitySpki: claim.identitySpki,
      kemSpki: claim.kemSpki,
      logSpkis: claim.logSpkis,
      generation: peer.generation,
      generationUsed: true,
      roles: entry.roles,
      groups: entry.groups,
      labels: entry.labels,
      addresses: entry.addresses,
      listeners: entry.listeners,
      createdAt: peer.notBefore,
      lastSeenAt: clock.wallMs(),
      certificateNotBefore: peer.notBefore,
      certificateNotAfter: peer.notAfter,
    })
    keepCertificate(transaction, found.member)
    return true
  })
}

/**
 * Takes over the certificate of a member that renewed it after the backup.
 *
 * @returns whether the registry was behind
 */
export function takeOver(
  { registry }: Pick<AuthorityState, 'registry'>,
  member: ProvenMember,
): boolean {
  const { peer, claim } = member
  const record = registry.principal(peer.principal.id)
  if (!record || !equalBytes(record.identitySpki, claim.identitySpki)) return false
  if (peer.generation <= record.generation) return false
  return registry.atOnce((transaction) => {
    transaction.changePrincipal(record.id, {
      generation: peer.generation,
      generationUsed: true,
      certificateNotBefore: peer.notBefore,
      certificateNotAfter: peer.notAfter,
    })
    keepCertificate(transaction, member)
    return true
  })
}

function keepCertificate(transaction: EnrolmentTransaction, { peer, claim }: ProvenMember): void {
  const { spki, serialHex } = parseCertificate(claim.leaf)
  const use = transaction.keyUse(keyHashOf(spki))
  if (use && use.principalId !== peer.principal.id) return
  const certificate: CertificateRecord = {
    serial: serialHex,
    principalId: peer.principal.id,
    generation: peer.generation,
    tlsKeyHash: keyHashOf(spki),
    der: claim.leaf,
    notBefore: peer.notBefore,
    notAfter: peer.notAfter,
  }
  if (!transaction.certificateOfSerial(serialHex)) transaction.insertCertificate(certificate)
}

/** Whether a principal of a directory is expected to report: it has a certificate and a daemon. */
export function isExpected(entry: DirectoryEntry, record: PrincipalRecord | undefined): boolean {
  const kind = parsePrincipal(entry.uri)?.kind
  const hasDaemon = record?.origin === undefined
  const { certificateLifeMs } = profileOf(entry.profile)
  return (kind === 'device' || kind === 'agent') && hasDaemon && certificateLifeMs !== undefined
}
