/** An intruder exchanges two entries, so that effect comes before cause. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { verifyAuditFile } from '../../src/trust/audit/index.ts'
import { makeClosedLog, publicKeysOf, tamper } from '../kit/audit.ts'

describe('reordered audit entries', () => {
  it('are named, by the index of the first', async (t) => {
    const { path, keys } = await makeClosedLog(t, 20)
    tamper(path, (raw) => {
      raw.exec('UPDATE audit_entries SET idx = 1000 WHERE idx = 4')
      raw.exec('UPDATE audit_entries SET idx = 4 WHERE idx = 9')
      raw.exec('UPDATE audit_entries SET idx = 9 WHERE idx = 1000')
    })
    const result = await verifyAuditFile(path, { keys: publicKeysOf(keys) })
    assert.deepEqual([result.ok, result.entries], [false, 4])
    assert.deepEqual(result.firstBad, { index: 4, reason: 'misplaced' })
  })

  it('are found also when only their hashes were exchanged', async (t) => {
    const { path, keys } = await makeClosedLog(t, 20)
    tamper(path, (raw) => {
      const hashes = raw.prepare('SELECT leaf_hash FROM audit_entries WHERE idx IN (4, 9)').all()
      const set = raw.prepare('UPDATE audit_entries SET leaf_hash = ? WHERE idx = ?')
      set.run(hashes[1]?.['leaf_hash'] ?? null, 4)
      set.run(hashes[0]?.['leaf_hash'] ?? null, 9)
    })
    const result = await verifyAuditFile(path, { keys: publicKeysOf(keys) })
    assert.deepEqual(result.firstBad, { index: 4, reason: 'edited' })
  })
})
