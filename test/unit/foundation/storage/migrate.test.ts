import assert from 'node:assert/strict'
import { existsSync, mkdirSync, readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { describe, it, type TestContext } from 'node:test'
import { silentLog } from '../../../../src/foundation/base/index.ts'
import { type Migration, openStore, type Store } from '../../../../src/foundation/storage/index.ts'
import { createTestClock } from '../../../kit/clock.ts'
import { temporaryFolder } from '../../../kit/temporary.ts'

const sql = (version: number, text: string): Migration => ({
  version,
  name: `step ${version}`,
  up: (db) => db.exec(text),
})
const FIRST = sql(1, "CREATE TABLE a (b TEXT); INSERT INTO a VALUES ('old')")
const SECOND = sql(2, "ALTER TABLE a ADD COLUMN c TEXT DEFAULT 'new'")
const THIRD = sql(3, 'CREATE TABLE d (e)')

function open(t: TestContext, path: string, migrations: readonly Migration[]): Store<unknown> {
  const store = openStore({ clock: createTestClock(), log: silentLog }, { path, migrations })
  t.after(() => store.close())
  return store
}

describe('schema upgrades', () => {
  it('applies what is missing, and only that', (t) => {
    const path = join(temporaryFolder(t), 'store.db')
    open(t, path, [FIRST]).close()
    const store = open(t, path, [FIRST, SECOND, THIRD])
    assert.equal(store.schemaVersion, 3)
    assert.deepEqual({ ...store.raw.prepare('SELECT * FROM a').get() }, { b: 'old', c: 'new' })
    store.close()
    assert.equal(open(t, path, [FIRST, SECOND, THIRD]).schemaVersion, 3)
  })

  it('makes a private backup of the former state first', (t) => {
    const folder = temporaryFolder(t)
    const path = join(folder, 'store.db')
    open(t, path, [FIRST]).close()
    assert.equal(existsSync(`${path}.v0.backup`), false)
    open(t, path, [FIRST, SECOND]).close()
    const backup = `${path}.v1.backup`
    assert.equal(statSync(backup).mode & 0o777, 0o600)
    const database = new DatabaseSync(backup, { readOnly: true })
    t.after(() => database.close())
    assert.deepEqual({ ...database.prepare('SELECT * FROM a').get() }, { b: 'old' })
    assert.equal(database.prepare('PRAGMA user_version').get()?.['user_version'], 1)
    assert.deepEqual(
      readdirSync(folder).filter((name) => name.endsWith('.partial')),
      [],
    )
  })

  it('makes the backup again after an attempt that was cut off', (t) => {
    const path = join(temporaryFolder(t), 'store.db')
    open(t, path, [FIRST]).close()
    const failing = { ...SECOND, up: (): never => assert.fail('step') }
    assert.throws(() => open(t, path, [FIRST, failing]), { code: 'KOS_STORAGE_MIGRATION' })
    assert.ok(existsSync(`${path}.v1.backup`))
    assert.equal(open(t, path, [FIRST, SECOND]).schemaVersion, 2)
  })

  it('changes nothing when a later step fails', (t) => {
    const path = join(temporaryFolder(t), 'store.db')
    open(t, path, [FIRST]).close()
    const broken = sql(3, 'ALTER TABLE missing ADD COLUMN x')
    assert.throws(() => open(t, path, [FIRST, SECOND, broken]), {
      code: 'KOS_STORAGE_MIGRATION',
      details: { rule: 'step 3' },
    })
    const store = open(t, path, [FIRST])
    assert.equal(store.schemaVersion, 1)
    assert.deepEqual({ ...store.raw.prepare('SELECT * FROM a').get() }, { b: 'old' })
  })

  it('changes nothing when the backup cannot be written', (t) => {
    const path = join(temporaryFolder(t), 'store.db')
    open(t, path, [FIRST]).close()
    // Something that cannot be removed stands where the backup has to go.
    mkdirSync(`${path}.v1.backup.partial`)
    assert.throws(() => open(t, path, [FIRST, SECOND]), {
      code: 'KOS_STORAGE_MIGRATION',
      details: { rule: 'backup' },
    })
    assert.equal(open(t, path, [FIRST]).schemaVersion, 1)
  })

  it('says that the disk is full when it is', (t) => {
    const path = join(temporaryFolder(t), 'store.db')
    open(t, path, [FIRST]).close()
    const large = sql(2, 'CREATE TABLE f (g); INSERT INTO f VALUES (zeroblob(1000000))')
    assert.throws(
      () =>
        openStore(
          { clock: createTestClock(), log: silentLog },
          { path, migrations: [FIRST, large], maxBytes: 16 * 4096 },
        ),
      { code: 'KOS_STORAGE_FULL' },
    )
    assert.equal(open(t, path, [FIRST, large]).schemaVersion, 2)
  })

  it('refuses a newer schema and wrong numbers', (t) => {
    const path = join(temporaryFolder(t), 'store.db')
    open(t, path, [FIRST, SECOND]).close()
    assert.throws(() => open(t, path, [FIRST]), {
      code: 'KOS_STORAGE_NEWER',
      details: { found: 2, known: 1 },
    })
    for (const wrong of [[SECOND], [FIRST, THIRD], [FIRST, FIRST]]) {
      assert.throws(() => open(t, path, wrong), { code: 'KOS_STORAGE_MIGRATION' })
    }
  })
})
