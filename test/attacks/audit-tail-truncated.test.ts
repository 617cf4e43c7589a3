/** An intruder cuts off the newest entries: those that tell of the intrusion. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { verifyAuditFile } from '../../src/trust/audit/index.ts'
import { makeClosedLog, openTestLog, publicKeysOf, tamper, testEvent } from '../kit/audit.ts'

describe('a truncated audit log', () => {
  it('is shorter than its newest checkpoint', async (t) => {
    const { path, keys, folder } = await makeClosedLog(t, 20)
    tamper(path, (raw) => raw.exec('DELETE FROM audit_entries WHERE idx >= 15'))
    const result = await verifyAuditFile(path, { keys: publicKeysOf(keys) })
    assert.deepEqual(result.firstBad, { index: 15, reason: 'truncated', checkpoint: 20 })
    await assert.rejects(openTestLog(t, { folder, keys }), {
      code: 'KOS_AUDIT_TAMPERED',
      details: { rule: 'truncated', index: 15 },
    })
  })

  it('is found by a checkpoint kept elsewhere when its own were cut off too', async (t) => {
    const opened = await openTestLog(t)
    for (let index = 0; index < 20; index += 1) await opened.audit.append(testEvent())
    const kept = (await opened.audit.checkpoint()).note
    await opened.close()
    const { path, keys } = opened
    tamper(path, (raw) => {
      raw.exec('DELETE FROM audit_entries; DELETE FROM audit_checkpoints WHERE size > 0')
    })
    const options = { keys: publicKeysOf(keys) }
    // The file alone looks like that of a new log: see docs/audit.md.
    assert.equal((await verifyAuditFile(path, options)).ok, true)
    const result = await verifyAuditFile(path, { ...options, trusted: [kept] })
    assert.deepEqual(result.firstBad, { index: 0, reason: 'truncated', checkpoint: 20 })
  })

  it('has no checkpoint when all were removed', async (t) => {
    const { path, keys } = await makeClosedLog(t, 20)
    tamper(path, (raw) => raw.exec('DELETE FROM audit_checkpoints'))
    const result = await verifyAuditFile(path, { keys: publicKeysOf(keys) })
    assert.deepEqual(result.firstBad, { index: 0, reason: 'checkpoint-missing' })
  })
})
