/** The lock list itself travels to members, at every change and every heartbeat. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { CallRequest } from '../../../../src/foundation/pipeline/index.ts'
import { FABRIC } from '../../../../src/apps/node/index.ts'
import { eventually, startFabric } from '../../../kit/fabric.ts'
import { startRogue } from '../../../kit/rogue.ts'

interface Notice {
  readonly kinds: readonly string[]
  readonly locks?: Uint8Array
}

test('a change and a heartbeat bring the signed list along', async (context) => {
  const fabric = await startFabric(context)
  const notices: Notice[] = []
  const { member } = await startRogue(context, fabric, {
    name: 'watcher',
    onCall: ({ command, arguments: given }: CallRequest) => {
      if (command === FABRIC.notice) notices.push(given as Notice)
      return { status: 'ok', value: {} }
    },
  })
  const camera = await fabric.addNode('camera-1')
  const { uri } = camera.running.member.membership.principal
  await fabric.kosctl(['devices', 'remove', 'camera-1'])
  const pushed = (): Uint8Array | undefined => notices.findLast(({ locks }) => locks)?.locks
  await eventually(() => pushed() !== undefined, 'a pushed list')
  assert.equal(member.fabric.apply('locks', pushed() ?? new Uint8Array()), 'newer')
  assert.equal(member.fabric.locks.isLocked(uri), true)

  const before = member.fabric.locks.current?.object.issuedAt ?? 0
  notices.length = 0
  fabric.clock.advance(10_000)
  await eventually(() => pushed() !== undefined, 'a heartbeat')
  assert.equal(member.fabric.apply('locks', pushed() ?? new Uint8Array()), 'same')
  assert.ok((member.fabric.locks.current?.object.issuedAt ?? 0) > before)
})
