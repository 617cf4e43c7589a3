/** Nobody has an operator's credential any more: the root keys make another admin. */
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { systemRandom } from '../../../../src/foundation/base/index.ts'
import { openKeyStore } from '../../../../src/trust/keys/index.ts'
import { startFabric, type TestFabric } from '../../../kit/fabric.ts'
import { temporaryFolder } from '../../../kit/temporary.ts'

/** Starts the authority as `kosd authority --recover-operator NAME` does. */
async function recover(fabric: TestFabric, folder: string, name: string): Promise<void> {
  await fabric.stopAuthority()
  await fabric.startAuthority({ operator: { folder, name, isRecovery: true } })
}

test('a new admin takes over, and locks the lost one out', async (context) => {
  const fabric = await startFabric(context)
  const folder = join(temporaryFolder(context), 'config')
  await recover(fabric, folder, 'Ada 2')
  assert.equal(fabric.authority.operator, 'recovered')
  const devices = await fabric.kosctl(['devices'], { config: folder })
  assert.equal(devices.code, 0, devices.err)
  const lock = ['lock', 'olga', '--reason', 'credential lost']
  assert.equal((await fabric.kosctl(lock, { config: folder })).code, 0)
  assert.notEqual((await fabric.kosctl(['devices'])).code, 0)
  const audit = await fabric.kosctl(['audit', 'tail', '--count', '100', '--json'], {
    config: folder,
  })
  assert.match(audit.out, /operator\.recover/)
  assert.match(audit.out, /"outcome": ?"intent"[^]*operator\.recover|operator\.recover[^]*intent/)
  // The same folder again, asked for or not: there is nothing to recover.
  await fabric.stopAuthority()
  const again = { folder, name: 'ada-3', isRecovery: true }
  await assert.rejects(fabric.startAuthority({ operator: again }), {
    code: 'KOS_AUTHORITY_RECOVER',
    details: { rule: 'folder' },
  })
  await fabric.startAuthority({ operator: { folder, name: 'ada-2' } })
  assert.equal(fabric.authority.operator, 'present')
})

test('a name that anybody had is refused, also of one that was removed', async (context) => {
  const fabric = await startFabric(context)
  await fabric.addUsers({ otto: ['operator'] })
  assert.equal((await fabric.kosctl(['devices', 'remove', 'otto'])).code, 0)
  await fabric.addNode('camera-1')
  for (const name of ['olga', 'otto', 'camera-1']) {
    const folder = join(temporaryFolder(context), 'config')
    await assert.rejects(recover(fabric, folder, name), {
      code: 'KOS_AUTHORITY_RECOVER',
      details: { rule: 'name' },
    })
  }
  await fabric.startAuthority()
  assert.equal((await fabric.kosctl(['devices'])).code, 0, 'who is there goes on')
})

test('without the root keys nobody is recovered', async (context) => {
  const fabric = await startFabric(context)
  await fabric.stopAuthority()
  const keys = openKeyStore(
    { random: systemRandom },
    { directory: join(fabric.stateFolder, 'keys'), unlock: { kind: 'file' } },
  )
  for (const name of ['ca-root-p256', 'ca-root-ml-dsa-65']) keys.remove(name)
  keys.close()
  const folder = join(temporaryFolder(context), 'config')
  await assert.rejects(recover(fabric, folder, 'ada'), {
    code: 'KOS_AUTHORITY_RECOVER',
    details: { rule: 'root-keys' },
  })
})
