import type { DatabaseSync } from 'node:sqlite'
import { sql } from 'kysely'
import type { UnixMs } from '../../foundation/base/index.ts'
import {
  parseProfileName,
  profileOf,
  type ProfileName,
  refuseDowngrade,
} from '../../foundation/profiles/index.ts'
import type { SchemaStep, Store } from '../../foundation/storage/index.ts'
import {
  type CertificateRecord,
  type EnrolmentStore,
  type EnrolmentTransaction,
  keyHashOf,
  type KeyUse,
  type PrincipalChange,
  type PrincipalRecord,
  type PskRecord,
} from '../../lifecycle/enrolment/index.ts'
import { MAX_DIRECTORY_ENTRIES } from '../../trust/pki/index.ts'
import { authorityErrors } from './errors.ts'
import { pskSteps } from './psk-registry.ts'
import {
  toCertificateRecord,
  toCertificateRow,
  toKeyUse,
  toPrincipalRecord,
  toPrincipalRow,
} from './rows.ts'
import {
  AUTHORITY_SCHEMA,
  type AuthorityTables,
  type CertificateRow,
  type KeyUseRow,
  LISTENERS_SCHEMA,
  ORIGIN_SCHEMA,
  type PrincipalRow,
  SIGNED_REQUEST_SCHEMA,
  USER_TOKEN_SCHEMA,
} from './schema.ts'
import { type TokenLists, tokenLists, tokenSteps } from './token-registry.ts'

/** Changes to a principal beyond those that enrolment makes. */
export type RegistryChange = PrincipalChange &
  Partial<
    Pick<
      PrincipalRecord,
      'name' | 'listeners' | 'labels' | 'groups' | 'roles' | 'lastSeenAt' | 'profile'
    >
  >

/** A signed object as stored. */
export interface StoredObject {
  readonly kind: string
  readonly era: number
  readonly number: number
  readonly bytes: Uint8Array
}

/** A certificate and the name of its principal. */
export interface HeldCertificate {
  readonly name: string
  readonly der: Buffer
}

/** The authority's registry: principals, their keys, tokens, certificates, signed objects. */
export interface Registry extends EnrolmentStore, TokenLists {
  /** All principals that were not removed, by name. */
  principals(): PrincipalRecord[]
  /** The people among them. */
  users(): PrincipalRecord[]
  /** Those among them who are locked or quarantined. */
  lockedOut(): PrincipalRecord[]
  /** Rises with every change of what the directory says; since this registry was opened. */
  directoryVersion(): number
  /** A principal by its id, also a removed one. */
  principal(id: string): PrincipalRecord | undefined
  /** The principal of a name, unless it was removed. */
  principalNamed(name: string): PrincipalRecord | undefined
  /** The newest certificates of all principals that may come back, as far as they are in time. */
  certificatesInForce(nowMs: UnixMs): readonly HeldCertificate[]
  /** A certificate by its serial number. */
  certificateOfSerial(serial: string): CertificateRecord | undefined
  /**
   * Changes a principal; durable when it resolves.
   *
   * @throws KosError KOS_AUTHORITY_STORE when its profile would go down; nothing is changed then
   */
  change(id: string, change: RegistryChange): Promise<void>
  /** A pre-shared key by its handle, also a dead one. */
  psk(handle: string): PskRecord | undefined
  /** All pre-shared keys of a principal, the oldest first. */
  pskOf(principalId: string): readonly PskRecord[]
  signedObject(kind: string): StoredObject | undefined
  /**
   * Stores a signed object in place of the one of its kind; durable on return.
   *
   * @throws KosError KOS_AUTHORITY_STORE when its era and number are below those of the stored one
   */
  putSignedObject(object: StoredObject): void
  /** Runs work in one transaction, now: durable on return, and undone as a whole when it throws. */
  atOnce<T>(work: (transaction: EnrolmentTransaction) => T): T
}

/** The schema step of the registry. */
export const registrySchema: SchemaStep = Object.freeze({
  name: 'authority registry',
  up: (raw: DatabaseSync): void => {
    for (const statement of AUTHORITY_SCHEMA) raw.exec(statement)
  },
})

/** The schema step of signed requests: their tokens and nonces. */
export const signedRequestSchema: SchemaStep = Object.freeze({
  name: 'signed requests',
  up: (raw: DatabaseSync): void => {
    for (const statement of SIGNED_REQUEST_SCHEMA) raw.exec(statement)
  },
})

