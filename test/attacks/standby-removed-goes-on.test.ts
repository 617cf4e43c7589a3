/**
 * A standby signer that was taken back, or locked, goes on answering. Whoever heard of that does not
 * believe it any more, and what it said before does not count either.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { signStandbyFreshness } from '../../src/trust/pki/index.ts'
import { createStandbyWorld, type StandbyWorld, type WorldMember } from '../kit/standby-world.ts'

interface Scene {
  readonly world: StandbyWorld
  readonly gate: WorldMember
  readonly camera: WorldMember
}

/** A camera that lives by the word of a standby, which then signs for any list that is held. */
async function scene(context: Parameters<typeof createStandbyWorld>[0]): Promise<Scene> {
  const world = createStandbyWorld(context)
  const gate = world.member('gate-2', { floor: 'SEC-4', stands: true })
  const camera = world.member('camera-1', { floor: 'SEC-4' })
  world.permit([gate])
  await world.pass(10_000)
  world.lose()
  await world.pass(60_000)
  assert.equal(camera.fabric.locks.freshBy, gate.uri)
  const key = gate.keys.require('standby').coseSigner()
  gate.answer = ({ nonce }) => {
    const held = camera.fabric.locks.current?.object
    assert.ok(held)
    return { answer: signStandbyFreshness(held, nonce, key) }
  }
  return { world, gate, camera }
}

test('taken back: the next bundle ends it', async (context) => {
  const { world, gate, camera } = await scene(context)
  world.permit([])
  assert.equal(camera.fabric.apply('bundle', world.authority.ca.bundle), 'newer')
  assert.equal(camera.refusesPeerOf('SEC-4'), 'KOS_PKI_STALE')
  assert.equal(gate.fabric.apply('bundle', world.authority.ca.bundle), 'newer')
  assert.equal(gate.signer?.refusal()?.rule, 'standby/not-permitted')
  await world.pass(60_000)
  assert.equal(camera.refusesPeerOf('SEC-4'), 'KOS_PKI_STALE')
})

test('locked: the list ends it, without any new bundle', async (context) => {
  const { world, gate, camera } = await scene(context)
  world.lock({ principals: [gate.uri] })
  assert.equal(camera.take(world.list.bytes), 'newer')
  assert.equal(camera.refusesPeerOf('SEC-4'), 'KOS_PKI_STALE')
  await world.pass(60_000)
  assert.equal(camera.refusesPeerOf('SEC-4'), 'KOS_PKI_STALE')
})

test('another key: the one before is none any more', async (context) => {
  const { world, gate, camera } = await scene(context)
  const other = gate.keys.create('standby-2', 'freshness', 'P-256')
  world.authority.ca.setStandbys([{ principal: gate.uri, spki: other.spki, maxMs: 3_600_000 }])
  camera.fabric.apply('bundle', world.authority.ca.bundle)
  assert.equal(camera.refusesPeerOf('SEC-4'), 'KOS_PKI_STALE')
  await world.pass(60_000)
  assert.equal(camera.refusesPeerOf('SEC-4'), 'KOS_PKI_STALE')
})
