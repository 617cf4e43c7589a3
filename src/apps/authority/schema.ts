/** Rows of the authority's tables; times are wall-clock milliseconds, lists are JSON texts. */
export interface PrincipalRow {
  id: string
  uri: string
  kind: string
  name: string
  profile: string
  state: string
  owner: string
  mac: string
  uuid: string
  identity_spki: Uint8Array
  kem_spki: Uint8Array | null
  log_spkis: string
  generation: number
  generation_used: number
  roles: string
  groups: string
  labels: string
  addresses: string
  listeners: string
  created_at: number
  last_seen_at: number | null
  certificate_not_before: number
  certificate_not_after: number
  /** `est`; `null`: it came in by `kosd`. */
  origin: string | null
}

export interface TokenRow {
  id: string
  name: string
  kind: string
  profile: string
  owner: string
  created_at: number
  expires_at: number
  state: string
  spent_tls_key_hash: string | null
  principal_id: string | null
  /** Id of the principal whose profile the token raises; `null`: it joins a new one. */
  raises: string | null
  /** `est`: good for that alone; `null`: for `kosd`. */
  origin: string | null
  /** What it was created with; `null`: alone. */
  batch: string | null
  /** JSON; `null`: none. */
  groups: string | null
  labels: string | null
  /** How many devices it is for; `null`: one. */
  max_uses: number | null
  used: number
  next_number: number
  /** JSON list of the roles of a user; `null`: it is for somebody else. */
  roles: string | null
}

/** A use of a token for several devices. */
export interface TokenUseRow {
  token_id: string
  key_hash: string
  principal_id: string
  used_at: number
}

export interface CertificateRow {
  serial: string
  principal_id: string
  generation: number
  tls_key_hash: string
  der: Uint8Array
  not_before: number
  not_after: number
}

/** A key and whose it is; kept after removal, so that no key comes back as somebody else's. */
export interface KeyUseRow {
  key_hash: string
  principal_id: string
  purpose: string
}

export interface SignedObjectRow {
  kind: string
  era: number
  number: number
  bytes: Uint8Array
}

/** A renewal that an operator asked for: of this generation, or an older one. */
interface AskedRenewalRow {
  principal_id: string
  generation: number
}

/** A token that signs requests to the HTTP API; its secret is derived and not stored. */
export interface ApiTokenRow {
  handle: string
  principal_id: string
  uri: string
  identity_key_hash: string
  source: string
  created_at: number
  expires_at: number
  last_used_at: number | null
  is_revoked: number
}

/** A nonce of a signed request that is still in time. */
export interface RequestNonceRow {
  handle: string
  nonce: string
  ends_at: number
}

/** A generation of a pre-shared key; the root is sealed. */
export interface PskRow {
  handle: string
  principal_id: string
  generation: number
  sealed_root: Uint8Array
  created_at: number
  first_used_at: number | null
  ends_at: number | null
}

/** The authority's own tables. */
export interface AuthorityTables {
  psk: PskRow
  api_token: ApiTokenRow
  request_nonce: RequestNonceRow
  principal: PrincipalRow
  token: TokenRow
  token_use: TokenUseRow
  certificate: CertificateRow
  key_use: KeyUseRow
  signed_object: SignedObjectRow
  asked_renewal: AskedRenewalRow
}

