/**
 * Answers of a standby signer are recorded and given again: to later questions, to other members, in the
 * name of another standby, as the authority's. Each is good for one nonce, from one signer.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isRefusal } from '../../src/foundation/base/index.ts'
import { createStandbyWorld } from '../kit/standby-world.ts'

test('an answer is good once', async (context) => {
  const world = createStandbyWorld(context)
  const gate = world.member('gate-1', { floor: 'SEC-4', stands: true })
  const other = world.member('gate-2', { floor: 'SEC-4', stands: true })
  const camera = world.member('camera-1', { floor: 'SEC-4' })
  const second = world.member('camera-2', { floor: 'SEC-4' })
  world.permit([gate, other])
  await world.pass(10_000)
  world.lose()
  const recorded: { readonly nonce: Uint8Array; readonly answer: Uint8Array }[] = []
  other.isCut = true
  second.isCut = true
  gate.answer = (question) => {
    const said = gate.signer?.vouch(question)
    assert.ok(said && !isRefusal(said) && said.answer)
    recorded.push({ nonce: question.nonce, answer: said.answer })
    return said
  }
  await world.pass(12_000)
  const [first] = recorded
  assert.ok(first)
  assert.equal(camera.fabric.locks.freshBy, gate.uri)

  // From now on every question gets the old answer, of whichever standby is asked.
  other.isCut = false
  second.isCut = false
  gate.answer = () => ({ answer: first.answer })
  other.answer = () => ({ answer: first.answer })
  await world.pass(60_000)
  assert.equal(camera.refusesPeerOf('SEC-4'), 'KOS_PKI_STALE')
  assert.equal(second.refusesPeerOf('SEC-4'), 'KOS_PKI_STALE')

  const { clock } = world.authority
  const { nonce, answer } = first
  const question = { nonce, askedAt: clock.monotonicMs(), wallMs: clock.wallMs() }
  const { locks } = second.fabric
  assert.equal(locks.confirm(answer, question)?.rule, 'freshness: key id')
  const asOther = locks.confirmByStandby(answer, { ...question, by: other.uri })
  assert.equal(asOther?.rule, 'freshness: key id')
})
