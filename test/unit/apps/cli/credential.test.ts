/** Operators' credentials live 30 days and are renewed by being used. */
import assert from 'node:assert/strict'
import { existsSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { startFabric } from '../../../kit/fabric.ts'
import { heldGeneration } from '../../../kit/operators.ts'

const DAY_MS = 86_400_000

test('in the first part of its life a credential stays as it is', async (context) => {
  const fabric = await startFabric(context)
  fabric.clock.advance(13 * DAY_MS)
  assert.equal((await fabric.kosctl(['devices'])).code, 0)
  assert.equal(heldGeneration(fabric), 1)
})

test('past half of its life it is renewed by a command, which says nothing of it', async (context) => {
  const fabric = await startFabric(context)
  fabric.clock.advance(17 * DAY_MS)
  const { code, err } = await fabric.kosctl(['devices'])
  assert.deepEqual([code, err], [0, ''])
  assert.equal(heldGeneration(fabric), 2)
  assert.ok(!existsSync(join(fabric.operator, 'renewal.lock')))
  // Once is enough, and the new one is good for 30 days.
  await fabric.kosctl(['devices'])
  assert.equal(heldGeneration(fabric), 2)
  const doctor = await fabric.kosctl(['doctor'])
  assert.match(doctor.out, /certificate ends in 30 d/)
  fabric.clock.advance(17 * DAY_MS)
  await fabric.kosctl(['token', 'list'])
  assert.equal(heldGeneration(fabric), 3)
})

test('a call to a peer renews too; a node’s credential is its daemon’s', async (context) => {
  const fabric = await startFabric(context)
  const node = await fabric.addNode('camera-1')
  await node.running.stop()
  fabric.clock.advance(17 * DAY_MS)
  const again = await node.restart()
  assert.equal(again.running.member.membership.generation, 2)
  const exec = ['exec', 'camera-1', 'calc', '1']
  fabric.clock.advance(60_000)
  await fabric.kosctl([...exec, '--identity', node.folder])
  assert.equal(heldGeneration(fabric), 1)
  assert.deepEqual(await fabric.kosctl(exec), { code: 0, out: '1\n', err: '' })
  assert.equal(heldGeneration(fabric), 2)
})

test('an authority that is away does not disturb a call', async (context) => {
  const fabric = await startFabric(context)
  await fabric.addNode('camera-1')
  await fabric.kosctl(['exec', 'camera-1', 'calc', '1'])
  await fabric.stopAuthority()
  // Within the life of the node's certificate: half of the operator's is not reached by then.
  fabric.clock.advance(60_000)
  assert.equal((await fabric.kosctl(['exec', 'camera-1', 'calc', '1'])).err, '')
})

test('commands at the same time renew once', async (context) => {
  const fabric = await startFabric(context)
  fabric.clock.advance(17 * DAY_MS)
  const ran = await Promise.all(Array.from({ length: 6 }, () => fabric.kosctl(['devices'])))
  assert.deepEqual(
    ran.map(({ code, err }) => [code, err]),
    ran.map(() => [0, '']),
  )
  assert.equal(heldGeneration(fabric), 2)
  // Nobody was taken for a copy.
  assert.equal((await fabric.kosctl(['devices'])).code, 0)
})

test('a lock that was left behind holds nobody up for long', async (context) => {
  const fabric = await startFabric(context)
  fabric.clock.advance(17 * DAY_MS)
  const lock = join(fabric.operator, 'renewal.lock')
  writeFileSync(lock, '')
  const now = fabric.clock.wallMs() / 1000
  utimesSync(lock, now, now)
  await fabric.kosctl(['devices'])
  assert.equal(heldGeneration(fabric), 1)
  utimesSync(lock, now - 61, now - 61)
  // The first command clears it away, the next one renews.
  await fabric.kosctl(['devices'])
  assert.equal(heldGeneration(fabric), 1)
  await fabric.kosctl(['devices'])
  assert.equal(heldGeneration(fabric), 2)
})

test('an ended credential is renewed before the command, within its grace', async (context) => {
  const fabric = await startFabric(context)
  fabric.clock.advance(31 * DAY_MS)
  assert.equal((await fabric.kosctl(['devices'])).code, 0)
  assert.equal(heldGeneration(fabric), 2)
  fabric.clock.advance(61 * DAY_MS)
  const late = await fabric.kosctl(['devices'])
  assert.equal(late.code, 3)
  assert.match(late.err, /code {2}KOS_ENROLMENT_EXPIRED/)
  assert.equal(heldGeneration(fabric), 2)
})

test('an ended credential without the authority says what is wrong', async (context) => {
  const fabric = await startFabric(context)
  await fabric.stopAuthority()
  fabric.clock.advance(31 * DAY_MS)
  const ran = await fabric.kosctl(['devices'])
  assert.equal(ran.code, 4)
  assert.match(ran.err, /The authority cannot be reached/)
})
