import {
  type Clock,
  fromBase64Url,
  fromHex,
  type Log,
  type Random,
  type Secret,
  sha256,
  toBase64Url,
  toHex,
  type UnixMs,
  unixMs,
} from '../../foundation/base/index.ts'
import type { Store } from '../../foundation/storage/index.ts'
import type { PrincipalRecord } from '../../lifecycle/enrolment/index.ts'
import {
  API_TOKEN_LIFE_MS,
  type ApiTokenGrant,
  apiTokenSecret,
} from '../../network/session/index.ts'
import type { ApiTokenRow, AuthorityTables } from './schema.ts'

/** A token that signs requests to the HTTP API, without its secret. */
export interface ApiToken {
  /** 16 bytes, base64url. */
  readonly handle: string
  readonly principalId: string
  /** URI of the principal. */
  readonly uri: string
  /** SHA-256 of the identity key's SPKI that it is bound to, lower-case hexadecimal. */
  readonly identityKeyHash: string
  /** IP address that it was issued to. */
  readonly source: string
  readonly createdAt: UnixMs
  readonly expiresAt: UnixMs
  readonly lastUsedAt: UnixMs | undefined
  readonly isRevoked: boolean
}

/** The API tokens of an authority. */
export interface ApiTokens {
  /** Issues a token to a principal that proved its identity key; durable when it resolves. */
  issue(principal: PrincipalRecord, source: string): Promise<ApiTokenGrant>
  /** A token by its handle, also one that was revoked or ended lately. */
  find(handle: string): ApiToken | undefined
  /** The secret of a token; the caller wipes it. */
  secretOf(token: ApiToken): Secret
  /** Notes that a request was signed by it. */
  used(handle: string): void
  /** Tokens in force, the oldest first. */
  live(): readonly ApiToken[]
  /** Refuses a token from now on; `false` when none is in force. Durable when it resolves. */
  revoke(handle: string): Promise<boolean>
  /** Refuses all tokens of a principal from now on; durable when it resolves. */
  revokeAll(principalId: string): Promise<void>
}

/** Tokens in force per principal: a new one ends the oldest. */
const MAX_LIVE = 16
/** How long a token that ended is remembered, so that the record of its use can say so. */
const REMEMBERED_MS = API_TOKEN_LIFE_MS
/** How old the time of last use may get before it is written again. */
const USED_INTERVAL_MS = 60_000

interface ApiTokensDeps {
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
  readonly store: Store<AuthorityTables>
  /** Secrets are derived from it; lent for as long as the tokens are used. */
  readonly tokenRoot: Secret
}

/**
 * Makes the API tokens over the authority's store. All of them are in memory too: an authority is the
 * only writer of its store.
 *
 * @see identity: Tokens
 */
export function createApiTokens(deps: ApiTokensDeps): ApiTokens {
  return new StoredApiTokens(deps)
}

class StoredApiTokens implements ApiTokens {
  readonly #deps: ApiTokensDeps
  readonly #tokens = new Map<string, ApiToken>()

  constructor(deps: ApiTokensDeps) {
    this.#deps = deps
    const { store } = deps
    const kept = store.db.selectFrom('api_token').selectAll().orderBy('created_at')
    for (const row of store.rows(kept)) this.#tokens.set(row.handle, toApiToken(row))
  }

  async issue(principal: PrincipalRecord, source: string): Promise<ApiTokenGrant> {
    const { clock, random, store, tokenRoot } = this.#deps
    const now = clock.wallMs()
    const handle = random.bytes(16)
    const identityKeyHash = sha256(principal.identitySpki)
    const token: ApiToken = {
      handle: toBase64Url(handle),
      principalId: principal.id,
      uri: principal.uri,
      identityKeyHash: toHex(identityKeyHash),
      source,
      createdAt: now,
      expiresAt: unixMs(now + API_TOKEN_LIFE_MS),
      lastUsedAt: undefined,
      isRevoked: false,
    }
    const gone = this.#superfluous(principal.id, now)
    await store.group.enqueue(() => {
      store.rows(store.db.insertInto('api_token').values(toRow(token)))
      if (gone.length === 0) return
      store.rows(store.db.deleteFrom('api_token').where('handle', 'in', gone))
    })
    for (const ended of gone) this.#tokens.delete(ended)
    this.#tokens.set(token.handle, token)
    const secret = apiTokenSecret(tokenRoot, handle, identityKeyHash)
    return { handle, secret, expiresAt: token.expiresAt, time: now }
  }

