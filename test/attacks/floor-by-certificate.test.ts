/** A certificate of the genuine CA, from before the raise, offered to a peer that has no lock list of it. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isRefusal, sha256, systemRandom, unixMs } from '../../src/foundation/base/index.ts'
import { profileOf } from '../../src/foundation/profiles/index.ts'
import type { PeerFacts } from '../../src/foundation/pipeline/index.ts'
import { createFloorGate } from '../../src/apps/node/floor-gate.ts'
import { openFloorFile } from '../../src/apps/node/floor-file.ts'
import { createFabricState, openMemberKeys } from '../../src/apps/node/index.ts'
import { createTrustState, verifyPeerLeaf } from '../../src/trust/pki/index.ts'
import { createTestAuthority, leafRequest, somePublicKey } from '../kit/pki.ts'
import { temporaryFolder } from '../kit/temporary.ts'

test('a peer remembers the floor it met, after a restart too', (context) => {
  using authority = createTestAuthority()
  const { ca, clock } = authority
  const identityKeyHash = sha256(somePublicKey())
  const leafOf = (floor: 'SEC-2' | 'SEC-3', generation: number): PeerFacts => {
    const identity = { floor, generation, identityKeyHash }
    const { der } = ca.issueLeaf(leafRequest({ identity }))
    const check = { bundle: ca.trust, purpose: 'client', nowMs: unixMs(clock.wallMs()) } as const
    const verified = verifyPeerLeaf(der, check)
    assert.ok(!isRefusal(verified))
    return verified
  }
  const folder = temporaryFolder(context)
  const trust = createTrustState({ pin: ca.pin })
  trust.apply(ca.bundle)
  const refused: string[] = []
  const start = (): ReturnType<typeof createFloorGate> => {
    const keys = openMemberKeys({ random: systemRandom }, folder)
    context.after(() => keys.close())
    return createFloorGate({
      memory: openFloorFile({ random: systemRandom }, { folder, keys }),
      fabric: createFabricState(trust, {
        onGenuine: () => undefined,
        acceptManifest: () => undefined,
      }),
      own: () => '',
      onRefused: (_peer, { code, rule }) => refused.push(`${code} ${rule}`),
    })
  }
  const old = leafOf('SEC-2', 1)
  const gate = start()
  assert.equal(gate.check(old), undefined)
  const raised = leafOf('SEC-3', 2)
  assert.equal(raised.floor, profileOf('SEC-3'))
  assert.equal(gate.check(raised), undefined)
  gate.seen(raised)
  assert.ok(isRefusal(gate.check(old)))
  assert.ok(isRefusal(start().check(old)))
  assert.deepEqual(refused, ['KOS_PKI_FLOOR floor/remembered', 'KOS_PKI_FLOOR floor/remembered'])
})
