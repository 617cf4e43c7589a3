/** `kosctl backup`: as a person types it. */
import assert from 'node:assert/strict'
import { existsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { Secret } from '../../../../src/foundation/base/index.ts'
import { readLastBackup, writeLastBackup } from '../../../../src/apps/authority/last-backup.ts'
import { startFabric } from '../../../kit/fabric.ts'
import { DAY_MS } from '../../../kit/pki.ts'

test('a backup is made, shown and brought back', async (context) => {
  const fabric = await startFabric(context)
  const file = join(fabric.folder, 'kos.backup')
  const secret = join(fabric.folder, 'passphrase')
  writeFileSync(secret, 'correct horse\n', { mode: 0o600 })
  const by = ['--passphrase-file', secret]
  const state = ['--state', fabric.stateFolder]
  const backup = (...words: readonly string[]): ReturnType<typeof fabric.kosctl> =>
    fabric.kosctl(['backup', ...words])

  // Nobody to ask, and two that differ: nothing is made.
  const unasked = await backup('create', file, ...state)
  assert.equal(unasked.code, 2)
  assert.match(unasked.err, /no terminal to ask on: use --passphrase-file FILE/)
  const typed = ['correct horse', 'wrong horse']
  const differ = await fabric.kosctl(['backup', 'create', file, ...state], {
    prompt: () => Secret.take(Buffer.from(typed.shift() ?? '')),
  })
  assert.match(differ.err, /the two passphrases differ/)
  assert.ok(!existsSync(file))
  const doctor = async (): Promise<string> => (await fabric.kosctl(['doctor'])).out
  assert.match(await doctor(), /warning +backup +none was made/)

  const made = await backup('create', file, ...state, ...by)
  assert.equal(made.code, 0, made.err)
  assert.match(
    made.out,
    /^backed up {2}\S+\nfile +\S+kos\.backup\nsize +[\d.]+ [kM]B\nmade .* ago\n.*principals +user 1\n/s,
  )
  assert.match(await doctor(), /ok +backup +made 0 h ago/)
  const last = readLastBackup(fabric.stateFolder)
  assert.ok(last)
  writeLastBackup(fabric.stateFolder, { ...last, at: last.at - 8 * DAY_MS })
  assert.match(await doctor(), /warning +backup +the newest was made 8 d ago/)
  const again = await backup('create', file, ...state, ...by)
  assert.deepEqual([again.code, /KOS_AUTHORITY_BACKUP/.test(again.err)], [1, true])

  const shown = await backup('show', file, ...by, '--json')
  const { trustDomain, principals } = JSON.parse(shown.out) as Record<string, unknown>
  assert.deepEqual([trustDomain, principals], ['kos.internal', { user: 1 }])
  const back = join(fabric.folder, 'back')
  const restored = await backup('restore', file, '--state', back, ...by)
  assert.equal(restored.code, 0, restored.err)
  assert.match(restored.out, /audit log +\d+ entries, verified\nroot keys +in the backup\n/)
  assert.match(restored.out, /\nnext {2}kosd authority --state \S+back\n$/)
  const taken = await backup('restore', file, '--state', back, ...by)
  assert.match(taken.err, /rule +folder/)
})
