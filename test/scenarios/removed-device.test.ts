/** Scenario: a device is removed. It is cut off everywhere at once, whatever it still holds. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { openPeerClient } from '../kit/peer-client.ts'
import { Place } from '../kit/processes.ts'

const PEERS_CALCULATE = {
  id: 'peers-calculate',
  effect: 'allow',
  domain: 'rpc',
  from: ['kind:device'],
  to: ['kind:device'],
  actions: ['calc'],
}

test('a removed device has no way in any more', async (context) => {
  const place = new Place(context)
  await place.startAuthority()
  await place.join('camera-1')
  const thief = await place.join('camera-2')
  await place.changeRules((rules) => [...rules, PEERS_CALCULATE])
  const client = await openPeerClient(place.stateOf('camera-2'), 'camera-1')
  await place.eventually('the rule is in force', async () => (await client.call()).status === 'ok')

  assert.match(await place.done('devices', 'remove', 'camera-2'), /removed/)

  // Sessions that were open with its peers, and with the authority.
  const reason = await client.session.closed
  assert.equal(reason.allow, false)
  assert.equal((await client.call()).status, 'failed')
  await client.close()
  await place.eventually('its daemon has lost the authority', () =>
    thief.out.concat(thief.err).includes('authority.lost'),
  )
  // New ones: to a peer, and to the authority's API.
  const call = await place.execAs('camera-2', 'camera-1', 'calc', '1+2')
  assert.equal(call.code, 4, call.out + call.err)
  const asThief = { config: place.stateOf('camera-2') }
  const listing = await place.kosctl(['devices'], asThief)
  assert.notEqual(listing.code, 0)
  // Others do not reach it by name any more, and its keys do not come back under another token.
  assert.deepEqual(
    (await place.devices()).filter(({ kind }) => kind === 'device').map(({ name }) => name),
    ['camera-1'],
  )
  const gone = await place.kosctl(['exec', 'camera-2', 'calc', '1+2'])
  assert.notEqual(gone.code, 0)
  // It goes on trying, and stops like any other when it is asked to.
  await thief.stop()
  const restarted = place.launchNode('camera-2', { line: await place.joinLine('camera-3') })
  await restarted.printed(/^address/m)
  const named = (await place.devices()).map(({ name }) => name)
  assert.ok(!named.includes('camera-2') && !named.includes('camera-3'))

  assert.equal(await place.done('exec', 'camera-1', 'calc', '1+2'), '3\n')
  await place.verifyAudit()
})
