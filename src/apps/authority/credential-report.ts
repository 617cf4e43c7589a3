import { type Clock, parsePrincipal, sha256, toHex } from '../../foundation/base/index.ts'
import type { Store } from '../../foundation/storage/index.ts'
import {
  type CertificateAuthority,
  type LockList,
  PSK_LIFE_MS,
  SIGNING_ROLES,
  type TrustedIntermediate,
} from '../../trust/pki/index.ts'
import type { ApiToken, ApiTokens } from './api-tokens.ts'
import {
  CREDENTIAL_KINDS,
  type CredentialKind,
  type CredentialPage,
  type CredentialView,
} from './api-schema-credentials.ts'
import { intermediateState } from './ca-rotation.ts'
import type { Registry } from './registry.ts'
import type { AuthorityTables } from './schema.ts'

/** Every credential of a fleet, page by page. */
export interface CredentialReport {
  /**
   * Credentials in force, by kind and id.
   *
   * @param after - `next` of the page before; absent: from the first
   * @param limit - how many at most, from 1
   * @returns the page; `undefined` when `after` is no place
   */
  page(after: string | undefined, limit: number): CredentialPage | undefined
}

interface ReportDeps {
  readonly clock: Clock
  readonly ca: CertificateAuthority
  readonly registry: Registry
  readonly apiTokens: Pick<ApiTokens, 'live'>
  readonly store: Store<AuthorityTables>
  /** The lock list in force. */
  locks(): LockList
}

/** Reads credentials of one kind whose id comes after another, in the order of their ids. */
type Read = (after: string, limit: number) => readonly CredentialView[]

const PLACE = /^([0-9])\.([\w-]{0,128})$/

/**
 * Makes the report of all credentials. Nothing is kept for it: what grows with the fleet is read from the
 * registry's indexes, a page at a time, so that a page costs the same at any size.
 */
export function createCredentialReport(deps: ReportDeps): CredentialReport {
  const reads: Readonly<Record<CredentialKind, Read>> = {
    root: few(() => rootsOf(deps.ca)),
    intermediate: few(() => deps.ca.trust.intermediates.map((one) => intermediateOf(deps.ca, one))),
    'role-key': few(() => roleKeysOf(deps.ca)),
    'standby-key': few(() => standbyKeysOf(deps)),
    'join-token': few(() => joinTokensOf(deps)),
    'api-token': few(() => deps.apiTokens.live().map((token) => apiTokenOf(deps, token))),
    psk: pskReader(deps),
    certificate: certificateReader(deps),
  }
  return {
    page: (after, limit) => {
      const place = PLACE.exec(after ?? '0.')
      if (!place) return undefined
      const [, first = '', last = ''] = place
      const credentials: CredentialView[] = []
      for (const [index, kind] of CREDENTIAL_KINDS.entries()) {
        if (index < Number(first)) continue
        const from = index === Number(first) ? last : ''
        const read = reads[kind](from, limit - credentials.length)
        credentials.push(...read)
        if (credentials.length < limit) continue
        return { credentials, next: `${index}.${credentials.at(-1)?.id ?? ''}` }
      }
      return { credentials }
    },
  }
}

/** Of what there are few, all are made and those wanted are taken. */
function few(all: () => readonly CredentialView[]): Read {
  return (after, limit) =>
    all()
      .filter(({ id }) => id > after)
      .toSorted((a, b) => (a.id < b.id ? -1 : 1))
      .slice(0, limit)
}

function rootsOf({ trust, hasRootKeys }: CertificateAuthority): readonly CredentialView[] {
  const roots = [
    { name: 'root P-256', certificate: trust.rootP256Certificate },
    { name: 'root ML-DSA-65', certificate: trust.rootMlDsaCertificate },
  ]
  return roots.map(({ name, certificate }) => ({
    kind: 'root',
    id: certificate.serialHex,
    name,
    state: hasRootKeys ? 'on the authority' : 'offline',
    createdAt: certificate.notBefore,
    endsAt: certificate.notAfter,
  }))
}

function intermediateOf(ca: CertificateAuthority, one: TrustedIntermediate): CredentialView {
  const { certificate } = one
  return {
    kind: 'intermediate',
    id: certificate.serialHex,
    name: 'intermediate CA',
    state: intermediateState(ca, one),
    createdAt: certificate.notBefore,
    endsAt: certificate.notAfter,
  }
}

function roleKeysOf({ trust }: CertificateAuthority): readonly CredentialView[] {
  return SIGNING_ROLES.flatMap((role) =>
    trust.signingKeys[role].map(({ keyId }) => ({
      kind: 'role-key' as const,
      id: toHex(keyId),
      name: `signs ${ROLE_NAMES[role]}`,
      state: 'active',
      // Made with the roots, and never replaced.
      createdAt: trust.rootP256Certificate.notBefore,
    })),
  )
}

