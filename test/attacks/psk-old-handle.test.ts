/** A key was stolen; the device got a new one since, and the thief comes with the old one. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  isRefusal,
  refuse,
  type Secret,
  silentLog,
  systemClock,
  systemRandom,
} from '../../src/foundation/base/index.ts'
import { createPeerSession, SESSION_LIMITS } from '../../src/network/session/index.ts'
import { derivePskKeys, pskHandleHash } from '../../src/trust/pki/index.ts'
import { CROWD, startFabric } from '../kit/fabric.ts'
import { pskFacts } from '../kit/psk-pair.ts'
import { alarms, dialWithKey, eventually, joinSensor, stolenKey } from '../kit/sensor.ts'

test('TLS knows the dead key, the session refuses it, and an alarm is recorded', async (context) => {
  const fabric = await startFabric(context, { authority: { admission: CROWD } })
  const sensor = await joinSensor(fabric, 'sensor-1')
  const node = await sensor.start()
  context.after(() => node.stop())
  await eventually(() => node.sessions.size === 1)
  const stolen = stolenKey(sensor.folder)
  assert.equal((await fabric.kosctl(['devices', 'rotate-psk', 'sensor-1'])).code, 0)
  await eventually(() =>
    [...node.sessions].some(({ authenticated }) => authenticated.peer.generation === 2),
  )
  await eventually(async () => {
    const refused = await thief(stolen)
    return refused && (await alarms(fabric)).includes('psk: dead handle')
  })
  // The device itself goes on.
  assert.equal([...node.sessions].at(-1)?.authenticated.peer.generation, 2)

  async function thief(key: { readonly handle: string; readonly root: Secret }): Promise<boolean> {
    const channel = await dialWithKey(fabric, key)
    assert.ok(!isRefusal(channel), 'TLS alone says nothing')
    const facts = { ...pskFacts('listener'), tlsKeyHash: pskHandleHash(key.handle) }
    const session = createPeerSession(
      {
        clock: systemClock,
        random: systemRandom,
        log: silentLog,
        authenticator: {
          own: () => assert.fail('no certificate'),
          verifyPeer: () => refuse('KOS_SESSION_AUTH', 'none'),
          psk: {
            own: () => ({
              principal: sensor.membership.principal,
              machine: new Uint8Array(32),
            }),
            verify: () => ({ facts, authKey: derivePskKeys(key.root).auth }),
          },
        },
      },
      {
        role: 'dialler',
        channel,
        limits: SESSION_LIMITS,
        state: { updateCounter: 0 },
        onCall: () => ({ status: 'refused', code: 'KOS_CATALOG_UNKNOWN', rule: 'none' }),
      },
    )
    return isRefusal(await session.ready)
  }
})
