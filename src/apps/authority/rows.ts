import {
  parseJson,
  PRINCIPAL_KINDS,
  type PrincipalKind,
  unixMs,
  validate,
  z,
} from '../../foundation/base/index.ts'
import {
  parseProfileName,
  PROFILE_NAMES,
  type ProfileName,
} from '../../foundation/profiles/index.ts'
import type {
  CertificateRecord,
  EnrolmentOrigin,
  KeyUse,
  PrincipalRecord,
  TokenRecord,
  TokenUse,
} from '../../lifecycle/enrolment/index.ts'
import type { ListenerAddresses } from '../../trust/pki/index.ts'
import { authorityErrors } from './errors.ts'
import type { CertificateRow, KeyUseRow, PrincipalRow, TokenRow, TokenUseRow } from './schema.ts'

/** Longest JSON text in a column, in bytes. */
const MAX_JSON_BYTES = 1024 * 1024

const texts: z.ZodType<string[]> = z.array(z.string())
const listenerAddresses: z.ZodType<ListenerAddresses> = z.partialRecord(
  z.enum(PROFILE_NAMES),
  texts,
)
const labels: z.ZodType<Record<string, string>> = z.record(z.string(), z.string())

/** Reads a stored row back into a record; a row that does not fit is corruption, not input. */
export function toPrincipalRecord(row: PrincipalRow): PrincipalRecord {
  return {
    id: row.id,
    uri: row.uri,
    kind: kindOf(row.kind),
    name: row.name,
    profile: profileNameOf(row.profile),
    state: oneOf(['active', 'locked', 'quarantined', 'removed'] as const, row.state),
    owner: row.owner,
    mac: row.mac,
    uuid: row.uuid,
    identitySpki: row.identity_spki,
    kemSpki: row.kem_spki ?? undefined,
    logSpkis: parseStored(texts, row.log_spkis).map((text) => Buffer.from(text, 'base64')),
    generation: row.generation,
    generationUsed: row.generation_used === 1,
    roles: parseStored(texts, row.roles),
    groups: parseStored(texts, row.groups),
    labels: parseStored(labels, row.labels),
    addresses: parseStored(texts, row.addresses),
    listeners: parseStored(listenerAddresses, row.listeners),
    createdAt: unixMs(row.created_at),
    lastSeenAt: row.last_seen_at === null ? undefined : unixMs(row.last_seen_at),
    certificateNotBefore: unixMs(row.certificate_not_before),
    certificateNotAfter: unixMs(row.certificate_not_after),
    ...originOf(row),
  }
}

/** Writes a record as a row. */
export function toPrincipalRow(record: PrincipalRecord): PrincipalRow {
  return {
    id: record.id,
    uri: record.uri,
    kind: record.kind,
    name: record.name,
    profile: record.profile,
    state: record.state,
    owner: record.owner,
    mac: record.mac,
    uuid: record.uuid,
    identity_spki: record.identitySpki,
    kem_spki: record.kemSpki ?? null,
    log_spkis: JSON.stringify(record.logSpkis.map((spki) => Buffer.from(spki).toString('base64'))),
    generation: record.generation,
    generation_used: record.generationUsed ? 1 : 0,
    roles: JSON.stringify(record.roles),
    groups: JSON.stringify(record.groups),
    labels: JSON.stringify(record.labels),
    addresses: JSON.stringify(record.addresses),
    listeners: JSON.stringify(record.listeners ?? {}),
    created_at: record.createdAt,
    last_seen_at: record.lastSeenAt ?? null,
    certificate_not_before: record.certificateNotBefore,
    certificate_not_after: record.certificateNotAfter,
    origin: record.origin ?? null,
  }
}

