/** An intruder with write access to the file changes what an entry says. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { sha256 } from '../../src/foundation/base/index.ts'
import { verifyAuditFile } from '../../src/trust/audit/index.ts'
import { makeClosedLog, publicKeysOf, tamper } from '../kit/audit.ts'

const leafHash = (entry: Uint8Array): Uint8Array => sha256(Buffer.concat([Buffer.alloc(1), entry]))

function edit(entry: unknown): Uint8Array {
  assert.ok(entry instanceof Uint8Array)
  const edited = Buffer.from(entry)
  const at = edited.indexOf('alice')
  assert.ok(at > 0)
  edited.write('mario', at)
  return edited
}

describe('an edited audit entry', () => {
  it('is named, by its index', async (t) => {
    const { path, keys } = await makeClosedLog(t, 20)
    tamper(path, (raw) => {
      const row = raw.prepare('SELECT entry FROM audit_entries WHERE idx = 13').get()
      raw.prepare('UPDATE audit_entries SET entry = ? WHERE idx = 13').run(edit(row?.['entry']))
    })
    const result = await verifyAuditFile(path, { keys: publicKeysOf(keys) })
    assert.equal(result.ok, false)
    assert.deepEqual(result.firstBad, { index: 13, reason: 'edited' })
    assert.equal(result.entries, 13)
  })

  it('is found also when its hash was made to fit', async (t) => {
    const { path, keys } = await makeClosedLog(t, 20)
    tamper(path, (raw) => {
      const row = raw.prepare('SELECT entry FROM audit_entries WHERE idx = 13').get()
      const entry = edit(row?.['entry'])
      raw
        .prepare('UPDATE audit_entries SET entry = ?, leaf_hash = ? WHERE idx = 13')
        .run(entry, leafHash(entry))
    })
    const result = await verifyAuditFile(path, { keys: publicKeysOf(keys) })
    // The checkpoint over 11 entries still agrees, the one over 20 does not.
    assert.deepEqual(result.firstBad, { index: 11, reason: 'root', checkpoint: 20 })
  })
})
