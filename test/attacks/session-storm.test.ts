/**
 * A genuine device opens session after session, as fast as it can, and drops each as soon as it stands;
 * then as many as it can at once. The node serves others meanwhile and keeps nothing of it.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isRefusal } from '../../src/foundation/base/index.ts'
import { CROWD, eventually, startFabric } from '../kit/fabric.ts'
import { startRogue } from '../kit/rogue.ts'

const STORM = 240
const AT_ONCE = 12
/** In tests, where everybody shares an address. */
const PER_DEVICE = CROWD.connectionsPerDevice ?? 0

test('sessions opened and dropped in a storm leave nothing behind', async (context) => {
  const fabric = await startFabric(context)
  const node = await fabric.addNode('camera-1')
  const rogue = await startRogue(context, fabric, { name: 'camera-2' })
  const { uri } = rogue.member.membership.principal
  const ofRogue = (): number =>
    [...node.running.sessions].filter(
      ({ authenticated }) => authenticated.peer.principal.uri === uri,
    ).length
  const others = node.running.sessions.size
  const stormed = (async (): Promise<number> => {
    let opened = 0
    for (let round = 0; round < STORM / AT_ONCE; round++) {
      const sessions = await Promise.allSettled(
        Array.from({ length: AT_ONCE }, () => rogue.dial(node)),
      )
      for (const one of sessions) {
        if (one.status === 'rejected') continue
        opened += 1
        one.value.session.close('storm')
      }
      assert.ok(ofRogue() <= PER_DEVICE)
    }
    return opened
  })()
  // An operator works all the while.
  const answers: string[] = []
  for (let n = 0; n < 3; n++) {
    answers.push((await fabric.kosctl(['exec', 'camera-1', 'calc', `${n}+1`])).out)
  }
  assert.deepEqual(answers, ['1\n', '2\n', '3\n'])
  assert.ok((await stormed) > STORM / 2)
  await eventually(() => ofRogue() === 0)
  await eventually(() => node.running.sessions.size === others)

  const held = await Promise.allSettled(
    Array.from({ length: 2 * PER_DEVICE }, () => rogue.dial(node)),
  )
  await eventually(() => ofRogue() === PER_DEVICE)
  const refused = held.filter(({ status }) => status === 'rejected')
  assert.equal(refused.length, PER_DEVICE)
  assert.equal((await fabric.kosctl(['exec', 'camera-1', 'calc', '2+2'])).out, '4\n')
  for (const one of held) if (one.status === 'fulfilled') one.value.session.close('over')
  await eventually(() => ofRogue() === 0)
  const again = await rogue.dial(node)
  assert.ok(!isRefusal(again))
})
