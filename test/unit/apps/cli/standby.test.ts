/** `kosctl standby`: who may vouch, how everybody learns of it, and what is refused. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { systemRandom } from '../../../../src/foundation/base/index.ts'
import { FABRIC, openMember } from '../../../../src/apps/node/index.ts'
import { openKeyStore } from '../../../../src/trust/keys/index.ts'
import { signStandbyProof } from '../../../../src/trust/pki/index.ts'
import { connected, eventually, startFabric, type TestFabric } from '../../../kit/fabric.ts'
import { startRogue } from '../../../kit/rogue.ts'
import { joinSensor } from '../../../kit/sensor.ts'
import { offerStandby, permit, standbys, takeBack } from '../../../kit/standby.ts'

async function states(fabric: TestFabric): Promise<readonly string[]> {
  return (await standbys(fabric)).map(({ name, state }) => `${name} ${state}`)
}

async function refusalOf(fabric: TestFabric, ...args: readonly string[]): Promise<string> {
  const { code, err } = await fabric.kosctl(['standby', ...args])
  assert.equal(code, 3, err)
  return /standby\/[a-z/-]+|principal\/[a-z]+|KOS_BASE_INVALID/.exec(err)?.[0] ?? err
}

test('a standby is offered, permitted, known to everybody, and taken back', async (context) => {
  const fabric = await startFabric(context)
  const camera = await fabric.addNode('camera-1')
  const sensor = await (await joinSensor(fabric, 'sensor-1')).start()
  context.after(() => sensor.stop())
  await eventually(() => sensor.link.isConnected, 'the sensor is connected')
  assert.match((await fabric.kosctl(['doctor'])).out, /standby signers +none/)
  const gate = await offerStandby(fabric, 'gate-2')
  assert.deepEqual(await states(fabric), ['gate-2 offered'])
  assert.equal(await refusalOf(fabric, 'remove', 'gate-2'), 'standby/none')

  const added = await fabric.kosctl(['standby', 'add', 'gate-2', '--for', '4h'])
  assert.deepEqual([added.code, added.out], [0, 'permitted  gate-2, trust bundle 2\n'])
  // A lost answer is repeated.
  const again = await fabric.kosctl(['standby', 'add', 'gate-2', '--for', '4h', '--json'])
  assert.deepEqual(JSON.parse(again.out), { permitted: 'gate-2', bundle: 2 })
  const table = await fabric.kosctl(['standby'])
  assert.match(table.out, /^NAME +STATE +LIMIT +CONNECTED +KEY\ngate-2 +permitted +240 min +yes +/)
  assert.match((await fabric.kosctl(['doctor'])).out, /standby signers +gate-2 \(permitted\)/)
  const numberOf = (node: typeof sensor): number => node.member.fabric.bundle.number
  await eventually(() => [camera.running, gate.running, sensor].every((one) => numberOf(one) === 2))

  await context.test(
    'the bundle is kept: by the authority, nodes, sensors, operators',
    async () => {
      await sensor.stop()
      await fabric.stopAuthority()
      await fabric.startAuthority()
      const node = await camera.restart()
      assert.equal(numberOf(node.running), 2)
      await connected(gate)
      assert.deepEqual(await states(fabric), ['gate-2 permitted'])
      // What brings signed objects to an operator brings the bundle along.
      await fabric.kosctl(['unlock', 'camera-1'])
      await fabric.kosctl(['lock', 'camera-1', '--reason', 'test'])
      await fabric.kosctl(['unlock', 'camera-1'])
      for (const folder of [fabric.operator, sensor.member.folder]) {
        const member = openMember({ clock: fabric.clock, random: systemRandom }, { folder })
        assert.equal(member?.fabric.bundle.number, 2)
        member?.close()
      }
    },
  )

  await context.test('a push that is lost is made up for at the next connection', async () => {
    await fabric.nodes.at(-1)?.running.stop()
    await permit(fabric, 'gate-2', '--for', '2h')
    const node = await fabric.nodes.at(-1)?.restart()
    assert.ok(node)
    await eventually(() => numberOf(node.running) === 3, 'the bundle of meanwhile')
  })

  await context.test('a locked one counts for nobody, a removed one is taken back', async () => {
    const third = await offerStandby(fabric, 'gate-3')
    await permit(fabric, 'gate-3')
    await fabric.kosctl(['lock', 'gate-3', '--reason', 'sold'])
    assert.deepEqual(await states(fabric), ['gate-2 permitted', 'gate-3 locked'])
    assert.match(
      (await fabric.kosctl(['doctor'])).out,
      /warning +standby signers.*gate-3 \(locked\)/,
    )
    assert.equal(await refusalOf(fabric, 'add', 'gate-3'), 'standby/member/locked')
    assert.equal((await fabric.kosctl(['devices', 'remove', 'gate-3'])).code, 0)
    await eventually(async () => (await states(fabric)).join() === 'gate-2 permitted')
    await third.running.stop()
    await takeBack(fabric, 'gate-2')
    await eventually(() => gate.running.standby?.refusal()?.rule === 'standby/not-permitted')
    assert.deepEqual(await states(fabric), ['gate-2 offered'])
  })

  const { out } = await fabric.kosctl(['audit', 'tail', '--count', '500', '--all', '--json'])
  for (const action of ['standby.add', 'standby.remove']) {
    const lines = out.split('\n').filter((line) => line.includes(`"action":"${action}"`))
    assert.ok(lines.some((line) => line.includes('"outcome":"intent"')))
    assert.ok(lines.some((line) => line.includes('"outcome":"ok"')))
  }
})

test('what does not fit is refused, and says what to do', async (context) => {
  const fabric = await startFabric(context)
  await fabric.addNode('camera-1')
  await joinSensor(fabric, 'sensor-1')
  assert.equal(await refusalOf(fabric, 'add', 'camera-1'), 'standby/not-offered')
  assert.equal(await refusalOf(fabric, 'add', 'sensor-1'), 'standby/member')
  assert.equal(await refusalOf(fabric, 'add', 'olga'), 'standby/member')
  assert.equal(await refusalOf(fabric, 'add', 'nobody'), 'principal/unknown')
  assert.equal(await refusalOf(fabric, 'remove', 'nobody'), 'principal/unknown')
  const usage = await fabric.kosctl(['standby', 'add', 'camera-1', '--for', 'ever'])
  assert.equal(usage.code, 2)
  for (const time of ['1s', '25h']) {
    assert.equal(await refusalOf(fabric, 'add', 'camera-1', '--for', time), 'KOS_BASE_INVALID')
  }

  const users = { olaf: ['operator'], vera: ['viewer'], nora: [] } as const
  const { olaf = '', vera = '', nora = '' } = await fabric.addUsers(users)
  const byOperator = await fabric.kosctl(['standby', 'add', 'camera-1'], { config: olaf })
  assert.match(byOperator.err, /KOS_AUTHORITY_GUARD/)
  assert.equal((await fabric.kosctl(['standby'], { config: vera })).code, 0)
  const byNobody = await fabric.kosctl(['standby'], { config: nora })
  assert.equal(byNobody.code, 3)
})

test('three at most, and none without the root keys', async (context) => {
  const fabric = await startFabric(context)
  const names = ['gate-1', 'gate-2', 'gate-3', 'gate-4']
  for (const name of names) await offerStandby(fabric, name)
  for (const name of names.slice(0, 3)) await permit(fabric, name)
  assert.equal(await refusalOf(fabric, 'add', 'gate-4'), 'standby/limit')

  const [first] = fabric.nodes
  assert.ok(first)
  await fabric.stopAuthority()
  const directory = `${fabric.stateFolder}/keys`
  const keys = openKeyStore({ random: systemRandom }, { directory, unlock: { kind: 'file' } })
  keys.remove('ca-root-ml-dsa-65')
  keys.close()
  await fabric.startAuthority()
  await eventually(() => first.running.link.isConnected, 'connected again')
  // What it offers is told after that.
  await eventually(async () => {
    const { err } = await fabric.kosctl(['standby', 'add', 'gate-1'])
    return !err.includes('standby/not-offered')
  }, 'offered again')
  const offline = /kosctl ca request/
  for (const args of [
    ['remove', 'gate-1'],
    ['add', 'gate-1', '--for', '3h'],
  ]) {
    const { code, err } = await fabric.kosctl(['standby', ...args])
    assert.deepEqual(
      [code, /standby\/root-keys/.test(err), offline.test(err)],
      [3, true, true],
      err,
    )
  }
  // The lock list works without them, and so does the removal of the device.
  assert.equal((await fabric.kosctl(['devices', 'remove', 'gate-1'])).code, 0)
  assert.ok((await states(fabric)).includes('gate-1 removed'))
})

test('a key is offered by who has it, and only one that signs nothing else', async (context) => {
  const fabric = await startFabric(context)
  const gate = await offerStandby(fabric, 'gate-2')
  const rogue = await startRogue(context, fabric, { name: 'rogue' })
  const { keys, membership } = rogue.member
  const offer = gate.running.standby?.offer
  assert.ok(offer)
  const identity = keys.require('identity')
  const ownProof = signStandbyProof(membership.principal.uri, identity.coseSigner())
  const offers = [
    [offer, 'standby: other principal'],
    [{ spki: offer.spki, proof: ownProof }, 'standby: key id'],
    [{ spki: identity.spki, proof: ownProof }, 'standby/key-in-use'],
  ] as const
  for (const [forged, rule] of offers) {
    const said = await rogue.authority.session.call(FABRIC.standby, { ...forged })
    assert.deepEqual([said.status, 'rule' in said && said.rule], ['failed', rule])
  }
  assert.deepEqual(await states(fabric), ['gate-2 offered'])
  // With a key of its own it may: an operator decides.
  const own = keys.create('standby', 'freshness', 'P-256')
  const proof = signStandbyProof(membership.principal.uri, own.coseSigner())
  const call = (spki: Uint8Array, signed: Uint8Array): Promise<{ readonly status: string }> =>
    rogue.authority.session.call(FABRIC.standby, { spki, proof: signed })
  assert.equal((await call(own.spki, proof)).status, 'ok')
  await permit(fabric, 'rogue')
  // It lost that key, and offers another one.
  const next = keys.create('standby-2', 'freshness', 'P-256')
  const nextProof = signStandbyProof(membership.principal.uri, next.coseSigner())
  assert.equal((await call(next.spki, nextProof)).status, 'ok')
  assert.deepEqual(await states(fabric), ['rogue other-key', 'gate-2 offered'])
  await permit(fabric, 'rogue')
  assert.deepEqual(await states(fabric), ['rogue permitted', 'gate-2 offered'])
})
