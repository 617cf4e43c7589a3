/** What every store must do, whatever engine is below it. */
import assert from 'node:assert/strict'
import { describe, it, type TestContext } from 'node:test'
import { type Store, storageErrors } from '../../src/foundation/storage/index.ts'

/** The one table the suite works on; the store under test has made it. */
export interface StoreTables {
  readonly things: { readonly name: string; readonly amount: number; readonly data: Uint8Array }
}

/** The migration that makes the table of {@link StoreTables}. */
export const STORE_TABLES_SQL =
  'CREATE TABLE things (name TEXT PRIMARY KEY, amount INTEGER NOT NULL, data BLOB) STRICT'

type Open = (context: TestContext) => Store<StoreTables>

const amounts = (store: Store<StoreTables>): Record<string, number> =>
  Object.fromEntries(
    store
      .rows(store.db.selectFrom('things').select(['name', 'amount']).orderBy('name'))
      .map(({ name, amount }) => [name, amount]),
  )

const insert = (store: Store<StoreTables>, name: string, amount: number): void => {
  store.rows(store.db.insertInto('things').values({ name, amount, data: new Uint8Array(2) }))
}

/**
 * Registers the suite.
 *
 * @param name - the engine's name
 * @param open - opens an empty store that is closed after the test
 */
export function storeContract(name: string, open: Open): void {
  describe(`store contract: ${name}`, () => {
    queries(open)
    transactions(open)
    groups(open)
  })
}

function queries(open: Open): void {
  it('inserts, returns, updates and deletes by typed queries', async (t) => {
    const { db } = open(t)
    const data = Uint8Array.of(1, 2, 3)
    const returned = await db
      .insertInto('things')
      .values([
        { name: 'a', amount: 1, data },
        { name: 'b', amount: 2, data },
      ])
      .returning('name')
      .execute()
    assert.deepEqual(
      returned.map((row) => row.name),
      ['a', 'b'],
    )
    const updated = await db
      .updateTable('things')
      .set({ amount: 7 })
      .where('name', '=', 'a')
      .executeTakeFirst()
    assert.equal(updated.numUpdatedRows, 1n)
    await db.deleteFrom('things').where('name', '=', 'b').execute()
    const rows = await db.selectFrom('things').selectAll().execute()
    assert.equal(rows.length, 1)
    assert.equal(rows[0]?.amount, 7)
    assert.deepEqual(new Uint8Array(rows[0]?.data ?? []), data)
  })

  it('streams rows', async (t) => {
    const store = open(t)
    for (let index = 0; index < 5; index += 1) insert(store, `n${index}`, index)
    const seen: number[] = []
    for await (const row of store.db.selectFrom('things').select('amount').stream()) {
      seen.push(row.amount)
    }
    assert.deepEqual(
      seen.toSorted((a, b) => a - b),
      [0, 1, 2, 3, 4],
    )
  })

  it('reports a broken rule as a conflict', async (t) => {
    const store = open(t)
    insert(store, 'a', 1)
    const again = store.db
      .insertInto('things')
      .values({ name: 'a', amount: 2, data: new Uint8Array() })
    await assert.rejects(again.execute(), { code: 'KOS_STORAGE_CONFLICT' })
    assert.throws(() => store.rows(again), { code: 'KOS_STORAGE_CONFLICT' })
  })

  it('refuses after it was closed', (t) => {
    const store = open(t)
    store.close()
    store.close()
    assert.throws(() => store.transaction(() => 1), { code: 'KOS_STORAGE_CLOSED' })
    assert.throws(() => store.rows(store.db.selectFrom('things').selectAll()), {
      code: 'KOS_STORAGE_CLOSED',
    })
  })
}

function transactions(open: Open): void {
  it('keeps all of a transaction or nothing', (t) => {
    const store = open(t)
    assert.equal(
      store.transaction(() => {
        insert(store, 'a', 1)
        insert(store, 'b', 2)
        return 'done'
      }),
      'done',
    )
    const failure = new Error('no')
    assert.throws(
      () =>
        store.transaction(() => {
          insert(store, 'c', 3)
          throw failure
        }),
      failure,
    )
    assert.deepEqual(amounts(store), { a: 1, b: 2 })
  })

  it('rolls a nested transaction back alone', (t) => {
    const store = open(t)
    store.transaction(() => {
      insert(store, 'a', 1)
      assert.throws(() =>
        store.transaction(() => {
          insert(store, 'b', 2)
          throw new Error('inner')
        }),
      )
      store.transaction(() => insert(store, 'c', 3))
    })
    assert.deepEqual(amounts(store), { a: 1, c: 3 })
  })

  it('refuses asynchronous work', async (t) => {
    const store = open(t)
    assert.throws(
      () =>
        store.transaction(() => {
          insert(store, 'a', 1)
          return Promise.resolve()
        }),
      { code: 'KOS_STORAGE_ASYNC' },
    )
    await assert.rejects(
      store.group.enqueue(() => Promise.resolve()),
      { code: 'KOS_STORAGE_ASYNC' },
    )
    assert.deepEqual(amounts(store), {})
  })

  it('refuses transactions that span turns of the event loop', async (t) => {
    const store = open(t)
    const spanning = store.db
      .transaction()
      .execute((transaction) =>
        transaction
          .insertInto('things')
          .values({ name: 'a', amount: 1, data: new Uint8Array() })
          .execute(),
      )
    await assert.rejects(spanning, { code: 'KOS_STORAGE_TRANSACTION' })
    assert.deepEqual(amounts(store), {})
  })
}

function groups(open: Open): void {
  it('joins the work of one turn into one transaction, in order', async (t) => {
    const store = open(t)
    const order: number[] = []
    const results = Promise.all(
      [1, 2, 3].map((amount) =>
        store.group.enqueue(() => {
          order.push(amount)
          insert(store, `n${amount}`, amount)
          return amount * 10
        }),
      ),
    )
    assert.equal(store.group.pending, 3)
    assert.deepEqual(order, [])
    assert.deepEqual(await results, [10, 20, 30])
    assert.deepEqual(order, [1, 2, 3])
    assert.deepEqual(amounts(store), { n1: 1, n2: 2, n3: 3 })
  })

  it('rolls a failing member back alone', async (t) => {
    const store = open(t)
    const failure = new Error('member')
    const results = await Promise.allSettled([
      store.group.enqueue(() => insert(store, 'a', 1)),
      store.group.enqueue(() => {
        insert(store, 'b', 2)
        throw failure
      }),
      store.group.enqueue(() => insert(store, 'a', 3)),
      store.group.enqueue(() => insert(store, 'c', 4)),
    ])
    assert.deepEqual(
      results.map((result) => result.status),
      ['fulfilled', 'rejected', 'rejected', 'fulfilled'],
    )
    const [, second, third] = results
    assert.equal(second?.status === 'rejected' && second.reason, failure)
    assert.ok(third?.status === 'rejected' && storageErrors.has(third.reason))
    assert.deepEqual(amounts(store), { a: 1, c: 4 })
  })

  it('commits what waits when it is flushed or closed', async (t) => {
    const store = open(t)
    const flushed = store.group.enqueue(() => insert(store, 'a', 1))
    store.group.flush()
    assert.equal(store.group.pending, 0)
    assert.deepEqual(amounts(store), { a: 1 })
    await flushed
    const closed = store.group.enqueue(() => insert(store, 'b', 2))
    store.close()
    await closed
    await assert.rejects(
      store.group.enqueue(() => 1),
      { code: 'KOS_STORAGE_CLOSED' },
    )
  })
}