/** The schema step that tells what an operator locked from what was found to be copied. */
export const quarantineSchema: SchemaStep = Object.freeze({
  name: 'quarantined principals',
  up: (raw: DatabaseSync): void => {
    // Before this version nothing but a copy locked a principal.
    raw.exec(`UPDATE principal SET state = 'quarantined' WHERE state = 'locked'`)
  },
})

/** The schema step of members' further listeners. */
export const listenersSchema: SchemaStep = Object.freeze({
  name: 'listeners of members',
  up: (raw: DatabaseSync): void => {
    for (const statement of LISTENERS_SCHEMA) raw.exec(statement)
  },
})

/** The schema step of devices that come in by EST. */
export const originSchema: SchemaStep = Object.freeze({
  name: 'origin of devices',
  up: (raw: DatabaseSync): void => {
    for (const statement of ORIGIN_SCHEMA) raw.exec(statement)
  },
})

/** The schema step of users that are invited. */
export const userTokenSchema: SchemaStep = Object.freeze({
  name: 'invitations of users',
  up: (raw: DatabaseSync): void => {
    for (const statement of USER_TOKEN_SCHEMA) raw.exec(statement)
  },
})

type RegistryStore = Store<AuthorityTables>

/**
 * Makes the registry over an open store.
 *
 * @param store - a store whose migrations contain {@link registrySchema}
 */
export function createRegistry(store: RegistryStore): Registry {
  const { db } = store
  const listing = { version: 0, most: Number.POSITIVE_INFINITY }
  const keys = keyUses(store)
  const transaction: EnrolmentTransaction = Object.freeze({
    ...tokenSteps(store),
    ...principalSteps(store, { listing, keys }),
    ...certificateSteps(store, keys),
    ...pskSteps(store),
  })
  const there = db
    .selectFrom('principal')
    .selectAll()
    .where('state', '<>', sql.lit('removed'))
    .orderBy('name')
  return Object.freeze({
    transaction: <T>(work: (transaction: EnrolmentTransaction) => T): Promise<T> =>
      store.group.enqueue(() => work(transaction)),
    principals: () => store.rows(there).map(toPrincipalRecord),
    users: () => store.rows(there.where('kind', '=', 'user')).map(toPrincipalRecord),
    lockedOut: () =>
      store.rows(there.where('state', 'in', ['locked', 'quarantined'])).map(toPrincipalRecord),
    directoryVersion: () => listing.version,
    principal: (id: string): PrincipalRecord | undefined => transaction.principal(id),
    principalNamed: (name: string): PrincipalRecord | undefined => transaction.principalNamed(name),
    certificatesInForce: (nowMs: UnixMs): readonly HeldCertificate[] =>
      store
        .rows(
          db
            .selectFrom('certificate')
            .innerJoin('principal', (join) =>
              join
                .onRef('principal.id', '=', 'certificate.principal_id')
                .onRef('principal.generation', '=', 'certificate.generation'),
            )
            .select(['principal.name', 'certificate.der'])
            .where('principal.state', '<>', 'removed')
            .where('certificate.not_after', '>', nowMs),
        )
        .map(({ name, der }) => ({ name, der: Buffer.from(der) })),
    certificateOfSerial: (serial: string): CertificateRecord | undefined =>
      transaction.certificateOfSerial(serial),
    ...tokenLists(store),
    change: (id: string, change: RegistryChange): Promise<void> =>
      store.group.enqueue(() => changePrincipal(store, listing, { id, change })),
    psk: (handle: string): PskRecord | undefined => transaction.psk(handle),
    pskOf: (principalId: string): readonly PskRecord[] => transaction.pskOf(principalId),
    signedObject: (kind: string): StoredObject | undefined => signedObject(store, kind),
    putSignedObject: (object: StoredObject): void =>
      store.transaction(() => putSignedObject(store, object)),
    atOnce: <T>(work: (transaction: EnrolmentTransaction) => T): T =>
      store.transaction(() => work(transaction)),
  })
}

type Steps<Name extends keyof EnrolmentTransaction> = Pick<EnrolmentTransaction, Name>

/** What is known of the directory's content without asking the store. */
interface Listing {
  /** Counts the changes. */
  version: number
  /** As many principals as there may be at most: who was removed since it was counted is in it. */
  most: number
}

