/** Scenario: the main job. An authority, three nodes, a command from peer to peer, proof of it all. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Place } from '../kit/processes.ts'

const RULE = {
  id: 'gateway-calculates',
  effect: 'allow',
  domain: 'rpc',
  from: ['name:gateway-1'],
  to: ['kind:device'],
  actions: ['calc'],
}

test('a fabric does its main job', async (context) => {
  const place = new Place(context)
  await place.startAuthority()
  await place.join('camera-1')
  await place.join('gateway-1')
  await place.join('assistant-1', '--kind', 'agent')

  assert.equal(await place.done('exec', 'camera-1', 'calc', '1+2'), '3\n')
  assert.match(await place.done('exec', 'gateway-1', 'system.info'), /SEC-2/)

  const before = await place.execAs('gateway-1', 'camera-1', 'calc', '6*7')
  assert.equal(before.code, 3, before.err)
  assert.match(before.err, /rule +default-deny/)
  await place.changeRules((rules) => [...rules, RULE])
  await place.eventually('the rule is in force', async () => {
    const { code, out } = await place.execAs('gateway-1', 'camera-1', 'calc', '6*7')
    return code === 0 && out === '42\n'
  })
  const agent = await place.execAs('assistant-1', 'camera-1', 'calc', '6*7')
  assert.equal(agent.code, 3, agent.err)
  assert.match(agent.err, /rule +default-deny/)

  const forbidden = await place.kosctl(['exec', 'camera-1', 'files.read', '/etc/shadow'])
  assert.equal(forbidden.code, 3, forbidden.err)
  assert.match(forbidden.err, /rule +files\/root/)

  const idOf = new Map((await place.devices()).map(({ name, uri }) => [name, uri]))
  const isCall = (entry: { actor: string; target: string; action: string }): boolean =>
    entry.actor === idOf.get('gateway-1') &&
    entry.target === idOf.get('camera-1') &&
    entry.action === 'calc'
  await place.eventually('the audit log tells of calls and refusals', async () => {
    const calls = (await place.audit()).filter(isCall)
    const allowed = calls.some(({ rule }) => rule === 'fleet/gateway-calculates')
    const refused = calls.some(
      ({ rule, outcome }) => rule === 'default-deny' && outcome === 'refused',
    )
    return allowed && refused
  })
  assert.match(await place.done('audit', 'verify'), /^verified$/m)
})
