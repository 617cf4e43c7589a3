import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import {
  chmodSync,
  chownSync,
  closeSync,
  mkdirSync,
  openSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { join } from 'node:path'
import { describe, it, type TestContext } from 'node:test'
import { silentLog } from '../../../../src/foundation/base/index.ts'
import {
  openStore,
  type Store,
  type StoreOptions,
} from '../../../../src/foundation/storage/index.ts'
import { createTestClock } from '../../../kit/clock.ts'
import { temporaryFolder } from '../../../kit/temporary.ts'

function open(t: TestContext, path: string, options: Partial<StoreOptions> = {}): Store<unknown> {
  const store = openStore(
    { clock: createTestClock(), log: silentLog },
    { path, migrations: [], ...options },
  )
  t.after(() => store.close())
  return store
}

const mode = (path: string): number => statSync(path).mode & 0o777

describe('opening a store', () => {
  it('makes the file and everything beside it private', (t) => {
    const path = join(temporaryFolder(t), 'store.db')
    const store = open(t, path)
    store.raw.exec('CREATE TABLE a (b)')
    for (const suffix of ['', '-wal', '-shm', '.lock']) assert.equal(mode(path + suffix), 0o600)
  })

  it('refuses a file that others may read', (t) => {
    const path = join(temporaryFolder(t), 'store.db')
    open(t, path).close()
    chmodSync(path, 0o640)
    assert.throws(() => open(t, path), { code: 'KOS_STORAGE_PERMISSION' })
    chmodSync(path, 0o600)
    open(t, path)
  })

  it('refuses a link, a folder and a missing folder', (t) => {
    const folder = temporaryFolder(t)
    symlinkSync(join(folder, 'elsewhere'), join(folder, 'link'))
    mkdirSync(join(folder, 'folder'))
    writeFileSync(join(folder, 'file'), '')
    for (const name of ['link', 'folder', 'missing/store.db', 'file/store.db']) {
      assert.throws(() => open(t, join(folder, name)), { code: 'KOS_STORAGE_OPEN' })
    }
  })

  it('refuses a file of another user', { skip: process.geteuid?.() !== 0 }, (t) => {
    const path = join(temporaryFolder(t), 'store.db')
    open(t, path).close()
    chownSync(path, 12_345, 0)
    assert.throws(() => open(t, path), { code: 'KOS_STORAGE_PERMISSION' })
  })

  it('refuses a second owner, in this process or another, until the first is gone', (t) => {
    const path = join(temporaryFolder(t), 'store.db')
    const store = open(t, path)
    assert.throws(() => open(t, path), { code: 'KOS_STORAGE_LOCKED' })
    const door = join(import.meta.dirname, '../../../../src/foundation/storage/index.ts')
    const script = `
      import { openStore } from ${JSON.stringify(door)}
      try {
        openStore({ clock: {}, log: {} }, { path: ${JSON.stringify(path)}, migrations: [] })
        process.stdout.write('opened')
      } catch (error) { process.stdout.write(error.code) }`
    const other = (): string =>
      spawnSync(process.execPath, ['--input-type=module', '-e', script], { encoding: 'utf8' })
        .stdout
    assert.equal(other(), 'KOS_STORAGE_LOCKED')
    store.close()
    assert.equal(other(), 'opened')
    open(t, path)
  })

  it('refuses a file that is no database', (t) => {
    const path = join(temporaryFolder(t), 'store.db')
    writeFileSync(path, 'x'.repeat(8192), { mode: 0o600 })
    assert.throws(() => open(t, path), { code: 'KOS_STORAGE_CORRUPT' })
    // The lock was given back: a repaired file opens.
    writeFileSync(path, '')
    open(t, path)
  })

  it('refuses a damaged page', (t) => {
    const path = join(temporaryFolder(t), 'store.db')
    const store = open(t, path)
    store.raw.exec('CREATE TABLE a (b TEXT)')
    const insert = store.raw.prepare('INSERT INTO a VALUES (?)')
    for (let index = 0; index < 500; index += 1) insert.run(`${index}`.repeat(40))
    store.close()
    const pages = readFileSync(path).length / 4096
    assert.ok(pages > 4)
    const descriptor = openSync(path, 'r+')
    writeSync(descriptor, Buffer.alloc(4096, 0xaa), 0, 4096, 3 * 4096)
    closeSync(descriptor)
    assert.throws(() => open(t, path), { code: 'KOS_STORAGE_CORRUPT' })
  })

  it('keeps the file within its bound', (t) => {
    const path = join(temporaryFolder(t), 'store.db')
    const store = open(t, path, { maxBytes: 8 * 4096 })
    store.raw.exec('CREATE TABLE a (b BLOB)')
    const fill = (): unknown =>
      store.transaction((raw) => raw.prepare('INSERT INTO a VALUES (zeroblob(100000))').run())
    assert.throws(fill, { code: 'KOS_STORAGE_FULL' })
    store.transaction((raw) => raw.prepare('INSERT INTO a VALUES (zeroblob(100))').run())
    assert.ok(Number(store.raw.prepare('PRAGMA page_count').get()?.['page_count']) <= 8)
  })
})
