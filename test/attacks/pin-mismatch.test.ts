/** From SEC-3 up a good certificate is not enough: the directory has to name its identity key and floor. */
import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import { isRefusal, type Refusal } from '../../src/foundation/base/index.ts'
import type { OpenSession } from '../../src/apps/node/index.ts'
import type { DirectoryEntryInput } from '../../src/trust/pki/index.ts'
import { createProfiledPeers, type ProfiledPeer } from '../kit/profiled-peers.ts'

type Change = (entry: DirectoryEntryInput) => readonly DirectoryEntryInput[]
const asItIs: Change = (entry) => [entry]

const lies: Readonly<Record<string, Change>> = {
  'pin: not listed': () => [],
  'pin: identity key': (entry) => [{ ...entry, identityKeyHash: new Uint8Array(32).fill(7) }],
  'pin: profile': (entry) => [{ ...entry, profile: 'SEC-2' }],
}

interface Ends {
  readonly near: ProfiledPeer
  readonly far: ProfiledPeer
  readonly met: OpenSession | Refusal
}

/** Dials at SEC-3; each end has its own idea of the other in its directory. */
async function dial(
  context: TestContext,
  says: { readonly ofFar?: Change; readonly ofNear?: Change },
): Promise<Ends> {
  const peers = createProfiledPeers(context)
  const near = peers.peer('near', { floor: 'SEC-3' })
  const far = peers.peer('far', { floor: 'SEC-3' })
  peers.publish([near.entry, ...(says.ofFar ?? asItIs)(far.entry)], [near])
  peers.publish([far.entry, ...(says.ofNear ?? asItIs)(near.entry)], [far])
  const at = await far.listen('SEC-3')
  return { near, far, met: await near.runtime.dial(at, far.principal.uri) }
}

test('both ends named as they are: a session, hybrid and pinned', async (context) => {
  const { near, far, met } = await dial(context, {})
  assert.ok(!isRefusal(met))
  assert.equal(met.authenticated.connected.connection.listener.name, 'SEC-3')
  assert.equal(near.runtime.sessions.size, 1)
  assert.equal(far.runtime.sessions.size, 1)
})

for (const [rule, change] of Object.entries(lies)) {
  test(`the dialler finds ${rule}`, async (context) => {
    const { far, met } = await dial(context, { ofFar: change })
    assert.ok(isRefusal(met))
    assert.equal(`${met.code} ${met.rule}`, `KOS_TRANSPORT_PIN ${rule}`)
    assert.equal(far.runtime.sessions.size, 0)
  })

  test(`the listener finds ${rule}`, async (context) => {
    const { far, met } = await dial(context, { ofNear: change })
    // A stranger is not told why; its TLS was over before the listener judged it.
    assert.ok(isRefusal(met))
    assert.notEqual(met.code, 'KOS_TRANSPORT_PIN')
    assert.equal(far.runtime.sessions.size, 0)
  })
}

test('a pin that no longer holds ends the session that is open', async (context) => {
  const peers = createProfiledPeers(context)
  const near = peers.peer('near', { floor: 'SEC-3' })
  const far = peers.peer('far', { floor: 'SEC-3' })
  peers.publish([near.entry, far.entry], [near, far])
  const met = await near.runtime.dial(await far.listen('SEC-3'), far.principal.uri)
  assert.ok(!isRefusal(met))
  peers.publish([far.entry], [far])
  assert.equal(far.runtime.recheckSessions(), 1)
  await met.session.closed
  assert.equal(far.runtime.sessions.size, 0)
})

test('below SEC-3 there are no pins', async (context) => {
  const peers = createProfiledPeers(context)
  const near = peers.peer('near', { floor: 'SEC-2' })
  const far = peers.peer('far', { floor: 'SEC-2' })
  const met = await near.runtime.dial(await far.listen('SEC-2'), far.principal.uri)
  assert.ok(!isRefusal(met))
})
