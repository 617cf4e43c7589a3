/** Who asks standby signers, when, and what each answers: on a clock that the test moves. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isRefusal } from '../../../../src/foundation/base/index.ts'
import { principal } from '../../../kit/pki.ts'
import { createStandbyWorld } from '../../../kit/standby-world.ts'

const MINUTE_MS = 60_000

for (const floor of ['SEC-3', 'SEC-4'] as const) {
  test(`${floor} goes on without the authority, and returns to it`, async (context) => {
    const world = createStandbyWorld(context)
    const gate = world.member('gate-2', { floor, stands: true })
    const camera = world.member('camera-1', { floor })
    world.permit([gate])
    await world.pass(MINUTE_MS)
    assert.deepEqual([gate.dialled, camera.freshBy], [0, []])

    world.lose()
    const ages: number[] = []
    for (let minute = 0; minute < 20; minute++) {
      await world.pass(MINUTE_MS)
      ages.push(camera.ageMs(), gate.ageMs())
      // Peers come in at both, also the first time.
      assert.equal(camera.refusesPeerOf(floor), undefined)
      assert.equal(gate.refusesPeerOf(floor), undefined)
    }
    assert.ok(Math.max(...ages) <= 12_000, String(Math.max(...ages)))
    assert.deepEqual([camera.freshBy, gate.freshBy], [[gate.uri], [gate.uri]])
    assert.deepEqual([gate.dialled, gate.open], [1, 1])

    // It comes back with a newer list.
    const thief = principal('agent', 'thief').uri
    world.lock({ principals: [thief] })
    camera.hasAuthority = true
    await world.pass(10_000)
    assert.deepEqual(camera.freshBy, [gate.uri, 'authority'])
    assert.equal(camera.fabric.locks.isLocked(thief), true)
    assert.equal(gate.open, 0)
  })

  test(`${floor} stops when the standby is cut off, too, and goes on when it is back`, async (context) => {
    const world = createStandbyWorld(context)
    const gate = world.member('gate-2', { floor, stands: true })
    const camera = world.member('camera-1', { floor })
    world.permit([gate])
    await world.pass(10_000)
    world.lose()
    await world.pass(10_000)
    gate.isCut = true
    await world.pass(11 * MINUTE_MS)
    assert.equal(camera.refusesPeerOf(floor), 'KOS_PKI_STALE')
    // It counts for itself all the same.
    assert.equal(gate.refusesPeerOf(floor), undefined)
    gate.isCut = false
    await world.pass(4000)
    assert.equal(camera.refusesPeerOf(floor), undefined)
    assert.equal(gate.dialled, 2)
  })
}

test('the limit ends it, for the standby as for everybody', async (context) => {
  const world = createStandbyWorld(context)
  const gate = world.member('gate-2', { floor: 'SEC-4', stands: true })
  const camera = world.member('camera-1', { floor: 'SEC-4' })
  world.permit([gate], 5 * MINUTE_MS)
  await world.pass(10_000)
  world.lose()
  await world.pass(5 * MINUTE_MS)
  assert.equal(camera.refusesPeerOf('SEC-4'), undefined)
  await world.pass(MINUTE_MS)
  assert.equal(camera.refusesPeerOf('SEC-4'), 'KOS_PKI_STALE')
  assert.equal(gate.refusesPeerOf('SEC-4'), 'KOS_PKI_STALE')
  assert.equal(gate.signer?.refusal()?.rule, 'standby/limit')
})

test('a newer list goes from whoever has it to a standby, to another one, and to all', async (context) => {
  const world = createStandbyWorld(context)
  const one = world.member('gate-1', { floor: 'SEC-3', stands: true })
  const two = world.member('gate-2', { floor: 'SEC-3', stands: true })
  const camera = world.member('camera-1', { floor: 'SEC-3' })
  const informed = world.member('camera-2', { floor: 'SEC-3' })
  world.permit([one, two])
  await world.pass(10_000)
  // Both standbys and one camera lose the authority before it locks somebody.
  for (const member of [one, two, camera]) member.hasAuthority = false
  informed.isCut = true
  const thief = principal('agent', 'thief').uri
  world.lock({ principals: [thief] })
  await world.pass(20_000)
  assert.equal(camera.fabric.locks.isLocked(thief), false)
  assert.equal(camera.refusesPeerOf('SEC-3'), undefined)

  world.lose()
  informed.isCut = false
  await world.pass(20_000)
  for (const member of [one, two, camera]) {
    assert.equal(member.fabric.locks.isLocked(thief), true, member.name)
    assert.equal(member.refusesPeerOf('SEC-3'), undefined)
  }
  assert.ok(informed.ageMs() <= 12_000)
})

test('one standby of two is enough', async (context) => {
  const world = createStandbyWorld(context)
  const one = world.member('gate-1', { floor: 'SEC-4', stands: true })
  const two = world.member('gate-2', { floor: 'SEC-4', stands: true })
  const camera = world.member('camera-1', { floor: 'SEC-4' })
  world.permit([one, two])
  await world.pass(10_000)
  world.lose()
  one.isCut = true
  await world.pass(MINUTE_MS)
  assert.equal(camera.refusesPeerOf('SEC-4'), undefined)
  one.isCut = false
  two.isCut = true
  await world.pass(MINUTE_MS)
  assert.equal(camera.refusesPeerOf('SEC-4'), undefined)
  assert.deepEqual(camera.fabric.locks.freshBy, one.uri)
})

test('who has no list, no permission or an older list answers nothing', async (context) => {
  const world = createStandbyWorld(context)
  const gate = world.member('gate-2', { floor: 'SEC-2', stands: true })
  const question = { held: { era: 1, number: 1 }, nonce: new Uint8Array(32) }
  const rule = (): string | undefined => {
    const said = gate.signer?.vouch(question)
    return said && isRefusal(said) ? said.rule : undefined
  }
  assert.equal(rule(), 'standby/not-permitted')
  assert.equal(gate.signer?.vouchForSelf()?.rule, 'standby/not-permitted')
  world.permit([gate])
  assert.equal(rule(), undefined)
  const newer = { ...question, held: { era: 1, number: 2 } }
  assert.deepEqual(gate.signer?.vouch(newer), {})
  const older = gate.signer?.vouch({ ...question, held: { era: 0, number: 0 } })
  assert.ok(older && !isRefusal(older))
  assert.deepEqual(Object.keys(older).toSorted(), ['answer', 'signed'])

  const empty = createStandbyWorld(context)
  empty.list = { ...empty.list, bytes: new Uint8Array(1) }
  const blank = empty.member('gate-3', { floor: 'SEC-2', stands: true })
  empty.permit([blank])
  assert.equal(blank.signer?.refusal()?.rule, 'freshness: no-list')
  assert.equal(blank.signer?.vouchForSelf()?.rule, 'freshness: no-list')
})

test('a standby that is locked by the list that it holds says nothing, and nobody listens', async (context) => {
  const world = createStandbyWorld(context)
  const gate = world.member('gate-2', { floor: 'SEC-4', stands: true })
  const camera = world.member('camera-1', { floor: 'SEC-4' })
  world.permit([gate])
  await world.pass(10_000)
  world.lock({ principals: [gate.uri] })
  world.lose()
  await world.pass(MINUTE_MS)
  assert.equal(gate.signer?.refusal()?.rule, 'standby')
  assert.equal(camera.refusesPeerOf('SEC-4'), 'KOS_PKI_STALE')
})

test('a standby that never answers does not hold up the others, and is let go with the authority', async (context) => {
  const world = createStandbyWorld(context)
  const silent = world.member('gate-1', { floor: 'SEC-4', stands: true })
  const gate = world.member('gate-2', { floor: 'SEC-4', stands: true })
  const camera = world.member('camera-1', { floor: 'SEC-4' })
  world.permit([silent, gate])
  await world.pass(10_000)
  world.lose()
  silent.isSilent = true
  await world.pass(5 * MINUTE_MS)
  assert.equal(camera.refusesPeerOf('SEC-4'), undefined)
  assert.equal(camera.fabric.locks.freshBy, gate.uri)
  // Both gates and the camera ask it.
  assert.equal(silent.dialled, 2)
})

test('a list that is too long to be handed over leaves the standby behind, and old', async (context) => {
  const world = createStandbyWorld(context)
  const gate = world.member('gate-2', { floor: 'SEC-4', stands: true })
  const camera = world.member('camera-1', { floor: 'SEC-4' })
  world.permit([gate])
  await world.pass(10_000)
  gate.hasAuthority = false
  const principals = Array.from({ length: 400 }, (_, n) => principal('agent', `thief-${n}`).uri)
  world.lock({ principals })
  await world.pass(10_000)
  world.lose()
  await world.pass(MINUTE_MS)
  assert.equal(camera.refusesPeerOf('SEC-4'), 'KOS_PKI_STALE')
  // It gets it otherwise, and goes on.
  gate.take(world.list.bytes)
  await world.pass(4000)
  assert.equal(camera.refusesPeerOf('SEC-4'), undefined)
})

test('nobody is asked whom the directory does not list, or no route leads to', async (context) => {
  const world = createStandbyWorld(context)
  const gate = world.member('gate-2', { floor: 'SEC-4', stands: true })
  world.permit([gate])
  const camera = world.member('camera-1', { floor: 'SEC-1' })
  await world.pass(10_000)
  world.lose()
  await world.pass(20_000)
  assert.deepEqual([gate.dialled, camera.freshBy], [0, []])
  const far = createStandbyWorld(context)
  const unlisted = far.member('gate-2', { floor: 'SEC-4', stands: true })
  const lone = far.member('camera-1', { floor: 'SEC-4', isUnlisting: true })
  far.permit([unlisted])
  await far.pass(10_000)
  far.lose()
  await far.pass(MINUTE_MS)
  assert.equal(lone.refusesPeerOf('SEC-4'), 'KOS_PKI_STALE')
})
