import {
  type Clock,
  equalBytes,
  isRefusal,
  type Log,
  parsePrincipal,
  refuse,
  type Refusal,
  sha256,
  unixMs,
} from '../../foundation/base/index.ts'
import { type CborInput, cborToPlain, encodeCbor } from '../../foundation/codec/index.ts'
import { profileOf, stricterOf } from '../../foundation/profiles/index.ts'
import type {
  EnrolmentTransaction,
  PrincipalRecord,
  RaisedMinimum,
  RaiseStore,
} from '../../lifecycle/enrolment/index.ts'
import {
  type CertificateAuthority,
  type DirectoryEntryInput,
  EMPTY_LOCK_LIST,
  encodeDirectory,
  encodeLockList,
  type LockList,
  type NumberedKind,
  type NumberedObject,
  readLockList,
  SIGNED_BY,
  type SignedNumbered,
  signSuccessor,
  verifyNumbered,
} from '../../trust/pki/index.ts'
import {
  defaultFleetManifest,
  encodeManifest,
  manifestToJson,
  parseManifest,
  parseManifestJson,
} from '../../trust/policy/index.ts'
import { authorityErrors } from './errors.ts'
import type { Registry } from './registry.ts'
import type { Publisher } from './services.ts'

/** Bounds of the authority's own objects, read back from its own store. */
const OWN_LIMITS = { maxBytes: 32 * 1024 * 1024, maxItems: 4 * 1024 * 1024 }
/**
 * Largest encoded manifest: about 100,000 rules of ordinary length. Members read it within their own
 * bound of 16 MiB, and in base64 it fits into one answer of the API beside the directory.
 */
const MAX_MANIFEST_BYTES = 10 * 1024 * 1024
/** A manifest without a stated end counts for ten years. */
const MANIFEST_LIFE_MS = 10 * 365 * 24 * 60 * 60 * 1000

/** What a publisher tells when an object changed. */
export type OnPublished = (kind: 'directory' | 'locks' | 'manifest') => void

interface PublisherDeps {
  readonly clock: Clock
  readonly log: Log
  readonly ca: CertificateAuthority
  readonly registry: Registry
  readonly onPublished: OnPublished
}

/** A publisher and what keeps its lock list fresh. */
export interface AuthorityPublisher extends Publisher {
  /** Signs the unchanged lock list anew: a heartbeat. */
  resignLocks(): void
  /** The lock list in force. */
  lockObject(): NumberedObject
  /** Replaces the directory entry of the authority itself. */
  setAuthorityEntry(entry: DirectoryEntryInput): void
  /** Changes the registry and signs the lock list with a new minimum, in one durable step. */
  readonly raise: RaiseStore['raise']
  /** Locks what another genuine list locks, too; durable on return. */
  addLocks(list: LockList): void
  /**
   * Signs a lock list that names one more certificate by its serial number; durable on return.
   *
   * @param isKept - whether a serial number that is listed is of use yet
   */
  revokeSerial(serial: string, isKept: (listed: string) => boolean): void
  /** What the lock list in force says. */
  lockList(): LockList
}

/**
 * Makes the publisher: signs the directory, the lock list and the fleet manifest, each durable before
 * anyone sees it, numbered and linked.
 *
 * @param deps - clock, log, CA with its delegated keys, registry, listener for changes
 * @param authority - the directory entry of the authority itself
 */
