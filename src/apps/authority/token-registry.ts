import type { DatabaseSync } from 'node:sqlite'
import { sql } from 'kysely'
import type { UnixMs } from '../../foundation/base/index.ts'
import type { PreparedQuery, SchemaStep, Store } from '../../foundation/storage/index.ts'
import type {
  EnrolmentTransaction,
  PrincipalRecord,
  TokenRecord,
  TokenUse,
} from '../../lifecycle/enrolment/index.ts'
import { toPrincipalRecord, toTokenRecord, toTokenRow, toTokenUse } from './rows.ts'
import { type AuthorityTables, BATCH_SCHEMA, type TokenRow } from './schema.ts'

/** The schema step of tokens for many devices. */
export const batchSchema: SchemaStep = Object.freeze({
  name: 'many devices at once',
  up: (raw: DatabaseSync): void => {
    for (const statement of BATCH_SCHEMA) raw.exec(statement)
  },
})

/** Join tokens as an operator sees them. */
export interface TokenLists {
  /** All tokens, the oldest first. */
  tokens(): TokenRecord[]
  /** A token by its id, whatever became of it. */
  token(id: string): TokenRecord | undefined
  /** Tokens that bring somebody in yet, the oldest first. */
  openTokens(nowMs: UnixMs): TokenRecord[]
  /** The tokens of a batch, the oldest first; none: there is no such batch. */
  tokensOfBatch(batch: string): readonly TokenRecord[]
  /** Who came in by a token for several devices, also who was removed since, the first one first. */
  joinedBy(id: string): readonly PrincipalRecord[]
  /** Revokes an open token; `false` when there is none. Durable when it resolves. */
  revokeToken(id: string): Promise<boolean>
  /** Revokes what is open of a batch, and says how many those are. Durable when it resolves. */
  revokeBatch(batch: string): Promise<number>
}

type TokenStore = Store<AuthorityTables>

/** The lists of tokens over an open store. */
export function tokenLists(store: TokenStore): TokenLists {
  const { db } = store
  const all = db.selectFrom('token').selectAll().orderBy('created_at').orderBy('id')
  const token = tokenQuery(store)
  const revoked = db
    .updateTable('token')
    .set({ state: 'revoked' })
    .where('state', '=', 'open')
    .returning('id')
  return {
    tokens: () => store.rows(all).map(toTokenRecord),
    token: (id) => token({ id }).map(toTokenRecord)[0],
    openTokens: (nowMs) => {
      const open = all.where('state', '=', 'open').where('expires_at', '>', nowMs)
      return store.rows(open).map(toTokenRecord)
    },
    tokensOfBatch: (batch) => store.rows(all.where('batch', '=', batch)).map(toTokenRecord),
    joinedBy: (id) =>
      store
        .rows(
          db
            .selectFrom('token_use')
            .innerJoin('principal', 'principal.id', 'token_use.principal_id')
            .selectAll('principal')
            .where('token_use.token_id', '=', id)
            .orderBy('token_use.used_at')
            .orderBy(sql`token_use.rowid`),
        )
        .map(toPrincipalRecord),
    revokeToken: (id) =>
      store.group.enqueue(() => store.rows(revoked.where('id', '=', id)).length === 1),
    revokeBatch: (batch) =>
      store.group.enqueue(() => store.rows(revoked.where('batch', '=', batch)).length),
  }
}

/** What enrolment does with tokens inside a transaction. */
export function tokenSteps(
  store: TokenStore,
): Pick<
  EnrolmentTransaction,
  'token' | 'openTokenNamed' | 'insertToken' | 'spendToken' | 'useToken' | 'tokenUse'
> {
  const { db } = store
  const token = tokenQuery(store)
  const openNamed = store.prepare(({ name }: { name: string }) =>
    db
      .selectFrom('token')
      .selectAll()
      .where('name', '=', name)
      .where('state', '=', 'open')
      .orderBy('expires_at', 'desc')
      .limit(1),
  )
  const insert = store.prepare((row: TokenRow) => db.insertInto('token').values(row))
  const spend = store.prepare(({ id, ...spent }: SpentToken) =>
    db
      .updateTable('token')
      .set({ state: 'spent', ...spent })
      .where('id', '=', id)
      .where('state', '=', 'open')
      .returning('id'),
  )
  const use = store.prepare(({ id, keyHash }: { id: string; keyHash: string }) =>
    db
      .selectFrom('token_use')
      .selectAll()
      .where('token_id', '=', id)
      .where('key_hash', '=', keyHash),
  )
  return {
    token: (id) => token({ id }).map(toTokenRecord)[0],
    openTokenNamed: (name) => openNamed({ name }).map(toTokenRecord)[0],
    insertToken: (record) => void insert(toTokenRow(record)),
    // One statement decides and changes: no token is spent and revoked, or spent twice.
    spendToken: (id, { tlsKeyHash, principalId }) =>
      spend({ id, spent_tls_key_hash: tlsKeyHash, principal_id: principalId }).length === 1,
    useToken: (id, used, next) => countUse(store, id, next) && insertUse(store, id, used),
    tokenUse: (id, keyHash) => use({ id, keyHash }).map(toTokenUse)[0],
  }
}

type SpentToken = Pick<TokenRow, 'id' | 'spent_tls_key_hash' | 'principal_id'>

function tokenQuery(store: TokenStore): PreparedQuery<{ id: string }, TokenRow> {
  return store.prepare(({ id }: { id: string }) =>
    store.db.selectFrom('token').selectAll().where('id', '=', id),
  )
}

/** A token of several devices is never used by more of them than it is for. */
function countUse(store: TokenStore, id: string, next: number): boolean {
  const counted = store.db
    .updateTable('token')
    .set({
      used: sql<number>`used + 1`,
      next_number: next,
      state: sql<string>`CASE WHEN used + 1 < max_uses THEN 'open' ELSE 'spent' END`,
    })
    .where('id', '=', id)
    .where('state', '=', 'open')
    .where(sql<boolean>`used < max_uses`)
    .returning('id')
  return store.rows(counted).length === 1
}

function insertUse(store: TokenStore, id: string, use: TokenUse): true {
  store.rows(
    store.db.insertInto('token_use').values({
      token_id: id,
      key_hash: use.keyHash,
      principal_id: use.principalId,
      used_at: use.usedAt,
    }),
  )
  return true
}
