/**
 * A standby signer that was cut off before a lock, or that is in a thief's hands, vouches for the list
 * before it. Whoever holds the newer one does not step back, and what it says makes nothing young.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { signStandbyFreshness } from '../../src/trust/pki/index.ts'
import { principal } from '../kit/pki.ts'
import { createStandbyWorld } from '../kit/standby-world.ts'

test('an older list does not look new to who holds a newer one', async (context) => {
  const world = createStandbyWorld(context)
  const gate = world.member('gate-2', { floor: 'SEC-4', stands: true })
  const camera = world.member('camera-1', { floor: 'SEC-4' })
  world.permit([gate])
  await world.pass(10_000)
  const older = world.list
  gate.hasAuthority = false
  const thief = principal('agent', 'thief').uri
  world.lock({ principals: [thief] })
  await world.pass(10_000)
  world.lose()

  const key = gate.keys.require('standby').coseSigner()
  let handedOver = 0
  gate.answer = ({ nonce }, locks) => {
    if (locks) handedOver += 1
    return { signed: older.bytes, answer: signStandbyFreshness(older.object, nonce, key) }
  }
  await world.pass(40_000)
  assert.equal(camera.fabric.locks.isLocked(thief), true)
  assert.equal(camera.refusesPeerOf('SEC-4'), 'KOS_PKI_STALE')
  // It says that it has nothing newer: then it is given what is newer, and goes on about the old one.
  gate.answer = ({ nonce }, locks) => {
    if (!locks) return {}
    handedOver += 1
    return { answer: signStandbyFreshness(older.object, nonce, key) }
  }
  await world.pass(40_000)
  assert.ok(handedOver > 0)
  assert.equal(camera.refusesPeerOf('SEC-4'), 'KOS_PKI_STALE')

  // An honest one learns of the lock from the first that asks.
  gate.answer = undefined
  assert.equal(gate.fabric.locks.isLocked(thief), false)
  await world.pass(4000)
  assert.equal(gate.fabric.locks.isLocked(thief), true)
  assert.equal(camera.refusesPeerOf('SEC-4'), undefined)
})

test('the price: who was cut off with the standby believes it, and no longer than its limit', async (context) => {
  const world = createStandbyWorld(context)
  const gate = world.member('gate-2', { floor: 'SEC-4', stands: true })
  const camera = world.member('camera-1', { floor: 'SEC-4' })
  const limitMs = 600_000
  world.permit([gate], limitMs)
  await world.pass(10_000)
  world.lose()
  const thief = principal('agent', 'thief').uri
  world.lock({ principals: [thief] })
  await world.pass(limitMs - 20_000)
  assert.equal(camera.fabric.locks.isLocked(thief), false)
  assert.equal(camera.refusesPeerOf('SEC-4'), undefined)
  // Also when the standby does not keep to it.
  const key = gate.keys.require('standby').coseSigner()
  const held = gate.fabric.locks.current?.object
  assert.ok(held)
  gate.answer = ({ nonce }) => ({ answer: signStandbyFreshness(held, nonce, key) })
  await world.pass(60_000)
  assert.equal(camera.refusesPeerOf('SEC-4'), 'KOS_PKI_STALE')
})