/** The authority itself has an entry, too. */
const MAX_PRINCIPALS = MAX_DIRECTORY_ENTRIES - 1

function isFull(store: RegistryStore, listing: Listing): boolean {
  if (listing.most < MAX_PRINCIPALS) return false
  const { db } = store
  const there = db
    .selectFrom('principal')
    .select(db.fn.countAll<number>().as('count'))
    .where('state', '<>', sql.lit('removed'))
  listing.most = store.rows(there)[0]?.count ?? 0
  return listing.most >= MAX_PRINCIPALS
}

function principalSteps(
  store: RegistryStore,
  { listing, keys }: { readonly listing: Listing; readonly keys: KeyUses },
): Steps<
  | 'principal'
  | 'principalNamed'
  | 'isFull'
  | 'insertPrincipal'
  | 'changePrincipal'
  | 'floorOfMac'
  | 'keyUse'
> {
  const { db } = store
  const byId = store.prepare(({ id }: { id: string }) =>
    db.selectFrom('principal').selectAll().where('id', '=', id),
  )
  const byName = store.prepare(({ name }: { name: string }) =>
    db
      .selectFrom('principal')
      .selectAll()
      .where('name', '=', name)
      // Literal: for a bound value the engine would plan anew each time whether its index serves.
      .where('state', '<>', sql.lit('removed')),
  )
  const insert = store.prepare((row: PrincipalRow) => db.insertInto('principal').values(row))
  return {
    principal: (id) => byId({ id }).map(toPrincipalRecord)[0],
    principalNamed: (name) => byName({ name }).map(toPrincipalRecord)[0],
    insertPrincipal: (record) => {
      listing.version += 1
      listing.most += 1
      insert(toPrincipalRow(record))
      const { id, identitySpki, kemSpki, logSpkis } = record
      const insertKey = (spki: Uint8Array, purpose: KeyUse['purpose']): void =>
        keys.insert(keyHashOf(spki), { principalId: id, purpose })
      insertKey(identitySpki, 'identity')
      if (kemSpki) insertKey(kemSpki, 'kem')
      for (const spki of logSpkis) insertKey(spki, 'log')
    },
    changePrincipal: (id, change) => changePrincipal(store, listing, { id, change }),
    floorOfMac: (mac) => floorOfMac(store, mac),
    keyUse: (keyHash) => keys.use(keyHash),
    isFull: () => isFull(store, listing),
  }
}

/** Keys, and whose they are. */
interface KeyUses {
  use(keyHash: string): KeyUse | undefined
  /** The primary key refuses a key that is in use already. */
  insert(keyHash: string, use: KeyUse): void
}

function keyUses(store: RegistryStore): KeyUses {
  const { db } = store
  const byHash = store.prepare(({ keyHash }: { keyHash: string }) =>
    db.selectFrom('key_use').selectAll().where('key_hash', '=', keyHash),
  )
  const insert = store.prepare((row: KeyUseRow) => db.insertInto('key_use').values(row))
  return {
    use: (keyHash) => byHash({ keyHash }).map(toKeyUse)[0],
    insert: (keyHash, { principalId, purpose }) =>
      void insert({ key_hash: keyHash, principal_id: principalId, purpose }),
  }
}

function certificateSteps(
  store: RegistryStore,
  keys: KeyUses,
): Steps<'certificate' | 'certificateOfSerial' | 'lastCertificate' | 'insertCertificate'> {
  const { db } = store
  const all = db.selectFrom('certificate').selectAll()
  const bySerial = store.prepare(({ serial }: { serial: string }) =>
    all.where('serial', '=', serial),
  )
  const last = store.prepare(({ id, generation }: { id: string; generation: number }) =>
    all
      .where('principal_id', '=', id)
      .where('generation', '=', generation)
      // Rows are never deleted, so their numbers ascend in the order of issuing.
      .orderBy(sql`rowid`, 'desc')
      .limit(1),
  )
  const ofKey = store.prepare(
    ({ id, generation, hash }: { id: string; generation: number; hash: string }) =>
      all
        .where('principal_id', '=', id)
        .where('generation', '=', generation)
        .where('tls_key_hash', '=', hash)
        .orderBy('not_after', 'desc')
        .limit(1),
  )
  const insert = store.prepare((row: CertificateRow) => db.insertInto('certificate').values(row))
  return {
    certificateOfSerial: (serial) => bySerial({ serial }).map(toCertificateRecord)[0],
    lastCertificate: (id, generation) => last({ id, generation }).map(toCertificateRecord)[0],
    certificate: (id, generation, hash) =>
      ofKey({ id, generation, hash }).map(toCertificateRecord)[0],
    insertCertificate: (certificate) => {
      insert(toCertificateRow(certificate))
      const { principalId, tlsKeyHash } = certificate
      const use = keys.use(tlsKeyHash)
      // The same key again after its certificate ended; any other use breaks the primary key.
      if (use?.principalId === principalId && use.purpose === 'tls') return
      keys.insert(tlsKeyHash, { principalId, purpose: 'tls' })
    },
  }
}

