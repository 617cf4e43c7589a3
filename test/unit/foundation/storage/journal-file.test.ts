import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { chmodSync, existsSync, mkdirSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import {
  openJournalFile,
  readJournalFile,
  syncWritten,
} from '../../../../src/foundation/storage/index.ts'
import { temporaryFolder } from '../../../kit/temporary.ts'
import { mountRefusal } from '../../../kit/processes.ts'

const BYTES = 64 * 1024

describe('a journal file', () => {
  it('has its whole size from the start and is its owner’s alone', (t) => {
    const path = join(temporaryFolder(t), 'journal')
    const file = openJournalFile(path, BYTES)
    assert.deepEqual([statSync(path).size, statSync(path).mode & 0o777], [BYTES, 0o600])
    assert.equal(file.size, BYTES)
    file.close()
    file.close()
    assert.ok(existsSync(path))
  })

  it('keeps what was written at its place, and is read by others', async (t) => {
    const path = join(temporaryFolder(t), 'journal')
    const file = openJournalFile(path, BYTES)
    await Promise.all([file.write(Buffer.from('one'), 10), file.write(Buffer.from('two'), 100)])
    const bytes = Buffer.from(readJournalFile(path, BYTES) ?? [])
    assert.deepEqual(
      [bytes.toString('latin1', 10, 13), bytes.toString('latin1', 100, 103)],
      ['one', 'two'],
    )
    assert.equal(readJournalFile(path, 50)?.length, 50)
    file.close()
    const again = openJournalFile(path, BYTES)
    assert.equal(readJournalFile(path, BYTES)?.[10], 'o'.charCodeAt(0))
    again.remove()
    again.remove()
    assert.equal(existsSync(path), false)
  })

  it('finishes a write that is under way when it is closed, and takes none afterwards', async (t) => {
    const path = join(temporaryFolder(t), 'journal')
    const file = openJournalFile(path, BYTES)
    const written = file.write(Buffer.alloc(BYTES, 1), 0)
    file.close()
    await written
    assert.equal(readJournalFile(path, BYTES)?.at(-1), 1)
    await assert.rejects(file.write(Buffer.alloc(1), 0), { code: 'KOS_STORAGE_CLOSED' })
  })

  it('is refused where others can read it, or a link stands in its place', (t) => {
    const folder = temporaryFolder(t)
    const open = join(folder, 'open')
    writeFileSync(open, '')
    chmodSync(open, 0o644)
    assert.throws(() => openJournalFile(open, BYTES), { code: 'KOS_STORAGE_PERMISSION' })
    const link = join(folder, 'link')
    symlinkSync(open, link)
    assert.throws(() => openJournalFile(link, BYTES), { code: 'KOS_STORAGE_OPEN' })
    assert.throws(() => readJournalFile(link, BYTES), { code: 'KOS_STORAGE_OPEN' })
  })

  it('is not there: nothing to read', (t) => {
    assert.equal(readJournalFile(join(temporaryFolder(t), 'none'), BYTES), undefined)
  })

  it('does not find room on a full disk', { skip: mountRefusal() }, (t) => {
    const folder = join(temporaryFolder(t), 'disk')
    mkdirSync(folder)
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=32k', 'tmpfs', folder])
    try {
      const path = join(folder, 'journal')
      assert.throws(() => openJournalFile(path, BYTES), { code: 'KOS_STORAGE_FULL' })
    } finally {
      execFileSync('umount', [folder])
    }
  })
})

describe('making a file durable', () => {
  it('says when it cannot', async (t) => {
    const path = join(temporaryFolder(t), 'written')
    writeFileSync(path, 'a')
    await syncWritten(path)
    await assert.rejects(syncWritten(join(path, 'none')), { code: 'KOS_STORAGE_FULL' })
  })
})