export function createPublisher(
  deps: PublisherDeps,
  authority: DirectoryEntryInput,
): AuthorityPublisher {
  let ownEntry = authority
  const series = createSeries(deps)
  const locks = (): LockList => {
    const held = series.held('lock-list')
    const list = held ? readLockList(held) : EMPTY_LOCK_LIST
    if (isRefusal(list)) throw authorityErrors.error('KOS_AUTHORITY_STORE', { rule: list.rule })
    return list
  }
  const publishLocks = (list: LockList): void => {
    if (series.publish('lock-list', encodeLockList(list))) deps.onPublished('locks')
  }
  // A fleet renews all day, and hardly ever moves.
  let listedVersion: number | undefined
  const refreshDirectory = (): void => {
    const version = deps.registry.directoryVersion()
    if (version === listedVersion) return
    const entries = [ownEntry, ...deps.registry.principals().filter(isListed).map(entryOf)]
    if (series.publish('directory', encodeDirectory(entries))) deps.onPublished('directory')
    listedVersion = version
  }
  // A crash between the registry's lock and the signed one must not let a locked principal back in.
  publishLocks(withLocked(locks(), deps.registry.lockedOut()))
  if (!series.held('directory')) refreshDirectory()
  const manifest = series.held('manifest')
  // A new era has the last word, also for members that hold a newer manifest of the one before.
  if (!manifest) series.publish('manifest', firstManifest(deps.clock))
  else if (manifest.era < deps.ca.era) series.publish('manifest', manifest.body)
  return Object.freeze({
    bundle: () => deps.ca.bundle,
    directory: () => series.bytes('directory'),
    locks: () => series.bytes('lock-list'),
    manifest: () => series.bytes('manifest'),
    lockObject: () => series.require('lock-list'),
    resignLocks: (): void => {
      series.publish('lock-list', encodeLockList(locks()))
      deps.onPublished('locks')
    },
    refreshDirectory,
    setAuthorityEntry: (entry: DirectoryEntryInput): void => {
      ownEntry = entry
      listedVersion = undefined
      refreshDirectory()
    },
    lockPrincipal: (principal: PrincipalRecord): void =>
      publishLocks(withLocked(locks(), [principal])),
    unlockPrincipal: (principal: PrincipalRecord): boolean => {
      const list = locks()
      if (!list.principals.includes(principal.uri)) return false
      publishLocks(withUnlocked(list, principal))
      return true
    },
    raise: <T>(work: RaiseWork<T>): T => {
      const { result, signed } = deps.registry.atOnce((transaction) => {
        const done = work(transaction)
        const { minimum } = done
        const list = minimum && withMinimum(locks(), minimum)
        return {
          result: done.result,
          signed: list && series.store('lock-list', encodeLockList(list)),
        }
      })
      // Durable: from here on it is in force.
      if (signed && series.adopt('lock-list', signed)) deps.onPublished('locks')
      return result
    },
    addLocks: (list: LockList): void => publishLocks(unionOf(locks(), list)),
    revokeSerial: (serial: string, isKept: (listed: string) => boolean): void => {
      const list = locks()
      publishLocks({ ...list, serials: [...list.serials.filter(isKept), serial] })
    },
    lockList: locks,
    putManifest: (text: string) => putManifest(deps, series, text),
    manifestText: () => manifestText(series.require('manifest')),
  })
}

/** What either locks; of two minimums the stricter. */
function unionOf(list: LockList, other: LockList): LockList {
  const both: LockList = {
    principals: [...list.principals, ...other.principals],
    spkis: [...list.spkis, ...other.spkis],
    serials: [...list.serials, ...other.serials],
    endorsementKeys: [...list.endorsementKeys, ...other.endorsementKeys],
    tokens: [...list.tokens, ...other.tokens],
    minimum: list.minimum,
  }
  return Object.entries(other.minimum).reduce<LockList>(
    (merged, [uri, minimum]) => withMinimum(merged, { uri, ...minimum }),
    both,
  )
}

function withLocked(list: LockList, locked: readonly PrincipalRecord[]): LockList {
  return {
    ...list,
    principals: [...list.principals, ...locked.map(({ uri }) => uri)],
    spkis: [...list.spkis, ...locked.map(({ identitySpki }) => sha256(identitySpki))],
  }
}

function withUnlocked(list: LockList, { uri, identitySpki }: PrincipalRecord): LockList {
  const keyHash = sha256(identitySpki)
  return {
    ...list,
    principals: list.principals.filter((locked) => locked !== uri),
    spkis: list.spkis.filter((locked) => !equalBytes(locked, keyHash)),
  }
}

type RaiseWork<T> = (transaction: EnrolmentTransaction) => {
  readonly result: T
  readonly minimum?: RaisedMinimum
}

/** A minimum only rises. */
function withMinimum(list: LockList, { uri, generation, floor }: RaisedMinimum): LockList {
  const before = list.minimum[uri]
  const minimum = before
    ? {
        generation: Math.max(before.generation, generation),
        floor: stricterOf(profileOf(before.floor), profileOf(floor)).name,
      }
    : { generation, floor }
  return { ...list, minimum: { ...list.minimum, [uri]: minimum } }
}

/** What is locked stays listed: a lock changes the lock list, and nothing else has to travel. */
function isListed(record: PrincipalRecord): boolean {
  return record.state === 'active' || record.state === 'locked'
}

function entryOf(record: PrincipalRecord): DirectoryEntryInput {
  return {
    uri: record.uri,
    name: record.name,
    addresses: record.addresses,
    listeners: record.listeners,
    identityKeyHash: sha256(record.identitySpki),
    profile: record.profile,
    roles: record.roles,
    groups: record.groups,
    labels: record.labels,
    ...(record.owner !== '' && { owner: record.owner }),
  }
}