function signedObject(store: RegistryStore, kind: string): StoredObject | undefined {
  return store.rows(store.db.selectFrom('signed_object').selectAll().where('kind', '=', kind))[0]
}

function putSignedObject(store: RegistryStore, object: StoredObject): void {
  const stored = signedObject(store, object.kind)
  // Numbers never fall: nodes refuse what is older than what they hold.
  const isOlder =
    stored &&
    (object.era < stored.era || (object.era === stored.era && object.number < stored.number))
  if (isOlder) throw authorityErrors.error('KOS_AUTHORITY_STORE', { rule: `older ${object.kind}` })
  store.rows(
    store.db
      .insertInto('signed_object')
      .values(object)
      .onConflict((conflict) => conflict.column('kind').doUpdateSet(object)),
  )
}

/** What the directory says of a principal; certificates and sightings are no part of it. */
const LISTED = [
  'state',
  'name',
  'profile',
  'roles',
  'groups',
  'labels',
  'addresses',
  'listeners',
] as const

function changePrincipal(
  store: RegistryStore,
  listing: Listing,
  { id, change }: { readonly id: string; readonly change: RegistryChange },
): void {
  const row = changedColumns(change)
  if (Object.keys(row).length === 0) return
  // Counted before it is known to hold: once too often costs a look, once too few a device.
  if (LISTED.some((column) => column in row)) listing.version += 1
  const { profile } = change
  if (profile !== undefined) requireNoDowngrade(store, id, profile)
  store.rows(store.db.updateTable('principal').set(row).where('id', '=', id))
}

/** The trigger of the schema refuses it too; this one says why. */
function requireNoDowngrade(store: RegistryStore, id: string, wanted: ProfileName): void {
  const query = store.db.selectFrom('principal').selectAll().where('id', '=', id)
  const held = store.rows(query).map(toPrincipalRecord)[0]
  if (!held || !refuseDowngrade(profileOf(held.profile), profileOf(wanted))) return
  throw authorityErrors.error('KOS_AUTHORITY_STORE', { rule: 'profile-floor' })
}

/** Removed devices count too: a device that comes back as a second record keeps its floor. */
function floorOfMac(store: RegistryStore, mac: string): ProfileName | undefined {
  if (/^0*$/.test(mac)) return undefined
  const query = store.db
    .selectFrom('principal')
    .select('profile')
    .where('mac', '=', mac)
    .where('kind', '=', 'device')
    .orderBy('profile', 'desc')
    .limit(1)
  return store.rows(query).flatMap(({ profile }) => parseProfileName(profile) ?? [])[0]
}

function changedColumns(change: RegistryChange): Partial<PrincipalRow> {
  return {
    ...(change.state !== undefined && { state: change.state }),
    ...(change.name !== undefined && { name: change.name }),
    ...(change.profile !== undefined && { profile: change.profile }),
    ...(change.generation !== undefined && { generation: change.generation }),
    ...(change.generationUsed !== undefined && { generation_used: change.generationUsed ? 1 : 0 }),
    ...(change.roles && { roles: JSON.stringify(change.roles) }),
    ...(change.groups && { groups: JSON.stringify(change.groups) }),
    ...(change.labels && { labels: JSON.stringify(change.labels) }),
    ...(change.addresses && { addresses: JSON.stringify(change.addresses) }),
    ...(change.listeners && { listeners: JSON.stringify(change.listeners) }),
    ...(change.lastSeenAt !== undefined && { last_seen_at: change.lastSeenAt }),
    ...(change.certificateNotBefore !== undefined && {
      certificate_not_before: change.certificateNotBefore,
    }),
    ...(change.certificateNotAfter !== undefined && {
      certificate_not_after: change.certificateNotAfter,
    }),
  }
}
