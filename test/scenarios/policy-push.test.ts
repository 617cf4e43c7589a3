/** Scenario: a changed manifest takes effect on a running node, within sessions that are open already. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { openPeerClient } from '../kit/peer-client.ts'
import { Place } from '../kit/processes.ts'

const ALLOW = {
  id: 'camera-2-calculates',
  effect: 'allow',
  domain: 'rpc',
  from: ['name:camera-2'],
  to: ['name:camera-1'],
  actions: ['calc'],
}
const DENY = { ...ALLOW, id: 'nobody-calculates', effect: 'deny', from: ['any'] }

test('rules come and go on a running node', async (context) => {
  const place = new Place(context)
  await place.startAuthority()
  const node = await place.join('camera-1')
  await place.join('camera-2')
  const client = await openPeerClient(place.stateOf('camera-2'), 'camera-1')
  const ruleOf = async (): Promise<string> => {
    const result = await client.call()
    return result.status === 'ok' ? 'allowed' : `${result.status} ${result.rule ?? ''}`
  }
  assert.equal(await ruleOf(), 'refused default-deny')

  await place.changeRules((rules) => [...rules, ALLOW])
  await place.eventually('the allow rule counts', async () => (await ruleOf()) === 'allowed')

  await place.changeRules((rules) => [...rules, DENY])
  await place.eventually('any deny wins', async () => (await ruleOf()).includes(DENY.id))
  const owner = await place.kosctl(['exec', 'camera-1', 'calc', '1+2'])
  assert.deepEqual([owner.code, owner.out], [3, ''], owner.err)

  await place.changeRules((rules) => rules.filter((rule) => (rule as typeof DENY).id !== DENY.id))
  await place.eventually('the deny rule is gone', async () => (await ruleOf()) === 'allowed')

  const broken = await place.kosctl(['policy', 'apply', '-'], { input: '{"rules":[]}' })
  assert.notEqual(broken.code, 0)
  assert.equal(await ruleOf(), 'allowed')

  assert.ok(node.isRunning)
  await client.close()
  await place.verifyAudit()
})
