import { sha256, toHex } from '../../foundation/base/index.ts'
import type { PrincipalRecord, TokenRecord } from '../../lifecycle/enrolment/index.ts'
import type { PrincipalView } from './api-schema.ts'
import type { TokenView } from './api-schema-tokens.ts'

/** A principal as the API shows it. */
export function principalViewOf(record: PrincipalRecord, isConnected: boolean): PrincipalView {
  const { certificateNotBefore, certificateNotAfter } = record
  return {
    id: record.id,
    uri: record.uri,
    kind: record.kind,
    name: record.name,
    profile: record.profile,
    state: record.state,
    owner: record.owner,
    roles: [...record.roles],
    groups: [...record.groups],
    labels: { ...record.labels },
    addresses: [...record.addresses],
    generation: record.generation,
    identityKeyHash: toHex(sha256(record.identitySpki)),
    certificateNotAfter,
    // Renewal is due at half life; each principal adds a jitter of its own.
    renewAfter: certificateNotBefore + (certificateNotAfter - certificateNotBefore) / 2,
    createdAt: record.createdAt,
    lastSeenAt: record.lastSeenAt,
    connected: isConnected,
    origin: record.origin ?? 'join',
  }
}

/** A token as listed. */
export function tokenViewOf(record: TokenRecord, nowMs: number): TokenView {
  const hasEnded = record.state === 'open' && record.expiresAt <= nowMs
  return {
    id: record.id,
    name: record.name,
    kind: record.kind,
    profile: record.profile,
    owner: record.owner,
    state: hasEnded ? 'expired' : record.state,
    expiresAt: record.expiresAt,
    origin: record.origin ?? 'join',
    createdAt: record.createdAt,
    ...(record.batch !== undefined && { batch: record.batch }),
    ...(record.uses && { uses: { max: record.uses.max, used: record.uses.used } }),
  }
}
