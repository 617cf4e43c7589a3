/**
 * A thief has the key of a standby signer and signs with it what only the authority signs: a lock list
 * that locks or unlocks somebody, a directory, a manifest, the authority's own answer. None of it counts.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isRefusal } from '../../src/foundation/base/index.ts'
import {
  EMPTY_LOCK_LIST,
  encodeDirectory,
  encodeLockList,
  signLockFreshness,
  signNumbered,
} from '../../src/trust/pki/index.ts'
import { principal } from '../kit/pki.ts'
import { createStandbyWorld } from '../kit/standby-world.ts'

test('a standby’s key signs no object of the fabric', async (context) => {
  const world = createStandbyWorld(context)
  const gate = world.member('gate-2', { floor: 'SEC-4', stands: true })
  const camera = world.member('camera-1', { floor: 'SEC-4' })
  world.permit([gate])
  const thief = principal('agent', 'thief').uri
  world.lock({ principals: [thief] })
  await world.pass(10_000)
  world.lose()
  const { object } = world.list
  const stolen = gate.keys.require('standby').coseSigner()
  const place = { era: object.era, number: object.number + 1, previous: object.hash }
  const fields = { ...place, issuedAt: object.issuedAt }
  const unlocking = encodeLockList(EMPTY_LOCK_LIST)
  const locking = encodeLockList({ ...EMPTY_LOCK_LIST, principals: [camera.uri] })
  const forged = [
    ['locks', signNumbered('lock-list', { ...fields, body: unlocking }, stolen)],
    ['locks', signNumbered('lock-list', { ...fields, body: locking }, stolen)],
    ['directory', signNumbered('directory', { ...fields, body: encodeDirectory([]) }, stolen)],
    ['manifest', signNumbered('manifest', { ...fields, body: {} }, stolen)],
  ] as const
  for (const [kind, bytes] of forged) {
    const applied = camera.fabric.apply(kind, bytes)
    assert.ok(isRefusal(applied))
    assert.deepEqual([applied.code, applied.rule], ['KOS_PKI_OBJECT', 'key id'])
  }
  const nonce = new Uint8Array(32).fill(1)
  const question = { nonce, askedAt: world.authority.clock.monotonicMs() }
  const asAuthority = camera.fabric.locks.confirm(
    signLockFreshness(object, nonce, stolen),
    question,
  )
  assert.equal(asAuthority?.rule, 'freshness: key id')

  // Handed on with a genuine answer: the list is refused, and with it the answer.
  gate.answer = (asked) => {
    const honest = gate.signer?.vouch(asked)
    assert.ok(honest && !isRefusal(honest))
    return { ...honest, signed: forged[0][1] }
  }
  await world.pass(40_000)
  assert.equal(camera.fabric.locks.isLocked(thief), true)
  assert.equal(camera.refusesPeerOf('SEC-4'), 'KOS_PKI_STALE')
  gate.answer = undefined
  await world.pass(4000)
  assert.equal(camera.refusesPeerOf('SEC-4'), undefined)
})
