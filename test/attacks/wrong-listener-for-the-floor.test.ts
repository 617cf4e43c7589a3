/** Two good members meet on a listener that is not that of the stricter floor: both ends refuse. */
import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import { isRefusal, type Refusal } from '../../src/foundation/base/index.ts'
import type { ProfileName } from '../../src/foundation/profiles/index.ts'
import type { OpenSession } from '../../src/apps/node/index.ts'
import { createProfiledPeers, type ProfiledPeer } from '../kit/profiled-peers.ts'

interface Case {
  readonly dialler: ProfileName
  readonly listener: ProfileName
  readonly on: ProfileName
  readonly admits?: boolean
}

/** Dials with the floors of both on the listener of any profile. */
async function meet(
  context: TestContext,
  { dialler, listener, on, admits = false }: Case,
): Promise<{ readonly met: OpenSession | Refusal; readonly far: ProfiledPeer }> {
  const peers = createProfiledPeers(context)
  const near = peers.peer('near', { floor: dialler, admits })
  const far = peers.peer('far', { floor: listener, admits })
  peers.publish([near.entry, far.entry], [near, far])
  const at = { ...(await far.listen(on)), profile: on }
  return { met: await near.runtime.dial(at, far.principal.uri), far }
}

const wrong: readonly (readonly [Case, string])[] = [
  [{ dialler: 'SEC-3', listener: 'SEC-2', on: 'SEC-2' }, 'KOS_SESSION_LISTENER'],
  [{ dialler: 'SEC-2', listener: 'SEC-3', on: 'SEC-2' }, 'KOS_SESSION_LISTENER'],
  [{ dialler: 'SEC-2', listener: 'SEC-2', on: 'SEC-3' }, 'KOS_SESSION_LISTENER'],
  [{ dialler: 'SEC-2', listener: 'SEC-4', on: 'SEC-3', admits: true }, 'KOS_SESSION_LISTENER'],
  [{ dialler: 'SEC-4', listener: 'SEC-3', on: 'SEC-4', admits: true }, 'KOS_SESSION_PROFILE'],
  // Nobody can check yet what SEC-4 demands: who does not admit it by hand refuses.
  [{ dialler: 'SEC-4', listener: 'SEC-4', on: 'SEC-4' }, 'KOS_SESSION_EVIDENCE'],
]

for (const [how, code] of wrong) {
  test(`${how.dialler} dials ${how.listener} on ${how.on}: ${code}`, async (context) => {
    const { met, far } = await meet(context, how)
    assert.ok(isRefusal(met))
    // Whichever end says it first: the other one sees the connection close.
    assert.ok([code, 'KOS_SESSION_CLOSED'].includes(met.code), `${met.code} ${met.rule}`)
    assert.equal(far.runtime.sessions.size, 0)
  })
}

const right: readonly Case[] = [
  { dialler: 'SEC-2', listener: 'SEC-3', on: 'SEC-3' },
  { dialler: 'SEC-3', listener: 'SEC-2', on: 'SEC-3' },
  { dialler: 'SEC-2', listener: 'SEC-4', on: 'SEC-4', admits: true },
  { dialler: 'SEC-4', listener: 'SEC-4', on: 'SEC-4', admits: true },
]

for (const how of right) {
  test(`${how.dialler} dials ${how.listener} on ${how.on}: a session`, async (context) => {
    const { met } = await meet(context, how)
    assert.ok(!isRefusal(met), isRefusal(met) ? `${met.code} ${met.rule}` : '')
    assert.equal(met.authenticated.connected.connection.listener.name, how.on)
  })
}
