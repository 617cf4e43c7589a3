import assert from 'node:assert/strict'
import { chmodSync, copyFileSync, existsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { describe, it } from 'node:test'
import { toHex } from '../../../../src/foundation/base/index.ts'
import { verifyAuditFile } from '../../../../src/trust/audit/index.ts'
import { leafHash } from '../../../../src/trust/audit/merkle.ts'
import {
  makeClosedLog,
  makeLogKeys,
  openTestLog,
  publicKeysOf,
  tamper,
  TEST_ORIGIN,
  testEvent,
} from '../../../kit/audit.ts'
import { temporaryFolder } from '../../../kit/temporary.ts'

describe('verifying a log', () => {
  it('counts what it read', async (t) => {
    const { audit } = await openTestLog(t)
    for (let index = 0; index < 5000; index += 1) audit.appendSoon(testEvent())
    const result = await audit.verify()
    assert.deepEqual([result.ok, result.entries, result.unsealed], [true, 5000, 0])
    assert.equal(result.root, toHex((await audit.checkpoint()).root))
    assert.ok(result.checkpoints >= 2)
  })

  it('reads a log that cannot be written', async (t) => {
    const { audit, store, disk } = await openTestLog(t)
    await audit.append(testEvent())
    store.raw.exec('PRAGMA query_only = ON')
    disk.room = 0
    audit.appendSoon(testEvent())
    const result = await audit.verify()
    assert.deepEqual([result.ok, result.entries, result.unsealed], [true, 1, 1])
  })

  it('agrees with a checkpoint kept elsewhere, and only then', async (t) => {
    const opened = await openTestLog(t)
    const { audit, path, keys } = opened
    await audit.append(testEvent())
    const kept = await audit.checkpoint()
    await audit.append(testEvent())
    assert.ok((await audit.verify([kept.note])).ok)
    await opened.close()
    const options = { keys: publicKeysOf(keys) }
    assert.ok((await verifyAuditFile(path, { ...options, trusted: [kept.note] })).ok)
    // The same keys sign another history of the same length.
    const other = await openTestLog(t, { keys })
    await other.audit.append(testEvent({ action: 'other' }))
    await other.audit.append(testEvent())
    const rewritten = await other.audit.verify([kept.note])
    assert.deepEqual(rewritten.firstBad, { index: 0, reason: 'root', checkpoint: 1 })
    const forged = await other.audit.verify(['forged'])
    assert.deepEqual(forged.firstBad, {
      index: 0,
      reason: 'checkpoint-forged',
      rule: 'blank line',
    })
  })

  it('finds a log that is shorter than a checkpoint kept elsewhere', async (t) => {
    const { audit, keys } = await openTestLog(t)
    await audit.append(testEvent())
    await audit.append(testEvent())
    const kept = await audit.checkpoint()
    const other = await openTestLog(t, { keys })
    await other.audit.append(testEvent())
    const result = await other.audit.verify([kept.note])
    assert.deepEqual(result.firstBad, { index: 1, reason: 'truncated', checkpoint: 2 })
  })

  it('finds a changed interior hash', async (t) => {
    const { path, keys } = await makeClosedLog(t, 600)
    tamper(path, (raw) => raw.exec('UPDATE audit_subtrees SET hash = zeroblob(32) WHERE idx = 1'))
    const result = await verifyAuditFile(path, { keys: publicKeysOf(keys) })
    assert.deepEqual(result.firstBad, { index: 256, reason: 'subtree' })
  })

  it('finds bytes that are no entry', async (t) => {
    const { path, keys } = await makeClosedLog(t, 4)
    const entry = Uint8Array.of(0xa0)
    tamper(path, (raw) =>
      raw
        .prepare('UPDATE audit_entries SET entry = ?, leaf_hash = ? WHERE idx = 2')
        .run(entry, leafHash(entry)),
    )
    const result = await verifyAuditFile(path, { keys: publicKeysOf(keys) })
    assert.deepEqual(result.firstBad, { index: 2, reason: 'malformed' })
  })
})

describe('verifying a file', () => {
  it('works while the daemon writes it', async (t) => {
    const { audit, path, keys } = await openTestLog(t)
    await audit.append(testEvent())
    const result = await verifyAuditFile(path, { keys: publicKeysOf(keys) })
    assert.deepEqual([result.ok, result.entries, result.origin], [true, 1, TEST_ORIGIN])
    await audit.append(testEvent())
  })

  it('works on a copy alone, and changes nothing', async (t) => {
    const { path, keys } = await makeClosedLog(t, 10)
    const copy = join(temporaryFolder(t), 'copy.db')
    copyFileSync(path, copy)
    chmodSync(copy, 0o400)
    const result = await verifyAuditFile(copy, { keys: publicKeysOf(keys) })
    assert.deepEqual([result.ok, result.entries], [true, 10])
  })

  it('fails with other keys or another origin', async (t) => {
    const { path, keys } = await makeClosedLog(t, 2)
    const wrongKeys = await verifyAuditFile(path, { keys: publicKeysOf(makeLogKeys()) })
    assert.equal(wrongKeys.firstBad?.reason, 'checkpoint-forged')
    const options = { keys: publicKeysOf(keys), origin: 'kos.test/other' }
    const wrongOrigin = await verifyAuditFile(path, options)
    assert.equal(wrongOrigin.firstBad?.rule, 'origin')
  })

  it('says when there is no readable checkpoint', async (t) => {
    const { path, keys } = await makeClosedLog(t, 2)
    tamper(path, (raw) => raw.exec("UPDATE audit_checkpoints SET note = 'x'"))
    const result = await verifyAuditFile(path, { keys: publicKeysOf(keys) })
    assert.deepEqual([result.origin, result.firstBad?.reason], ['unknown', 'checkpoint-forged'])
  })

  it('refuses what is not a log', async (t) => {
    const folder = temporaryFolder(t)
    const keys = publicKeysOf(makeLogKeys())
    const missing = join(folder, 'missing.db')
    await assert.rejects(verifyAuditFile(missing, { keys }), { code: 'KOS_AUDIT_FILE' })
    assert.equal(existsSync(missing), false)
    const text = join(folder, 'text.db')
    writeFileSync(text, 'not a database at all'.repeat(100))
    await assert.rejects(verifyAuditFile(text, { keys }), { code: 'KOS_STORAGE_CORRUPT' })
    const empty = join(folder, 'empty.db')
    new DatabaseSync(empty).close()
    await assert.rejects(verifyAuditFile(empty, { keys }), { code: 'KOS_AUDIT_FILE' })
  })

  it('refuses a view or a trigger in the place of a table', async (t) => {
    for (const sql of [
      'ALTER TABLE audit_entries RENAME TO real; CREATE VIEW audit_entries AS SELECT * FROM real',
      'CREATE TRIGGER x AFTER INSERT ON audit_entries BEGIN SELECT 1; END',
      'ALTER TABLE audit_checkpoints ADD COLUMN more TEXT',
    ]) {
      const { path, keys } = await makeClosedLog(t, 2)
      tamper(path, (raw) => raw.exec(sql))
      await assert.rejects(verifyAuditFile(path, { keys: publicKeysOf(keys) }), {
        code: 'KOS_AUDIT_FILE',
        details: { rule: 'tables' },
      })
    }
  })

  it('does not read a value that is larger than any of a log', async (t) => {
    const { path, keys } = await makeClosedLog(t, 2)
    tamper(path, (raw) => raw.exec('UPDATE audit_entries SET entry = zeroblob(5000000)'))
    await assert.rejects(verifyAuditFile(path, { keys: publicKeysOf(keys) }), {
      code: 'KOS_STORAGE_FAILED',
    })
  })

  it('refuses columns of another kind', async (t) => {
    const { path, keys } = await makeClosedLog(t, 2)
    tamper(path, (raw) => {
      raw.exec('PRAGMA ignore_check_constraints = ON')
      raw.exec('UPDATE audit_entries SET leaf_hash = zeroblob(3) WHERE idx = 0')
    })
    const result = await verifyAuditFile(path, { keys: publicKeysOf(keys) })
    assert.deepEqual(result.firstBad, { index: 0, reason: 'edited' })
  })
})
