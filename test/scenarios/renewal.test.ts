/** Scenario: hours pass. Nodes renew their certificates by themselves, and their peers go on with them. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { connectAuthority, refusalOf } from '../../src/apps/node/authority-client.ts'
import type { RunningNode } from '../../src/apps/node/index.ts'
import { cborToPlain, decodeCbor } from '../../src/foundation/codec/index.ts'
import { createRenewRequest, encodeMessage } from '../../src/lifecycle/enrolment/index.ts'
import { connected, startFabric, type TestFabric } from '../kit/fabric.ts'

const HALF_HOUR_MS = 30 * 60 * 1000
const HALF_HOURS_OF_A_DAY = 48
const PEERS_CALCULATE = {
  id: 'peers-calculate',
  effect: 'allow',
  domain: 'rpc',
  from: ['kind:device'],
  to: ['kind:device'],
  actions: ['calc'],
}

/** Lets time pass until every node has a generation; what they do takes real time. */
async function passUntilGeneration(fabric: TestFabric, generation: number): Promise<void> {
  const isDone = (): boolean =>
    fabric.nodes.every(({ running }) => running.member.membership.generation >= generation)
  for (let steps = 0; !isDone(); steps++) {
    assert.ok(steps < HALF_HOURS_OF_A_DAY, `generation ${generation} within the life of the last`)
    fabric.clock.advance(HALF_HOUR_MS)
    // Sessions end when nothing was heard for hours; they are back at once.
    await sleep(50)
    for (const node of fabric.nodes) await connected(node)
  }
}

/** Sends a renewal from the generation before again, for the TLS key that is in use now. */
async function renewAgain({ member }: RunningNode): Promise<Uint8Array> {
  const { keys, membership, clock } = member
  const { host, port, pin, tlsKey, generation, principal } = membership
  const target = { host, port, pin, identity: undefined, timeoutMs: 10_000 }
  const client = await connectAuthority({ clock }, target)
  const [identity, tls] = [keys.require('identity'), keys.require(tlsKey)]
  const request = createRenewRequest(
    {
      identitySpki: identity.spki,
      identity: identity.coseSigner(),
      tlsSpki: tls.spki,
      tlsSigner: tls.certificateSigner(),
    },
    { principalId: principal.id, generation: generation - 1, addresses: [] },
    client.exporter(),
  )
  const body = { type: 'application/cbor' as const, bytes: encodeMessage(request) }
  const answer = await client.request('POST', '/v1/renew', body)
  client.close()
  assert.equal(answer.status, 200, JSON.stringify(answer.status === 200 || refusalOf(answer)))
  const { grant } = cborToPlain(decodeCbor(answer.body)) as { grant: { leaf: Uint8Array } }
  return grant.leaf
}

test('nodes renew by themselves, again and again, and peers accept the new certificates', async (context) => {
  const fabric = await startFabric(context)
  const camera = await fabric.addNode('camera-1')
  const gateway = await fabric.addNode('camera-2')
  const { out } = await fabric.kosctl(['policy', 'show'])
  const manifest = JSON.parse(out) as { rules: object[] }
  const input = JSON.stringify({ ...manifest, rules: [...manifest.rules, PEERS_CALCULATE] })
  assert.equal((await fabric.kosctl(['policy', 'apply', '-'], { input })).code, 0)
  const before = camera.running.member.membership

  for (const generation of [2, 3]) {
    const { notAfter } = camera.running.member.validity
    await passUntilGeneration(fabric, generation)
    const { membership, validity } = camera.running.member
    assert.ok(validity.notBefore < notAfter, 'renewed before the end')
    assert.equal(membership.principal.uri, before.principal.uri)
    assert.notEqual(membership.tlsKey, before.tlsKey)

    const call = ['exec', 'camera-1', 'calc', `40+${generation}`]
    for (const as of [[], ['--identity', gateway.folder]]) {
      const ran = await fabric.kosctl([...call, ...as])
      assert.deepEqual([ran.code, ran.out], [0, `${40 + generation}\n`], ran.err)
    }
    const listed = await fabric.kosctl(['devices', 'show', 'camera-1', '--json'])
    assert.equal((JSON.parse(listed.out) as { generation: number }).generation, generation)

    // The renewal whose answer was lost: the same certificate, no further generation, no alarm.
    assert.deepEqual(Buffer.from(await renewAgain(camera.running)), Buffer.from(membership.leaf))
    const again = await fabric.kosctl(['devices', 'show', 'camera-1', '--json'])
    assert.equal((JSON.parse(again.out) as { generation: number }).generation, generation)
  }

  const audit = await fabric.kosctl(['audit', 'tail', '--count', '1000', '--json'])
  const renewals = audit.out
    .split('\n')
    .filter((line) => line.includes('"renew"') && line.includes(before.principal.uri))
    .map((line) => (JSON.parse(line) as { detail: object }).detail)
  assert.deepEqual(renewals, [
    { generation: 2, repeated: false },
    { generation: 2, repeated: true },
    { generation: 3, repeated: false },
    { generation: 3, repeated: true },
  ])
  assert.equal((await fabric.kosctl(['audit', 'verify'])).code, 0)
})