/** Reads a stored token. */
export function toTokenRecord(row: TokenRow): TokenRecord {
  return {
    id: row.id,
    name: row.name,
    kind: oneOf(['device', 'agent', 'user'] as const, row.kind),
    profile: profileNameOf(row.profile),
    owner: row.owner,
    createdAt: unixMs(row.created_at),
    expiresAt: unixMs(row.expires_at),
    state: oneOf(['open', 'spent', 'revoked'] as const, row.state),
    spentTlsKeyHash: row.spent_tls_key_hash ?? undefined,
    principalId: row.principal_id ?? undefined,
    ...(row.raises !== null && { raises: row.raises }),
    ...(row.roles !== null && { roles: parseStored(texts, row.roles) }),
    ...originOf(row),
    ...(row.batch !== null && { batch: row.batch }),
    ...(row.groups !== null && { groups: parseStored(texts, row.groups) }),
    ...(row.labels !== null && { labels: parseStored(labels, row.labels) }),
    ...(row.max_uses !== null && {
      uses: { max: row.max_uses, used: row.used, next: row.next_number },
    }),
  }
}

/** Reads a stored use of a token. */
export function toTokenUse(row: TokenUseRow): TokenUse {
  return { keyHash: row.key_hash, principalId: row.principal_id, usedAt: unixMs(row.used_at) }
}

/** Writes a token as a row. */
export function toTokenRow(record: TokenRecord): TokenRow {
  return {
    id: record.id,
    name: record.name,
    kind: record.kind,
    profile: record.profile,
    owner: record.owner,
    created_at: record.createdAt,
    expires_at: record.expiresAt,
    state: record.state,
    spent_tls_key_hash: record.spentTlsKeyHash ?? null,
    principal_id: record.principalId ?? null,
    raises: record.raises ?? null,
    origin: record.origin ?? null,
    batch: record.batch ?? null,
    groups: record.groups ? JSON.stringify(record.groups) : null,
    labels: record.labels ? JSON.stringify(record.labels) : null,
    max_uses: record.uses?.max ?? null,
    used: record.uses?.used ?? 0,
    next_number: record.uses?.next ?? 1,
    roles: record.roles ? JSON.stringify(record.roles) : null,
  }
}

function originOf({ origin }: Pick<TokenRow, 'origin'>): { readonly origin?: EnrolmentOrigin } {
  return origin === null ? {} : { origin: oneOf(['est'] as const, origin) }
}

/** Reads a stored certificate. */
export function toCertificateRecord(row: CertificateRow): CertificateRecord {
  return {
    serial: row.serial,
    principalId: row.principal_id,
    generation: row.generation,
    tlsKeyHash: row.tls_key_hash,
    der: row.der,
    notBefore: unixMs(row.not_before),
    notAfter: unixMs(row.not_after),
  }
}

/** Writes a certificate as a row. */
export function toCertificateRow(record: CertificateRecord): CertificateRow {
  return {
    serial: record.serial,
    principal_id: record.principalId,
    generation: record.generation,
    tls_key_hash: record.tlsKeyHash,
    der: record.der,
    not_before: record.notBefore,
    not_after: record.notAfter,
  }
}

/** Reads whose key it is. */
export function toKeyUse(row: KeyUseRow): KeyUse {
  const purpose = oneOf(['identity', 'tls', 'kem', 'log'] as const, row.purpose)
  return { principalId: row.principal_id, purpose }
}

function parseStored<T>(schema: z.ZodType<T>, text: string): T {
  const json = parseJson(text, MAX_JSON_BYTES)
  const checked = json.allow ? validate(schema, json.value) : json
  if (!checked.allow) throw authorityErrors.error('KOS_AUTHORITY_STORE', { rule: checked.rule })
  return checked.value
}

function kindOf(text: string): PrincipalKind {
  return oneOf(PRINCIPAL_KINDS, text)
}

function profileNameOf(text: string): ProfileName {
  const name = parseProfileName(text)
  if (name === undefined) throw authorityErrors.error('KOS_AUTHORITY_STORE', { rule: 'profile' })
  return name
}

function oneOf<const T extends string>(known: readonly T[], text: string): T {
  const found = known.find((value) => value === text)
  if (found === undefined) throw authorityErrors.error('KOS_AUTHORITY_STORE', { rule: 'value' })
  return found
}
