/** An intruder rewrites the log and signs it: with no key, another key, or only one of the two. */
import assert from 'node:assert/strict'
import { copyFileSync } from 'node:fs'
import { describe, it, type TestContext } from 'node:test'
import { verifyAuditFile } from '../../src/trust/audit/index.ts'
import {
  makeClosedLog,
  makeLogKeys,
  openTestLog,
  publicKeysOf,
  tamper,
  type TestLog,
  testEvent,
} from '../kit/audit.ts'

/** A whole log of the intruder's own, put in the place of the real one. */
async function replaced(t: TestContext, real: TestLog, keys: TestLog['keys']): Promise<void> {
  const forged = await openTestLog(t, { keys })
  for (let index = 0; index < 20; index += 1) await forged.audit.append(testEvent())
  await forged.close()
  copyFileSync(forged.path, real.path)
}

describe('a forged audit checkpoint', () => {
  it('does not verify when its text was changed', async (t) => {
    const { path, keys } = await makeClosedLog(t, 20)
    tamper(path, (raw) => {
      raw.exec('DELETE FROM audit_entries WHERE idx >= 15')
      raw.exec(`UPDATE audit_checkpoints SET size = 15,
        note = replace(note, char(10) || '20' || char(10), char(10) || '15' || char(10))
        WHERE size = 20`)
    })
    const result = await verifyAuditFile(path, { keys: publicKeysOf(keys) })
    assert.deepEqual(result.firstBad, {
      index: 11,
      reason: 'checkpoint-forged',
      checkpoint: 15,
      rule: 'Ed25519',
    })
  })

  it('does not verify when it says another size than it is stored under', async (t) => {
    const { path, keys } = await makeClosedLog(t, 20)
    tamper(path, (raw) => raw.exec('UPDATE audit_checkpoints SET size = 19 WHERE size = 20'))
    const result = await verifyAuditFile(path, { keys: publicKeysOf(keys) })
    assert.deepEqual(
      [result.firstBad?.reason, result.firstBad?.rule],
      ['checkpoint-forged', 'size'],
    )
  })

  it('does not verify under keys of the intruder', async (t) => {
    const real = await makeClosedLog(t, 20)
    await replaced(t, real, makeLogKeys())
    const result = await verifyAuditFile(real.path, { keys: publicKeysOf(real.keys) })
    assert.deepEqual(
      [result.firstBad?.reason, result.firstBad?.rule],
      ['checkpoint-forged', 'Ed25519'],
    )
    await assert.rejects(openTestLog(t, { folder: real.folder, keys: real.keys }), {
      code: 'KOS_AUDIT_TAMPERED',
    })
  })

  it('does not verify when one key only was stolen', async (t) => {
    const real = await makeClosedLog(t, 20)
    const other = makeLogKeys()
    const verifyWith = (keys: TestLog['keys']) =>
      replaced(t, real, keys).then(() =>
        verifyAuditFile(real.path, { keys: publicKeysOf(real.keys) }),
      )
    const classical = await verifyWith({ ...other, ed25519: real.keys.ed25519 })
    assert.equal(classical.firstBad?.rule, 'ML-DSA-44')
    const postQuantum = await verifyWith({ ...other, mlDsa44: real.keys.mlDsa44 })
    assert.equal(postQuantum.firstBad?.rule, 'Ed25519')
  })

  it('contradicts a checkpoint kept elsewhere when both keys were stolen', async (t) => {
    const real = await openTestLog(t)
    await real.audit.append(testEvent({ action: 'intrusion' }))
    const kept = (await real.audit.checkpoint()).note
    await real.close()
    await replaced(t, real, real.keys)
    const options = { keys: publicKeysOf(real.keys) }
    assert.equal((await verifyAuditFile(real.path, options)).ok, true)
    const result = await verifyAuditFile(real.path, { ...options, trusted: [kept] })
    assert.deepEqual(result.firstBad, { index: 0, reason: 'root', checkpoint: 1 })
  })
})
