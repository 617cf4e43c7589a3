import type { DatabaseSync } from 'node:sqlite'
import { sql } from 'kysely'
import type { UnixMs } from '../../foundation/base/index.ts'
import type { SchemaStep, Store } from '../../foundation/storage/index.ts'
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
  return {
    tokens: () => store.rows(all).map(toTokenRecord),
    token: (id) => tokenOf(store, id),
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
      store.group.enqueue(() => changeOpenToken(store, id, { state: 'revoked' })),
    revokeBatch: (batch) =>
      store.group.enqueue(() => {
        const revoked = db
          .updateTable('token')
          .set({ state: 'revoked' })
          .where('batch', '=', batch)
          .where('state', '=', 'open')
          .returning('id')
        return store.rows(revoked).length
      }),
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
  return {
    token: (id) => tokenOf(store, id),
    openTokenNamed: (name) =>
      store
        .rows(
          db
            .selectFrom('token')
            .selectAll()
            .where('name', '=', name)
            .where('state', '=', 'open')
            .orderBy('expires_at', 'desc')
            .limit(1),
        )
        .map(toTokenRecord)[0],
    insertToken: (record) => {
      store.rows(db.insertInto('token').values(toTokenRow(record)))
    },
    spendToken: (id, spent) =>
      changeOpenToken(store, id, {
        state: 'spent',
        spent_tls_key_hash: spent.tlsKeyHash,
        principal_id: spent.principalId,
      }),
    useToken: (id, use, next) => countUse(store, id, next) && insertUse(store, id, use),
    tokenUse: (id, keyHash) =>
      store
        .rows(
          db
            .selectFrom('token_use')
            .selectAll()
            .where('token_id', '=', id)
            .where('key_hash', '=', keyHash),
        )
        .map(toTokenUse)[0],
  }
}

function tokenOf(store: TokenStore, id: string): TokenRecord | undefined {
  const query = store.db.selectFrom('token').selectAll().where('id', '=', id)
  return store.rows(query).map(toTokenRecord)[0]
}

/** One statement decides and changes: no token is spent and revoked, or spent twice. */
function changeOpenToken(store: TokenStore, id: string, change: Partial<TokenRow>): boolean {
  const changed = store.db
    .updateTable('token')
    .set(change)
    .where('id', '=', id)
    .where('state', '=', 'open')
    .returning('id')
  return store.rows(changed).length === 1
}

/** The same for a token of several devices: never more of them than it is for. */
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