/** First version of the authority's tables, as SQL statements. */
export const AUTHORITY_SCHEMA: readonly string[] = Object.freeze([
  `CREATE TABLE principal (
    id TEXT PRIMARY KEY, uri TEXT NOT NULL UNIQUE, kind TEXT NOT NULL, name TEXT NOT NULL,
    profile TEXT NOT NULL, state TEXT NOT NULL, owner TEXT NOT NULL, mac TEXT NOT NULL,
    uuid TEXT NOT NULL, identity_spki BLOB NOT NULL, kem_spki BLOB, log_spkis TEXT NOT NULL,
    generation INTEGER NOT NULL, generation_used INTEGER NOT NULL, roles TEXT NOT NULL,
    groups TEXT NOT NULL, labels TEXT NOT NULL, addresses TEXT NOT NULL,
    created_at INTEGER NOT NULL, last_seen_at INTEGER,
    certificate_not_before INTEGER NOT NULL, certificate_not_after INTEGER NOT NULL
  ) STRICT`,
  `CREATE UNIQUE INDEX principal_name ON principal (name) WHERE state <> 'removed'`,
  `CREATE TABLE token (
    id TEXT PRIMARY KEY, name TEXT NOT NULL, kind TEXT NOT NULL, profile TEXT NOT NULL,
    owner TEXT NOT NULL, created_at INTEGER NOT NULL, expires_at INTEGER NOT NULL,
    state TEXT NOT NULL, spent_tls_key_hash TEXT, principal_id TEXT
  ) STRICT`,
  `CREATE INDEX token_name ON token (name, state)`,
  `CREATE TABLE certificate (
    serial TEXT PRIMARY KEY, principal_id TEXT NOT NULL, generation INTEGER NOT NULL,
    tls_key_hash TEXT NOT NULL, der BLOB NOT NULL, not_before INTEGER NOT NULL,
    not_after INTEGER NOT NULL
  ) STRICT`,
  `CREATE TABLE key_use (
    key_hash TEXT PRIMARY KEY, principal_id TEXT NOT NULL, purpose TEXT NOT NULL
  ) STRICT`,
  `CREATE INDEX certificate_of ON certificate (principal_id, generation, tls_key_hash)`,
  `CREATE TABLE signed_object (
    kind TEXT PRIMARY KEY, era INTEGER NOT NULL, number INTEGER NOT NULL, bytes BLOB NOT NULL
  ) STRICT`,
])

/** Where the listeners of members are that are not those of their own floor. */
export const LISTENERS_SCHEMA: readonly string[] = Object.freeze([
  `ALTER TABLE principal ADD COLUMN listeners TEXT NOT NULL DEFAULT '{}'`,
])

/** How devices came in, and by what their tokens bring them in. */
export const ORIGIN_SCHEMA: readonly string[] = Object.freeze([
  `ALTER TABLE principal ADD COLUMN origin TEXT`,
  `ALTER TABLE token ADD COLUMN origin TEXT`,
])

/** Tokens of one batch, what their devices come in with, and tokens for several devices. */
export const BATCH_SCHEMA: readonly string[] = Object.freeze([
  `ALTER TABLE token ADD COLUMN batch TEXT`,
  `ALTER TABLE token ADD COLUMN groups TEXT`,
  `ALTER TABLE token ADD COLUMN labels TEXT`,
  `ALTER TABLE token ADD COLUMN max_uses INTEGER`,
  `ALTER TABLE token ADD COLUMN used INTEGER NOT NULL DEFAULT 0`,
  `ALTER TABLE token ADD COLUMN next_number INTEGER NOT NULL DEFAULT 1`,
  `CREATE INDEX token_batch ON token (batch) WHERE batch IS NOT NULL`,
  `CREATE TABLE token_use (
    token_id TEXT NOT NULL, key_hash TEXT NOT NULL, principal_id TEXT NOT NULL,
    used_at INTEGER NOT NULL, PRIMARY KEY (token_id, key_hash)
  ) STRICT`,
])

/** What users may that are invited. */
export const USER_TOKEN_SCHEMA: readonly string[] = Object.freeze([
  `ALTER TABLE token ADD COLUMN roles TEXT`,
])

/** Tables of signed requests, as SQL statements. */
export const SIGNED_REQUEST_SCHEMA: readonly string[] = Object.freeze([
  `CREATE TABLE api_token (
    handle TEXT PRIMARY KEY, principal_id TEXT NOT NULL, uri TEXT NOT NULL,
    identity_key_hash TEXT NOT NULL, source TEXT NOT NULL, created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL, last_used_at INTEGER, is_revoked INTEGER NOT NULL
  ) STRICT`,
  `CREATE TABLE request_nonce (
    handle TEXT NOT NULL, nonce TEXT NOT NULL, ends_at INTEGER NOT NULL,
    PRIMARY KEY (handle, nonce)
  ) STRICT, WITHOUT ROWID`,
  `CREATE INDEX request_nonce_end ON request_nonce (ends_at)`,
])
