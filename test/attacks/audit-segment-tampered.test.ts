import assert from 'node:assert/strict'
import type { DatabaseSync } from 'node:sqlite'
import { describe, it } from 'node:test'
import { verifyAuditFile } from '../../src/trust/audit/index.ts'
import { leafHash } from '../../src/trust/audit/merkle.ts'
import { unpackSegment } from '../../src/trust/audit/segments.ts'
import { makeClosedLog, publicKeysOf, tamper } from '../kit/audit.ts'

/** Two segments: 0 to 100, and 101 to 199. */
const ENTRIES = 200

/** Reads one segment, changes its columns and writes it back. */
function change(
  raw: DatabaseSync,
  first: number,
  edit: (columns: Record<'leaves' | 'ends' | 'leaf_hashes', Buffer>) => void,
): void {
  const row = raw.prepare('SELECT * FROM audit_segments WHERE first = ?').get(first)
  const columns = {
    leaves: Buffer.from(row?.['leaves'] as Uint8Array),
    ends: Buffer.from(row?.['ends'] as Uint8Array),
    leaf_hashes: Buffer.from(row?.['leaf_hashes'] as Uint8Array),
  }
  edit(columns)
  raw
    .prepare('UPDATE audit_segments SET leaves = ?, ends = ?, leaf_hashes = ? WHERE first = ?')
    .run(columns.leaves, columns.ends, columns.leaf_hashes, first)
}

describe('a tampered segment of packed audit entries', () => {
  const attacks: readonly {
    readonly what: string
    readonly attack: (raw: DatabaseSync) => void
    readonly found: { readonly index: number; readonly reason: string }
  }[] = [
    {
      what: 'an edited entry is named by its index',
      attack: (raw) =>
        change(raw, 0, ({ leaves, ends }) => {
          const at = ends.readUInt32BE(4 * 41) + 20
          leaves[at] = (leaves[at] ?? 0) ^ 1
        }),
      found: { index: 42, reason: 'edited' },
    },
    {
      what: 'an exchanged hash is named by its index',
      attack: (raw) =>
        change(raw, 101, ({ leaf_hashes: hashes }) => {
          hashes.copyWithin(32 * 8, 32 * 9, 32 * 10)
        }),
      found: { index: 109, reason: 'edited' },
    },
    {
      what: 'an entry that was replaced together with its hash does not have the signed root',
      attack: (raw) =>
        change(raw, 101, ({ leaves, ends, leaf_hashes: hashes }) => {
          const [start, end] = [ends.readUInt32BE(4 * 6), ends.readUInt32BE(4 * 7)]
          const at = leaves.indexOf('call-108', start)
          assert.ok(at > start && at < end)
          leaves.write('call-999', at)
          const segment = { first: 101, count: 99, hashes, ends, leaves, salts: undefined }
          const [changed] = unpackSegment(segment, { from: 108, limit: 1 })
          assert.ok(changed)
          hashes.set(leafHash(changed.entry), 32 * 7)
        }),
      found: { index: 101, reason: 'root' },
    },
    {
      what: 'moved ends make an entry that does not have its hash',
      attack: (raw) => change(raw, 0, ({ ends }) => ends.writeUInt32BE(0xffff_ffff, 4 * 7)),
      found: { index: 7, reason: 'edited' },
    },
    {
      what: 'ends that are not there, too',
      attack: (raw) => raw.exec("UPDATE audit_segments SET ends = x'00' WHERE first = 101"),
      found: { index: 101, reason: 'edited' },
    },
    {
      what: 'a changed text is named by the first entry that has it',
      attack: (raw) =>
        change(raw, 0, ({ leaves }) => {
          const at = leaves.indexOf('files.read')
          assert.ok(at > 0 && at < 200)
          leaves.write('files.wipe', at)
        }),
      found: { index: 0, reason: 'edited' },
    },
    {
      what: 'a text that is not there makes an entry that does not have its hash',
      attack: (raw) =>
        change(raw, 101, ({ leaves, ends }) => {
          leaves[ends.readUInt32BE(4 * 2)] = 77
        }),
      found: { index: 104, reason: 'edited' },
    },
    {
      what: 'nor does a length of all texts that is not theirs',
      attack: (raw) => change(raw, 101, ({ leaves }) => leaves.writeUInt16BE(0xffff, 1)),
      found: { index: 101, reason: 'edited' },
    },
    {
      what: 'nor a head longer than its record',
      attack: (raw) =>
        change(raw, 101, ({ leaves, ends }) => {
          leaves[ends.readUInt32BE(4 * 2) + 1] = 0xff
        }),
      found: { index: 104, reason: 'edited' },
    },
    {
      what: 'a segment cannot be removed',
      attack: (raw) => raw.exec('DELETE FROM audit_segments WHERE first = 0'),
      found: { index: 0, reason: 'missing' },
    },
    {
      what: 'nor the last one',
      attack: (raw) => raw.exec('DELETE FROM audit_segments WHERE first = 101'),
      found: { index: 101, reason: 'truncated' },
    },
    {
      what: 'nor cut off',
      attack: (raw) => raw.exec('UPDATE audit_segments SET count = 50 WHERE first = 0'),
      found: { index: 50, reason: 'missing' },
    },
    {
      what: 'nor moved',
      attack: (raw) => raw.exec('UPDATE audit_segments SET first = 100 WHERE first = 101'),
      found: { index: 101, reason: 'missing' },
    },
    {
      what: 'a row cannot be put before its entries',
      attack: (raw) =>
        raw.exec(
          'INSERT INTO audit_entries SELECT 5, leaf_hashes, leaves, NULL FROM audit_segments LIMIT 1',
        ),
      found: { index: 6, reason: 'missing' },
    },
  ]
  for (const { what, attack, found } of attacks) {
    it(what, async (t) => {
      const { path, keys } = await makeClosedLog(t, ENTRIES)
      const whole = await verifyAuditFile(path, { keys: publicKeysOf(keys) })
      assert.deepEqual([whole.ok, whole.entries], [true, ENTRIES])
      tamper(path, attack)
      const { ok, firstBad } = await verifyAuditFile(path, { keys: publicKeysOf(keys) })
      assert.equal(ok, false)
      assert.deepEqual({ index: firstBad?.index, reason: firstBad?.reason }, found)
    })
  }

  it('a count that no segment has is refused', async (t) => {
    const { path, keys } = await makeClosedLog(t, ENTRIES)
    tamper(path, (raw) => raw.exec('UPDATE audit_segments SET count = 1000000000000'))
    await assert.rejects(verifyAuditFile(path, { keys: publicKeysOf(keys) }), {
      code: 'KOS_AUDIT_ENTRY',
    })
  })

  it('a view in the place of the table is refused', async (t) => {
    const { path, keys } = await makeClosedLog(t, ENTRIES)
    tamper(path, (raw) =>
      raw.exec(
        'ALTER TABLE audit_segments RENAME TO real; CREATE VIEW audit_segments AS SELECT * FROM real',
      ),
    )
    await assert.rejects(verifyAuditFile(path, { keys: publicKeysOf(keys) }), {
      code: 'KOS_AUDIT_FILE',
    })
  })
})
