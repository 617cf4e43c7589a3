import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { generateKeyPairSync } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import type { Log } from '../../../../src/foundation/base/index.ts'
import { verifyAuditFile } from '../../../../src/trust/audit/index.ts'
import {
  logKeyOf,
  makeClosedLog,
  makeLogKeys,
  openTestLog,
  publicKeysOf,
  tamper,
  testEvent,
} from '../../../kit/audit.ts'
import { temporaryFolder } from '../../../kit/temporary.ts'

describe('taking up a log', () => {
  it('seals what a crash left unsealed', async (t) => {
    const first = await openTestLog(t)
    await first.audit.append(testEvent())
    await first.audit.flush()
    await first.audit.append(testEvent())
    await first.audit.append(testEvent())
    first.crash()
    const keys = publicKeysOf(first.keys)
    const found = await verifyAuditFile(first.path, { keys })
    assert.deepEqual([found.ok, found.entries, found.unsealed], [true, 3, 2])
    const again = await openTestLog(t, { folder: first.folder, keys: first.keys })
    assert.equal(again.audit.size, 3)
    const sealed = await again.audit.verify()
    assert.deepEqual([sealed.ok, sealed.entries, sealed.unsealed], [true, 3, 0])
    assert.deepEqual(await again.audit.append(testEvent()), { index: 3 })
  })

  it('rebuilds the tree from leaf hashes when the stored edge is damaged', async (t) => {
    const { folder, keys, path } = await makeClosedLog(t, 1500)
    tamper(path, (raw) => raw.exec("UPDATE audit_checkpoints SET frontier = x'00'"))
    const { audit } = await openTestLog(t, { folder, keys })
    assert.equal(audit.size, 1500)
    await audit.append(testEvent())
    assert.ok((await audit.verify()).ok)
  })

  it('goes on without a checkpoint only when there never was one', async (t) => {
    const { folder, keys, path } = await makeClosedLog(t, 3)
    tamper(path, (raw) => raw.exec('DELETE FROM audit_checkpoints'))
    // A reader of the file reports it; the daemon cannot tell it from a first second.
    const result = await verifyAuditFile(path, { keys: publicKeysOf(keys) })
    assert.equal(result.firstBad?.reason, 'checkpoint-missing')
    const { audit } = await openTestLog(t, { folder, keys })
    assert.equal(audit.size, 3)
  })

  const cases: readonly (readonly [rule: string, sql: string])[] = [
    ['truncated', 'DELETE FROM audit_entries WHERE idx >= 5'],
    [
      'checkpoint: Ed25519',
      "UPDATE audit_checkpoints SET note = replace(note, char(10) || '8' || char(10), char(10) || '9' || char(10))",
    ],
    ['checkpoint: blank line', "UPDATE audit_checkpoints SET note = ''"],
    ['checkpoint: size', 'UPDATE audit_checkpoints SET size = 7 WHERE size = 8'],
  ]
  for (const [rule, sql] of cases) {
    it(`refuses a log that is not its own any more: ${rule}`, async (t) => {
      const events: string[] = []
      const log: Log = { event: (name) => void events.push(name) }
      const { folder, keys, path } = await makeClosedLog(t, 8)
      tamper(path, (raw) => raw.exec(sql))
      const index = rule === 'truncated' ? 5 : rule === 'checkpoint: size' ? 7 : 8
      await assert.rejects(openTestLog(t, { folder, keys, log }), {
        code: 'KOS_AUDIT_TAMPERED',
        details: { rule, index },
      })
      assert.ok(events.includes('audit.tampered'))
    })
  }

  it('refuses leaf hashes that do not give the signed root', async (t) => {
    const { folder, keys, path } = await makeClosedLog(t, 8)
    const wrong = (sql: string): Promise<void> => {
      tamper(path, (raw) => raw.exec(`UPDATE audit_checkpoints SET frontier = x'00'; ${sql}`))
      return assert.rejects(openTestLog(t, { folder, keys }), { code: 'KOS_AUDIT_TAMPERED' })
    }
    await wrong('UPDATE audit_entries SET leaf_hash = zeroblob(32) WHERE idx = 2')
    await wrong('DELETE FROM audit_entries WHERE idx = 2')
  })

  it('refuses changed entries behind the last checkpoint', async (t) => {
    for (const [rule, sql] of [
      ['edited', "UPDATE audit_entries SET entry = x'00' WHERE idx = 1"],
      ['missing', 'DELETE FROM audit_entries WHERE idx = 1'],
      [
        'misplaced',
        'UPDATE audit_entries SET (leaf_hash, entry) = (SELECT leaf_hash, entry FROM audit_entries WHERE idx = 2) WHERE idx = 1',
      ],
    ] as const) {
      const first = await openTestLog(t)
      for (let index = 0; index < 3; index += 1) await first.audit.append(testEvent())
      // In the tables, as reading leaves them.
      await first.audit.entries(0, 1)
      first.crash()
      tamper(first.path, (raw) => raw.exec(sql))
      await assert.rejects(openTestLog(t, { folder: first.folder, keys: first.keys }), {
        code: 'KOS_AUDIT_TAMPERED',
        details: { rule, index: 1 },
      })
    }
  })

  it('refuses a log of other keys', async (t) => {
    const { folder } = await makeClosedLog(t, 2)
    await assert.rejects(openTestLog(t, { folder, keys: makeLogKeys() }), {
      code: 'KOS_AUDIT_TAMPERED',
      details: { rule: 'checkpoint: Ed25519', index: 2 },
    })
  })

  it('has every acknowledged entry after the process was killed', async (t) => {
    const folder = temporaryFolder(t)
    const privateKeys = {
      ed25519: generateKeyPairSync('ed25519').privateKey,
      mlDsa44: generateKeyPairSync('ml-dsa-44').privateKey,
    }
    for (const [name, key] of Object.entries(privateKeys)) {
      writeFileSync(join(folder, `${name}.pem`), key.export({ type: 'pkcs8', format: 'pem' }))
    }
    const program = fileURLToPath(import.meta.resolve('../../../kit/audit-writer.ts'))
    const child = spawn(process.execPath, [program, folder], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    const exited = once(child, 'exit')
    let acknowledged = -1
    for await (const line of createInterface({ input: child.stdout })) {
      acknowledged = Number(line)
      if (acknowledged >= 300) child.kill('SIGKILL')
    }
    await exited
    const keys = {
      ed25519: logKeyOf('Ed25519', privateKeys.ed25519),
      mlDsa44: logKeyOf('ML-DSA-44', privateKeys.mlDsa44),
    }
    // What the dead process left is readable without taking it up.
    const left = await verifyAuditFile(join(folder, 'audit.db'), { keys: publicKeysOf(keys) })
    assert.ok(left.ok && left.entries > acknowledged)
    const { audit } = await openTestLog(t, { folder, keys })
    assert.ok(acknowledged >= 300 && audit.size > acknowledged)
    const result = await audit.verify()
    assert.deepEqual([result.ok, result.unsealed], [true, 0])
  })
})