  /** Handles that a new token of a principal leaves no room for: long over, or too many. */
  #superfluous(principalId: string, now: UnixMs): readonly string[] {
    const all = [...this.#tokens.values()]
    const over = all.filter(({ expiresAt }) => expiresAt + REMEMBERED_MS <= now)
    const own = all.filter((token) => token.principalId === principalId && isLive(token, now))
    const oldest = own.slice(0, Math.max(0, own.length - MAX_LIVE + 1))
    return [...over, ...oldest].map(({ handle }) => handle)
  }

  find(handle: string): ApiToken | undefined {
    return this.#tokens.get(handle)
  }

  secretOf({ handle, identityKeyHash }: ApiToken): Secret {
    const bytes = fromBase64Url(handle) ?? new Uint8Array(0)
    const hash = fromHex(identityKeyHash) ?? new Uint8Array(0)
    return apiTokenSecret(this.#deps.tokenRoot, bytes, hash)
  }

  used(handle: string): void {
    const { clock, log, store } = this.#deps
    const token = this.#tokens.get(handle)
    const now = clock.wallMs()
    if (!token || now - (token.lastUsedAt ?? 0) < USED_INTERVAL_MS) return
    this.#tokens.set(handle, { ...token, lastUsedAt: now })
    const change = store.db
      .updateTable('api_token')
      .set({ last_used_at: now })
      .where('handle', '=', handle)
    store.group
      .enqueue(() => store.rows(change))
      .catch((error: unknown) => {
        log.event('api-token.used-not-kept', { error: String(error) }, 'warn')
      })
  }

  live(): readonly ApiToken[] {
    const now = this.#deps.clock.wallMs()
    return [...this.#tokens.values()].filter((token) => isLive(token, now))
  }

  async revoke(handle: string): Promise<boolean> {
    const { clock, store } = this.#deps
    const token = this.#tokens.get(handle)
    if (!token || !isLive(token, clock.wallMs())) return false
    // In force before it is durable: whoever revokes does not wait for the disk.
    this.#tokens.set(handle, { ...token, isRevoked: true })
    const change = store.db
      .updateTable('api_token')
      .set({ is_revoked: 1 })
      .where('handle', '=', handle)
    await store.group.enqueue(() => store.rows(change))
    return true
  }

  async revokeAll(principalId: string): Promise<void> {
    const own = this.live().filter((token) => token.principalId === principalId)
    await Promise.all(own.map(({ handle }) => this.revoke(handle)))
  }
}

function isLive({ expiresAt, isRevoked }: ApiToken, now: UnixMs): boolean {
  return !isRevoked && expiresAt > now
}

function toApiToken(row: ApiTokenRow): ApiToken {
  return {
    handle: row.handle,
    principalId: row.principal_id,
    uri: row.uri,
    identityKeyHash: row.identity_key_hash,
    source: row.source,
    createdAt: unixMs(row.created_at),
    expiresAt: unixMs(row.expires_at),
    lastUsedAt: row.last_used_at === null ? undefined : unixMs(row.last_used_at),
    isRevoked: row.is_revoked === 1,
  }
}

function toRow(token: ApiToken): ApiTokenRow {
  return {
    handle: token.handle,
    principal_id: token.principalId,
    uri: token.uri,
    identity_key_hash: token.identityKeyHash,
    source: token.source,
    created_at: token.createdAt,
    expires_at: token.expiresAt,
    last_used_at: token.lastUsedAt ?? null,
    is_revoked: token.isRevoked ? 1 : 0,
  }
}
