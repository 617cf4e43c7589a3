import { mkdirSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import {
  type Clock,
  equalBytes,
  type Log,
  parsePrincipal,
  toHex,
  type UnixMs,
  unixMs,
} from '../../foundation/base/index.ts'
import {
  codecErrors,
  parseCertificate,
  parseCrl,
  type RevokedCertificate,
} from '../../foundation/codec/index.ts'
import type { Store } from '../../foundation/storage/index.ts'
import type { CertificateRecord } from '../../lifecycle/enrolment/index.ts'
import type { CertificateAuthority, LockList } from '../../trust/pki/index.ts'
import { writePrivate } from '../node/index.ts'
import { toCertificateRecord } from './rows.ts'
import type { AuthorityTables } from './schema.ts'

/** How long a list counts, and after how long it is signed anew although nothing changed. */
export const CRL_LIFE_MS: number = 60 * 60 * 1000
const CRL_RENEWAL_MS = CRL_LIFE_MS / 2
const FOLDER = 'crl'
const ENDING = '.crl'

/** The lists that outsiders fetch. */
export interface CrlPublisher {
  /** A list by the hexadecimal key identifier of its intermediate. */
  get(keyIdHex: string): Uint8Array | undefined
  /** The names of the lists, by which they are fetched. */
  names(): readonly string[]
  /** Signs anew what changed or is half through its life; cheap when nothing is due. */
  refresh(): void
}

interface CrlDeps {
  readonly clock: Clock
  readonly log: Log
  readonly ca: CertificateAuthority
  readonly store: Store<AuthorityTables>
  /** The lock list in force. */
  locks(): Pick<LockList, 'serials' | 'minimum'>
  /** The state folder: numbers and times of revocation go on after a restart. */
  readonly folder: string
}

interface Kept {
  readonly der: Uint8Array
  readonly number: number
  readonly thisUpdate: UnixMs
  readonly serials: string
  readonly times: ReadonlyMap<string, UnixMs>
}

/**
 * Makes the publisher of certificate revocation lists: one per permitted intermediate, naming every
 * certificate in its time whose principal is locked, quarantined or removed, or that the lock list
 * itself names or no longer counts.
 *
 * Members do not need them: the lock list reaches them at once. They are for other software, which
 * learns of a lock when it fetches the next list.
 *
 * @see RFC 5280 section 5
 */
export function createCrlPublisher(deps: CrlDeps): CrlPublisher {
  const folder = join(deps.folder, FOLDER)
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  const kept = readKept(deps, folder)
  const refresh = (): void => {
    const now = deps.clock.wallMs()
    const revoked = revokedByIssuer(deps, now)
    const due = deps.ca.issuers.filter((keyIdHex) =>
      isDue(kept.get(keyIdHex), revoked.get(keyIdHex), now),
    )
    if (due.length === 0) return
    const times = new Map([...kept.values()].flatMap((list) => [...list.times]))
    const number = Math.max(now, ...[...kept.values()].map((list) => list.number + 1))
    const issued = deps.ca.issueCrls({
      crlNumber: number,
      thisUpdate: now,
      nextUpdate: unixMs(now + CRL_LIFE_MS),
      revoked: (keyIdHex) =>
        (revoked.get(keyIdHex) ?? []).map((serialHex) => entryOf(serialHex, times, now)),
    })
    for (const { keyIdHex, der } of issued) {
      writePrivate(join(folder, `${keyIdHex}${ENDING}`), der)
      kept.set(keyIdHex, readList(der))
    }
    deps.log.event('crl.published', { number, count: issued.length })
  }
  refresh()
  return {
    get: (keyIdHex) => kept.get(keyIdHex)?.der,
    names: () => deps.ca.issuers,
    refresh,
  }
}

function entryOf(
  serialHex: string,
  times: ReadonlyMap<string, UnixMs>,
  now: UnixMs,
): RevokedCertificate {
  // A principal that is unlocked comes back: no reason says that it is for ever.
  return { serialHex, revokedAt: times.get(serialHex) ?? now, reason: 'unspecified' }
}

function isDue(
  list: Kept | undefined,
  serials: readonly string[] | undefined,
  now: UnixMs,
): boolean {
  if (!list || now - list.thisUpdate >= CRL_RENEWAL_MS) return true
  return list.serials !== (serials ?? []).join()
}

/** Serial numbers of certificates in their time that are taken back, by issuer. */
function revokedByIssuer(deps: CrlDeps, now: UnixMs): ReadonlyMap<string, readonly string[]> {
  const lockedOut = ofLockedOut(deps.store, now)
  const all = new Map([...lockedOut, ...revokedAlone(deps, now)].map((one) => [one.serial, one]))
  const byIssuer = Map.groupBy(all.values(), ({ der }) => authorityKeyIdOf(der))
  return new Map(
    [...byIssuer].map(([issuer, revoked]) => [
      issuer,
      revoked.map(({ serial }) => serial).toSorted(),
    ]),
  )
}

/** Of principals that are there: few, and found by name, so that a refresh stays cheap. */
function revokedAlone(deps: CrlDeps, now: UnixMs): readonly CertificateRecord[] {
  const { store } = deps
  const { serials, minimum } = deps.locks()
  const inTime = store.db.selectFrom('certificate').selectAll().where('not_after', '>', now)
  const bySerial = serials.flatMap((serial) => store.rows(inTime.where('serial', '=', serial)))
  const byGeneration = Object.entries(minimum).flatMap(([uri, { generation }]) => {
    const id = parsePrincipal(uri)?.id ?? ''
    return store.rows(inTime.where('principal_id', '=', id).where('generation', '<', generation))
  })
  return [...bySerial, ...byGeneration].map(toCertificateRecord)
}

function ofLockedOut(store: Store<AuthorityTables>, now: UnixMs): readonly CertificateRecord[] {
  const query = store.db
    .selectFrom('certificate')
    .innerJoin('principal', 'principal.id', 'certificate.principal_id')
    .selectAll('certificate')
    .where('principal.state', '<>', 'active')
    .where('certificate.not_after', '>', now)
  return store.rows(query).map(toCertificateRecord)
}

const AUTHORITY_KEY_ID = '2.5.29.35'
/** SEQUENCE { [0] of 20 bytes }: what our own leaves carry. */
const AUTHORITY_KEY_ID_HEAD = Uint8Array.of(0x30, 0x16, 0x80, 0x14)

function authorityKeyIdOf(der: Uint8Array): string {
  const { extensions } = parseCertificate(der)
  const value = extensions.find(({ oid }) => oid === AUTHORITY_KEY_ID)?.value
  const isOurs = value && equalBytes(value.subarray(0, 4), AUTHORITY_KEY_ID_HEAD)
  return isOurs ? toHex(value.subarray(4)) : ''
}

function readList(der: Uint8Array): Kept {
  const { crlNumber, thisUpdate, revoked } = parseCrl(der)
  return {
    der,
    number: Number(crlNumber),
    thisUpdate,
    serials: [...revoked.keys()].toSorted().join(),
    times: new Map([...revoked.values()].map((entry) => [entry.serialHex, entry.revokedAt])),
  }
}

/** Lists of the last run; one that cannot be read is made anew. */
function readKept(deps: CrlDeps, folder: string): Map<string, Kept> {
  const kept = new Map<string, Kept>()
  for (const name of readdirSync(folder).filter((file) => file.endsWith(ENDING))) {
    try {
      kept.set(name.slice(0, -ENDING.length), readList(readFileSync(join(folder, name))))
    } catch (error) {
      if (!codecErrors.has(error)) throw error
      deps.log.event('crl.unreadable', { name }, 'warn')
    }
  }
  return kept
}