function firstManifest(clock: Clock): CborInput {
  const notAfter = unixMs(clock.wallMs() + MANIFEST_LIFE_MS)
  return encodeManifest(defaultFleetManifest({ notAfter }))
}

function putManifest(
  deps: PublisherDeps,
  series: Series,
  text: string,
): { readonly number: number } | Refusal {
  const manifest = parseManifestJson(text, {
    uriOf: (name) => parsePrincipal(deps.registry.principalNamed(name)?.uri ?? '')?.uri,
  })
  if (isRefusal(manifest)) return manifest
  if (manifest.kind !== 'fleet') return refuse('KOS_POLICY_MANIFEST_LAYER', 'fleet manifest')
  if (manifest.notAfter <= deps.clock.wallMs()) {
    return refuse('KOS_POLICY_MANIFEST_EXPIRED', 'notAfter')
  }
  const body = encodeManifest(manifest)
  // Names became longer URIs: what is published must be what every node takes.
  if (encodeCbor(body).length > MAX_MANIFEST_BYTES) {
    return refuse('KOS_POLICY_MANIFEST_SIZE', 'manifest: too many bytes')
  }
  if (series.publish('manifest', body)) {
    deps.onPublished('manifest')
  }
  return { number: series.require('manifest').number }
}

function manifestText(object: NumberedObject): string {
  const manifest = parseManifest(cborToPlain(object.body))
  if (isRefusal(manifest)) {
    throw authorityErrors.error('KOS_AUTHORITY_STORE', { kind: 'manifest', rule: manifest.rule })
  }
  return manifestToJson(manifest)
}

/** The newest object of each kind, in memory and in the store. */
interface Series {
  held(kind: NumberedKind): NumberedObject | undefined
  require(kind: NumberedKind): NumberedObject
  bytes(kind: NumberedKind): Uint8Array
  /** Signs and stores what follows; `true` when it says something new. */
  publish(kind: NumberedKind, body: CborInput): boolean
  /** Signs and stores what follows, inside a transaction that may still fail: not in force yet. */
  store(kind: NumberedKind, body: CborInput): SignedNumbered
  /** Puts what was stored into force; `true` when it says something new. */
  adopt(kind: NumberedKind, signed: SignedNumbered): boolean
}

function createSeries(deps: PublisherDeps): Series {
  const objects = new Map<NumberedKind, { bytes: Uint8Array; object: NumberedObject }>()
  for (const kind of ['lock-list', 'directory', 'manifest'] as const) {
    const stored = deps.registry.signedObject(kind)
    if (stored)
      objects.set(kind, { bytes: stored.bytes, object: verifyOwn(deps, kind, stored.bytes) })
  }
  const require = (kind: NumberedKind): { bytes: Uint8Array; object: NumberedObject } => {
    const found = objects.get(kind)
    if (!found) throw authorityErrors.error('KOS_AUTHORITY_STORE', { rule: kind })
    return found
  }
  const store = (kind: NumberedKind, body: CborInput): SignedNumbered => {
    const held = objects.get(kind)?.object
    const next = { held, era: deps.ca.era, body, issuedAt: deps.clock.wallMs() }
    const signed = signSuccessor(kind, next, deps.ca.signers[SIGNED_BY[kind]].coseSigner())
    const { era, number } = signed.object
    deps.registry.putSignedObject({ kind, era, number, bytes: signed.bytes })
    return signed
  }
  const adopt = (kind: NumberedKind, signed: SignedNumbered): boolean => {
    const held = objects.get(kind)?.object
    const { era, number } = signed.object
    objects.set(kind, signed)
    const isNew = !held || number !== held.number || era !== held.era
    if (isNew) deps.log.event('object.published', { kind, era, number })
    return isNew
  }
  return {
    held: (kind) => objects.get(kind)?.object,
    require: (kind) => require(kind).object,
    bytes: (kind) => require(kind).bytes,
    store,
    adopt,
    publish: (kind, body) => adopt(kind, store(kind, body)),
  }
}

function verifyOwn(deps: PublisherDeps, kind: NumberedKind, bytes: Uint8Array): NumberedObject {
  const verifiers = deps.ca.trust.signingKeys[SIGNED_BY[kind]]
  const object = verifyNumbered(kind, bytes, { ...OWN_LIMITS, verifiers })
  if (isRefusal(object)) {
    throw authorityErrors.error('KOS_AUTHORITY_STORE', { kind, rule: object.rule })
  }
  return object
}
