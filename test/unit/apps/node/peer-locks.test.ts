/** Locks reach a node without its authority from a peer that heard of them; nothing older or forged does. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { silentLog, systemRandom } from '../../../../src/foundation/base/index.ts'
import {
  closeAuthorityState,
  openAuthorityState,
} from '../../../../src/apps/authority/authority-state.ts'
import { createPublisher } from '../../../../src/apps/authority/publisher.ts'
import { locksAfter } from '../../../../src/apps/node/peer-locks.ts'
import { eventually, startFabric, type TestFabric } from '../../../kit/fabric.ts'
import { startRogue } from '../../../kit/rogue.ts'

/** The list that the authority signs next, as a peer has it and the node has not. */
async function lockAside(fabric: TestFabric, name: string): Promise<Uint8Array> {
  const deps = { clock: fabric.clock, random: systemRandom, log: silentLog }
  const trustDomain = fabric.nodes[0]?.running.member.membership.principal.trustDomain
  assert.ok(trustDomain)
  const state = await openAuthorityState(deps, { folder: fabric.stateFolder, trustDomain })
  try {
    const { ca, registry, principal, identity } = state
    const publisher = createPublisher(
      { ...deps, ca, registry, onPublished: () => undefined },
      {
        uri: principal.uri,
        name: 'authority',
        addresses: [],
        identityKeyHash: identity.keyId,
        profile: 'SEC-2',
        roles: [],
        groups: [],
        labels: {},
      },
    )
    const record = registry.principalNamed(name)
    assert.ok(record)
    publisher.lockPrincipal(record)
    return publisher.locks()
  } finally {
    await closeAuthorityState(state)
  }
}

test('a node without its authority gets the newer list from a peer, and only a genuine one', async (context) => {
  const fabric = await startFabric(context)
  const node = await fabric.addNode('camera-1')
  const { member, link } = node.running
  let offered: Uint8Array = new Uint8Array(10)
  let asked = 0
  const peer = await startRogue(context, fabric, {
    name: 'peer',
    onCall: ({ command }) => {
      if (command !== 'fabric.peer.locks') return { status: 'ok', value: {} }
      asked += 1
      return { status: 'ok', value: { signed: offered } }
    },
  })
  const thief = await startRogue(context, fabric, { name: 'thief' })
  const { uri } = thief.member.membership.principal
  // While the authority is there, nobody else is asked.
  await peer.dial(node)
  assert.equal(asked, 0)
  await fabric.stopAuthority()
  await eventually(() => !link.isConnected, 'no authority')
  const open = await thief.dial(node)
  const old = member.fabric.locks.current
  assert.ok(old)
  assert.equal(locksAfter(member.fabric.locks, old.object), undefined)
  assert.equal(locksAfter(member.fabric.locks, { era: 1, number: 0 }), old.signed)

  // Something that is no list: refused, recorded, and the held list stays.
  await peer.dial(node)
  await eventually(() => asked === 1, 'a first question')
  assert.equal(member.fabric.locks.current, old)

  offered = await lockAside(fabric, 'thief')
  await peer.dial(node)
  await eventually(() => member.fabric.locks.isLocked(uri), 'the lock, from a peer')
  await open.session.closed

  // Now it is the older one that comes.
  offered = old.signed
  await peer.dial(node)
  await eventually(() => asked === 3, 'a third question')
  assert.equal(member.fabric.locks.isLocked(uri), true)
})
