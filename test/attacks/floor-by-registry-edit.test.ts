/** Somebody edits the registry's file, triggers removed, to lower a profile before the next renewal. */
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { test } from 'node:test'
import { startFabric } from '../kit/fabric.ts'
import { raiseNode, testAppraiser } from '../kit/raised.ts'

test('what was signed and what lies beside the key store outweigh the registry', async (context) => {
  const fabric = await startFabric(context, { authority: { evidence: testAppraiser } })
  const { refusal } = await raiseNode(context, fabric, await fabric.addNode('camera-1'))
  assert.equal(refusal, undefined)
  await fabric.stopAuthority()
  const edits = [
    `UPDATE principal SET profile = 'SEC-2' WHERE name = 'camera-1'`,
    // Also without the signed lock list and directory: the memory of floors is left.
    `UPDATE principal SET profile = 'SEC-2' WHERE name = 'camera-1';
     DELETE FROM signed_object WHERE kind <> 'manifest'`,
  ]
  for (const edit of edits) {
    const database = new DatabaseSync(join(fabric.stateFolder, 'authority.sqlite'))
    assert.throws(() => database.exec(edit), /never goes down/)
    const trigger = database
      .prepare(`SELECT sql FROM sqlite_schema WHERE name = 'principal_floor'`)
      .get()?.['sql']
    database.exec('DROP TRIGGER principal_floor')
    database.exec(edit)
    database.exec(String(trigger))
    database.close()
    await fabric.startAuthority()
    assert.match(fabric.authority.warnings.join('\n'), /lower profile for camera-1/)
    const shown = await fabric.kosctl(['devices', 'show', 'camera-1'])
    assert.match(shown.out, /kOS-SEC-3/)
    const audit = await fabric.kosctl(['audit', 'tail', '--json'])
    assert.match(audit.out, /floor\/registry-lowered/)
    await fabric.stopAuthority()
  }
})
