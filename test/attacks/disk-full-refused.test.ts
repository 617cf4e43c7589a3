/** A full disk must refuse work as a whole, change nothing, and be left behind by itself. */
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { it } from 'node:test'
import type { Log } from '../../src/foundation/base/index.ts'
import { isStorageFull, openStore } from '../../src/foundation/storage/index.ts'
import { createTestClock } from '../kit/clock.ts'
import { temporaryFolder } from '../kit/temporary.ts'

it('refuses the whole batch on a full disk and recovers when there is space', async (t) => {
  const events: string[] = []
  const log: Log = { event: (name) => void events.push(name) }
  const store = openStore(
    { clock: createTestClock(), log },
    {
      path: join(temporaryFolder(t), 'store.db'),
      migrations: [
        { version: 1, name: 'a', up: (db) => db.exec('CREATE TABLE a (b BLOB, n INTEGER) STRICT') },
      ],
    },
  )
  t.after(() => store.close())
  const insert = store.raw.prepare('INSERT INTO a VALUES (zeroblob(?), ?)')
  const count = store.raw.prepare('SELECT COUNT(*) AS n FROM a')
  const pages = Number(store.raw.prepare('PRAGMA page_count').get()?.['page_count'])
  const limit = (count: number): void => store.raw.exec(`PRAGMA max_page_count = ${count}`)
  const batch = (): Promise<PromiseSettledResult<unknown>[]> =>
    Promise.allSettled(
      [10, 200_000, 10].map((bytes, n) => store.group.enqueue(() => insert.run(bytes, n))),
    )

  limit(pages + 4)
  for (const result of await batch()) {
    assert.ok(result.status === 'rejected' && isStorageFull(result.reason))
  }
  assert.equal(count.get()?.['n'], 0)
  assert.throws(() => store.transaction(() => insert.run(200_000, 1)), { code: 'KOS_STORAGE_FULL' })
  // Reported once, not once per refused write.
  assert.deepEqual(
    events.filter((name) => name === 'storage.full'),
    ['storage.full'],
  )

  limit(1_000_000)
  assert.deepEqual(
    (await batch()).map((result) => result.status),
    ['fulfilled', 'fulfilled', 'fulfilled'],
  )
  assert.equal(count.get()?.['n'], 3)

  limit(pages + 4)
  assert.throws(() => store.transaction(() => insert.run(900_000, 1)), { code: 'KOS_STORAGE_FULL' })
  assert.equal(events.filter((name) => name === 'storage.full').length, 2)
})
