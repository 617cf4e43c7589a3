/**
 * Scenario: the disk of authority and node is full. What must be recorded is refused with one clear
 * sentence, what only reads goes on as the profile allows, and with free space all is well again.
 */
import assert from 'node:assert/strict'
import { closeSync, openSync, rmSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { verifyNodeLog } from '../kit/log-files.ts'
import { type Finished, mountRefusal, Place } from '../kit/processes.ts'

const DISK_BYTES = 16 * 1024 * 1024
const skip = mountRefusal()

/** Fills the disk to the last byte. */
function fill(place: Place): () => void {
  const path = join(place.stateFolder, 'filler')
  const descriptor = openSync(path, 'w')
  for (let bytes = 1024 * 1024; bytes > 0;) {
    try {
      writeSync(descriptor, Buffer.alloc(bytes))
    } catch {
      bytes = Math.floor(bytes / 2)
    }
  }
  closeSync(descriptor)
  return () => rmSync(path)
}

/** A "no" that names the disk, and no stack trace. */
function assertDiskRefusal({ code, out, err }: Finished): void {
  assert.notEqual(code, 0, out + err)
  assert.match(err, /disk/i)
  assert.doesNotMatch(err, /\bat \S+ \(|SQLITE|ENOSPC/)
}

test('a full disk stops changes, not the fabric', { skip }, async (context) => {
  const place = new Place(context, { diskBytes: DISK_BYTES })
  const authority = await place.startAuthority()
  const node = await place.join('camera-1')
  assert.equal(await place.done('exec', 'camera-1', 'calc', '1+2'), '3\n')
  const line = await place.joinLine('camera-2')
  await place.verifyAudit()

  const free = fill(place)
  // The first changes may still fit into what the database has reserved.
  let token: Finished | undefined
  let count = 0
  await place.eventually('tokens are refused', async () => {
    token = await place.kosctl(['token', 'create', '--name', `token-${count++}`])
    return token.code !== 0
  })
  assert.ok(token)
  assertDiskRefusal(token)
  assertDiskRefusal(await place.kosctl(['devices', 'rename', 'camera-1', 'camera-9']))
  assertDiskRefusal(await place.kosctl(['devices', 'remove', 'camera-1']))
  const joining = place.launchNode('camera-2', { line })
  const { code } = await joining.ended
  assertDiskRefusal({ code, out: joining.out, err: joining.err })
  // SEC-2 goes on with what only reads.
  assert.deepEqual(
    (await place.devices()).map(({ name }) => name).filter((name) => name.startsWith('camera')),
    ['camera-1'],
  )
  assert.equal(await place.done('exec', 'camera-1', 'calc', '2+3'), '5\n')
  await place.eventually('the node says that its log takes nothing', async () => {
    const status = await place.done('exec', 'camera-1', 'system.status')
    return status.includes('"auditHealthy": false')
  })
  assert.ok(authority.isRunning && node.isRunning)

  free()
  await place.eventually('the node records again', async () => {
    const status = await place.done('exec', 'camera-1', 'system.status')
    return status.includes('"auditHealthy": true')
  })
  await place.eventually('changes are taken again', async () => {
    const { code } = await place.kosctl(['devices', 'rename', 'camera-1', 'camera-9'])
    return code === 0
  })
  // The join line still holds, from the folder that could not be written.
  await place.startNode('camera-2', { line })
  await place.connected('camera-2')
  assert.ok((await place.devices()).some(({ name, connected }) => name === 'camera-9' && connected))
  const actions = (await place.audit()).map(({ action }) => action)
  assert.ok(actions.includes('audit.resume'))
  await place.verifyAudit()
  await node.stop()
  assert.equal((await verifyNodeLog(place.stateOf('camera-1'))).ok, true)
})
