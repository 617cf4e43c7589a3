/** An intruder removes an entry, and closes the gap. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { verifyAuditFile } from '../../src/trust/audit/index.ts'
import { makeClosedLog, openTestLog, publicKeysOf, tamper } from '../kit/audit.ts'

describe('a removed audit entry', () => {
  it('is named, by its index', async (t) => {
    const { path, keys } = await makeClosedLog(t, 20)
    tamper(path, (raw) => raw.exec('DELETE FROM audit_entries WHERE idx = 7'))
    const result = await verifyAuditFile(path, { keys: publicKeysOf(keys) })
    assert.deepEqual([result.ok, result.entries], [false, 7])
    assert.deepEqual(result.firstBad, { index: 7, reason: 'missing' })
  })

  it('is named also when the entries behind it moved up', async (t) => {
    const { path, keys, folder } = await makeClosedLog(t, 20)
    tamper(path, (raw) => {
      raw.exec('DELETE FROM audit_entries WHERE idx = 7')
      for (let index = 8; index < 20; index += 1) {
        raw.prepare('UPDATE audit_entries SET idx = ? WHERE idx = ?').run(index - 1, index)
      }
    })
    const result = await verifyAuditFile(path, { keys: publicKeysOf(keys) })
    assert.deepEqual(result.firstBad, { index: 7, reason: 'misplaced' })
    // And the daemon does not serve on such a log.
    await assert.rejects(openTestLog(t, { folder, keys }), {
      code: 'KOS_AUDIT_TAMPERED',
      details: { rule: 'truncated', index: 19 },
    })
  })

  it('is found also at the very beginning', async (t) => {
    const { path, keys } = await makeClosedLog(t, 20)
    tamper(path, (raw) => raw.exec('DELETE FROM audit_entries WHERE idx = 0'))
    const result = await verifyAuditFile(path, { keys: publicKeysOf(keys) })
    assert.deepEqual(result.firstBad, { index: 0, reason: 'missing' })
  })
})