const ROLE_NAMES = {
  lock: 'lock lists',
  directory: 'directories',
  policy: 'policies',
  checkpoint: 'checkpoints (Ed25519)',
  checkpointMlDsa44: 'checkpoints (ML-DSA-44)',
} as const

function standbyKeysOf({ ca, registry }: ReportDeps): readonly CredentialView[] {
  return ca.trust.standbys.map(({ principal, spki }) => {
    const record = registry.principal(parsePrincipal(principal)?.id ?? '')
    return {
      kind: 'standby-key',
      id: toHex(sha256(spki)),
      name: record?.name ?? principal,
      state: record?.state ?? 'removed',
    }
  })
}

function joinTokensOf({ clock, registry }: ReportDeps): readonly CredentialView[] {
  return registry.openTokens(clock.wallMs()).map(({ id, name, createdAt, expiresAt }) => ({
    kind: 'join-token',
    id,
    name,
    state: 'open',
    createdAt,
    endsAt: expiresAt,
  }))
}

function apiTokenOf({ registry }: ReportDeps, token: ApiToken): CredentialView {
  const record = registry.principal(token.principalId)
  return {
    kind: 'api-token',
    id: token.handle,
    name: record?.name ?? token.principalId,
    state: record?.state ?? 'removed',
    createdAt: token.createdAt,
    lastUsedAt: token.lastUsedAt,
    endsAt: token.expiresAt,
  }
}

function pskReader({ clock, store }: ReportDeps): Read {
  return (after, limit) => {
    const now = clock.wallMs()
    const query = store.db
      .selectFrom('psk')
      .innerJoin('principal', 'principal.id', 'psk.principal_id')
      .select([
        'psk.handle',
        'psk.generation',
        'psk.created_at',
        'psk.first_used_at',
        'psk.ends_at',
        'principal.name',
        'principal.state',
        'principal.generation as newest',
        'principal.last_seen_at',
      ])
      .where('psk.handle', '>', after)
      .where('principal.state', '<>', 'removed')
      .where((where) =>
        where.or([where('psk.ends_at', 'is', null), where('psk.ends_at', '>', now)]),
      )
      .orderBy('psk.handle')
      .limit(limit)
    return store.rows(query).map((row) => ({
      kind: 'psk',
      id: row.handle,
      name: row.name,
      generation: row.generation,
      state: pskState(row),
      createdAt: row.created_at,
      lastUsedAt: lastUse(row, row.first_used_at !== null),
      endsAt: row.ends_at ?? row.created_at + PSK_LIFE_MS,
    }))
  }
}

function pskState(row: {
  readonly state: string
  readonly generation: number
  readonly newest: number
  readonly first_used_at: number | null
}): string {
  if (row.state !== 'active') return row.state
  if (row.generation < row.newest) return 'superseded'
  return row.first_used_at === null ? 'waiting' : 'active'
}

/** The registry knows when a principal was seen, which was with its newest credential that it used. */
function lastUse(
  row: {
    readonly generation: number
    readonly newest: number
    readonly last_seen_at: number | null
  },
  isUsed: boolean,
): number | undefined {
  const isNewest = row.generation === row.newest
  return isNewest && isUsed ? (row.last_seen_at ?? undefined) : undefined
}

function certificateReader(deps: ReportDeps): Read {
  const { clock, store } = deps
  return (after, limit) => {
    const query = store.db
      .selectFrom('certificate')
      .innerJoin('principal', 'principal.id', 'certificate.principal_id')
      .select([
        'certificate.serial',
        'certificate.generation',
        'certificate.not_before',
        'certificate.not_after',
        'principal.uri',
        'principal.name',
        'principal.state',
        'principal.generation as newest',
        'principal.generation_used',
        'principal.last_seen_at',
      ])
      .where('certificate.serial', '>', after)
      .where('certificate.not_after', '>', clock.wallMs())
      .where('principal.state', '<>', 'removed')
      .orderBy('certificate.serial')
      .limit(limit)
    const list = deps.locks()
    const serials = new Set(list.serials)
    return store.rows(query).map((row) => {
      const minimum = list.minimum[row.uri]?.generation ?? 0
      const isRevoked = serials.has(row.serial) || row.generation < minimum
      return {
        kind: 'certificate',
        id: row.serial,
        name: row.name,
        generation: row.generation,
        state: isRevoked ? 'revoked' : certificateState(row),
        createdAt: row.not_before,
        lastUsedAt: lastUse(row, row.generation_used === 1),
        endsAt: row.not_after,
      }
    })
  }
}

function certificateState(row: {
  readonly state: string
  readonly generation: number
  readonly newest: number
  readonly generation_used: number
}): string {
  if (row.state !== 'active') return row.state
  if (row.generation < row.newest) return 'superseded'
  return row.generation_used === 1 ? 'active' : 'waiting'
}
