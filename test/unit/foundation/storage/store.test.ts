import assert from 'node:assert/strict'
import { join } from 'node:path'
import { describe, it, type TestContext } from 'node:test'
import { silentLog } from '../../../../src/foundation/base/index.ts'
import { openStore, type Store } from '../../../../src/foundation/storage/index.ts'
import { STORE_TABLES_SQL, storeContract, type StoreTables } from '../../../contracts/store.ts'
import { createTestClock, type TestClock } from '../../../kit/clock.ts'
import { temporaryFolder } from '../../../kit/temporary.ts'

const MIGRATIONS = [
  {
    version: 1,
    name: 'things',
    up: (db: { exec(sql: string): void }) => db.exec(STORE_TABLES_SQL),
  },
]

function open(
  t: TestContext,
  options: { clock?: TestClock; maxDelayMs?: number; folder?: string } = {},
): Store<StoreTables> {
  const path = join(options.folder ?? temporaryFolder(t), 'store.db')
  const store = openStore<StoreTables>(
    { clock: options.clock ?? createTestClock(), log: silentLog },
    { path, migrations: MIGRATIONS, maxDelayMs: options.maxDelayMs ?? 0 },
  )
  t.after(() => store.close())
  return store
}

storeContract('node:sqlite', (t) => open(t))

describe('store over node:sqlite', () => {
  it('is a write-ahead log that is synced at every commit', (t) => {
    const { raw, engine, schemaVersion } = open(t)
    assert.equal(raw.prepare('PRAGMA journal_mode').get()?.['journal_mode'], 'wal')
    assert.equal(raw.prepare('PRAGMA synchronous').get()?.['synchronous'], 2)
    assert.equal(raw.prepare('PRAGMA foreign_keys').get()?.['foreign_keys'], 1)
    assert.equal(raw.prepare('PRAGMA trusted_schema').get()?.['trusted_schema'], 0)
    assert.deepEqual([engine, schemaVersion], ['sqlite', 1])
  })

  it('keeps what was committed over a close', (t) => {
    const folder = temporaryFolder(t)
    const first = open(t, { folder })
    first.transaction((raw) => raw.exec("INSERT INTO things VALUES ('a', 1, NULL)"))
    first.close()
    const again = open(t, { folder })
    assert.equal(again.rows(again.db.selectFrom('things').selectAll()).length, 1)
  })

  it('runs a prepared query with other values each time, and with no others', (t) => {
    const store = open(t)
    const { db } = store
    let built = 0
    const insert = store.prepare((row: StoreTables['things']) => {
      built += 1
      return db.insertInto('things').values(row)
    })
    const find = store.prepare((values: { name: string; more?: number }) =>
      db
        .selectFrom('things')
        .select('amount')
        .where('name', '=', values.name)
        .where('amount', '<', 9),
    )
    store.transaction(() => {
      for (const amount of [1, 2, 30]) {
        insert({ name: `thing-${amount}`, amount, data: Uint8Array.of(amount) })
      }
    })
    assert.equal(built, 1)
    const amountsOf = (name: string): readonly number[] =>
      find({ name }).map(({ amount }) => amount)
    assert.deepEqual(['thing-2', 'thing-30', 'thing-1'].map(amountsOf), [[2], [], [1]])
    const unfit = { code: 'KOS_STORAGE_FAILED' }
    assert.throws(() => find({ name: 'thing-1', more: 1 }), unfit)
    assert.throws(() => find({ more: 1 } as unknown as { name: string }), unfit)
  })

  it('waits up to the delay for company, unless the batch is full', async (t) => {
    const clock = createTestClock()
    const store = open(t, { clock, maxDelayMs: 10 })
    let committed = 0
    const note = (): number => (committed += 1)
    const first = store.group.enqueue(note)
    clock.advance(9)
    assert.equal(committed, 0)
    clock.advance(1)
    assert.equal(committed, 1)
    await first
    const many = Array.from({ length: 1024 }, () => store.group.enqueue(note))
    await Promise.all(many)
    assert.equal(committed, 1025)
    assert.equal(clock.pendingTimers, 0)
  })

  it('binds booleans as 0 and 1 and refuses what SQLite does not know', async (t) => {
    const { db } = open(t)
    const values = (amount: unknown): Promise<unknown> =>
      db
        .insertInto('things')
        .values({ name: `n ${String(amount)}`, amount: amount as number, data: new Uint8Array() })
        .execute()
    await values(true)
    await values(false)
    await assert.rejects(values({}), { code: 'KOS_STORAGE_FAILED' })
    const rows = await db.selectFrom('things').select('amount').orderBy('amount').execute()
    assert.deepEqual(
      rows.map((row) => row.amount),
      [0, 1],
    )
  })

  it('reports an error in the SQL of a stream', async (t) => {
    const store = open(t)
    store.raw.exec('DROP TABLE things')
    const iterate = async (): Promise<void> => {
      for await (const row of store.db.selectFrom('things').selectAll().stream()) assert.ok(row)
    }
    await assert.rejects(iterate(), { code: 'KOS_STORAGE_FAILED' })
  })

  it('forgets prepared statements before they become too many', async (t) => {
    const store = open(t)
    for (let index = 0; index < 300; index += 1) {
      const query = store.db.selectFrom('things').select('name').limit(index)
      assert.deepEqual(store.rows(query.where('amount', 'in', Array(index % 20 || 1).fill(1))), [])
    }
    for (let index = 0; index < 300; index += 1) {
      store.rows(store.db.selectFrom('things').select(`amount as a${index}` as 'amount'))
    }
    assert.deepEqual(await store.db.selectFrom('things').selectAll().execute(), [])
  })

  it('describes its tables', async (t) => {
    const tables = await open(t).db.introspection.getTables()
    assert.deepEqual(
      tables.map((table) => table.name),
      ['things'],
    )
  })
})
