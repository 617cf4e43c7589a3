/** Attack: somebody copied key and certificate of an EST device and renews with them, in turn with it. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { accepted, assertRefused, createFleet, markUsed, type TestFleet } from '../kit/enrolment.ts'
import { auditEntries, estDevice, estPeer, estReenrol, shown } from '../kit/est-fabric.ts'
import { BINDING, enrolledByEst, estRenewRequest } from '../kit/est.ts'
import { startFabric } from '../kit/fabric.ts'
import { testKey, type TestKey } from '../kit/x509.ts'

type Held = { readonly principalId: string; readonly leaf: Uint8Array }

/** Renews as the authority sees it: the certificate that is presented counts as used. */
async function renew(
  fleet: TestFleet,
  held: Held & { readonly generation: number },
  key: TestKey = testKey(),
): Promise<Awaited<ReturnType<TestFleet['estRenewals']['renew']>>> {
  const record = fleet.registry.principal(held.principalId)
  if (record?.generation === held.generation) await markUsed(fleet, held.principalId)
  return fleet.estRenewals.renew(estRenewRequest(held, key), BINDING)
}

function assertQuarantined(fleet: TestFleet, result: object, rule: string): void {
  assertRefused(result, 'KOS_ENROLMENT_COPY', rule)
  assert.ok('copyOf' in result && typeof result.copyOf === 'string')
  assert.equal(fleet.registry.principal(result.copyOf)?.state, 'quarantined')
}

test('both with new keys: the first renewal of either after both had one finds it', async (context) => {
  for (const firstToCome of ['device', 'thief']) {
    const fleet = await createFleet(context)
    const { grant } = await enrolledByEst(fleet)
    const device = accepted(await renew(fleet, grant)).grant
    const thief = accepted(await renew(fleet, grant)).grant
    if (firstToCome === 'device') {
      assertQuarantined(fleet, await renew(fleet, device), 'generation/two-keys')
    } else {
      accepted(await renew(fleet, thief))
      assertQuarantined(fleet, await renew(fleet, device), 'generation/two-keys')
    }
    for (const held of [device, thief, grant]) {
      assertRefused(await renew(fleet, held), 'KOS_ENROLMENT_LOCKED', 'principal/state')
    }
  }
})

test('the device has gone on: the thief with the old certificate is found', async (context) => {
  const fleet = await createFleet(context)
  const { grant } = await enrolledByEst(fleet)
  const second = accepted(await renew(fleet, grant)).grant
  accepted(await renew(fleet, second))
  assertQuarantined(fleet, await renew(fleet, grant), 'generation/older')
})

test('both keep the same key: who asks for what was used already is found', async (context) => {
  const fleet = await createFleet(context)
  const { grant, key } = await enrolledByEst(fleet)
  accepted(await renew(fleet, grant, key))
  await markUsed(fleet, grant.principalId)
  assertQuarantined(fleet, await renew(fleet, grant, key), 'generation/older')
})

test('over the wire: two copies in turn end in quarantine, recorded, and neither goes on', async (context) => {
  const fabric = await startFabric(context)
  const device = await estDevice(fabric, 'printer-1')
  const [mine, theirs] = [testKey(), testKey()]
  const owner = estPeer(mine, await estReenrol(fabric, device, mine))
  const thief = estPeer(theirs, await estReenrol(fabric, device, theirs))
  const found = await estReenrol(fabric, owner, testKey())
  assert.deepEqual([found.status, found.code], [403, 'KOS_ENROLMENT_COPY'])
  assert.equal((await shown(fabric, 'printer-1'))['state'], 'quarantined')
  for (const peer of [owner, thief, device]) {
    assert.equal((await estReenrol(fabric, peer, testKey())).status, 403)
  }
  const entries = await auditEntries(fabric)
  assert.ok(entries.some(({ type, code }) => type === 'lock' && code === 'KOS_ENROLMENT_COPY'))
})
