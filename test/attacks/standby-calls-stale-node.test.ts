/**
 * A node whose lock list is old lets a standby signer connect, since that can make the list young. Whoever
 * has taken such a device calls commands instead, vouching for nothing: they are not run.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isRefusal } from '../../src/foundation/base/index.ts'
import { signStandbyFreshness } from '../../src/trust/pki/index.ts'
import { eventually, startFabric } from '../kit/fabric.ts'
import { dialAs, memberOf, testAppraiser } from '../kit/raised.ts'
import { allowCalc, offerStandby, permit, restartRaised, startAlone } from '../kit/standby.ts'

test('a standby that may connect may not call', async (context) => {
  const fabric = await startFabric(context, { authority: { evidence: testAppraiser } })
  await allowCalc(fabric)
  const gate = await offerStandby(fabric, 'gate-2')
  const node = await fabric.addNode('camera-1')
  await permit(fabric, 'gate-2')
  const raised = await restartRaised(context, { fabric, node })
  const { uri } = raised.member.membership.principal
  const listed = gate.running.member.fabric.directory
  await eventually(() => listed.byUri(uri)?.profile === 'SEC-3', 'the gate knows of it')
  await fabric.stopAuthority()
  await Promise.all([raised.stop(), gate.running.stop()])
  const camera = await startAlone(context, { fabric, node })

  const thief = memberOf(context, fabric, gate.folder)
  const { locks } = thief.fabric
  const held = locks.current?.object
  assert.ok(held)
  const nonce = new Uint8Array(32).fill(5)
  const answer = signStandbyFreshness(held, nonce, thief.keys.require('standby').coseSigner())
  const { clock } = thief
  const by = thief.membership.principal.uri
  const question = { by, nonce, askedAt: clock.monotonicMs(), wallMs: clock.wallMs() }
  assert.equal(locks.confirmByStandby(answer, question), undefined)
  const dialler = dialAs(context, thief)
  const open = await dialler.dial({ ...camera.address, profile: 'SEC-3' }, uri)
  assert.ok(!isRefusal(open), JSON.stringify(open))
  for (const command of ['calc', 'system.status', 'fabric.peer.locks']) {
    const result = await open.session.call(command, { expression: '1+2' })
    assert.deepEqual([result.status, 'code' in result && result.code], ['refused', 'KOS_PKI_STALE'])
  }
})
