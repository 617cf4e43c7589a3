/** A device says less in HELLO than its certificate carries, to be met by weaker rules. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isRefusal, silentLog, systemRandom } from '../../src/foundation/base/index.ts'
import { profileOf } from '../../src/foundation/profiles/index.ts'
import { createPeerRuntime, memberSelf } from '../../src/apps/node/index.ts'
import { createAdmission } from '../../src/network/admission/index.ts'
import { SESSION_LIMITS } from '../../src/network/session/index.ts'
import { eventually, startFabric } from '../kit/fabric.ts'

test('HELLO names the floor of the leaf, or there is no session; it is recorded', async (context) => {
  const fabric = await startFabric(context)
  const liar = await fabric.addNode('camera-1')
  const peer = await fabric.addNode('camera-2')
  const { member } = liar.running
  const self = memberSelf(member)
  const runtime = createPeerRuntime(
    {
      clock: member.clock,
      random: systemRandom,
      log: silentLog,
      admission: createAdmission({ clock: member.clock, onRefusals: () => undefined }),
      self: {
        ...self,
        authenticator: () => {
          const genuine = self.authenticator()
          return { ...genuine, own: () => ({ ...genuine.own(), floor: profileOf('SEC-1') }) }
        },
      },
    },
    SESSION_LIMITS,
  )
  context.after(() => runtime.close())
  const { uri } = peer.running.member.membership.principal
  assert.ok(isRefusal(await runtime.dial(peer.running.address, uri)))
  await eventually(async () => {
    const { entries } = await peer.running.audit.unforwarded({ maxEntries: 64, maxBytes: 65_536 })
    const { out } = await fabric.kosctl(['audit', 'tail', '--json'])
    return out.includes('hello: profile') || JSON.stringify(entries).includes('hello: profile')
  })
})
