/**
 * Attack: a device (or who has stolen its keys) opens session after session. Three are served; more
 * are refused whatever address they come from, and other devices notice nothing.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { DEFAULT_ADMISSION_LIMITS } from '../../src/network/admission/index.ts'
import { openPeerClient, type PeerClient } from '../kit/peer-client.ts'
import { Place } from '../kit/processes.ts'

const ALLOW = {
  id: 'camera-2-calculates',
  effect: 'allow',
  domain: 'rpc',
  from: ['name:camera-2'],
  to: ['name:camera-1'],
  actions: ['calc'],
}
const { connectionsPerDevice } = DEFAULT_ADMISSION_LIMITS

test('a device has three sessions, the next ones are refused', async (context) => {
  const place = new Place(context)
  await place.startAuthority()
  await place.join('camera-1')
  await place.join('camera-2')
  await place.changeRules((rules) => [...rules, ALLOW])
  const open = (): Promise<PeerClient> => openPeerClient(place.stateOf('camera-2'), 'camera-1')

  const clients: PeerClient[] = []
  for (let count = 0; count < connectionsPerDevice; count++) clients.push(await open())
  for (let excess = 0; excess < 3; excess++) {
    await assert.rejects(open(), { code: 'KOS_CLI_UNREACHABLE' })
  }
  // Those that are open go on, and so does everybody else.
  for (const client of clients) {
    await place.eventually('it is served', async () => (await client.call()).status === 'ok')
  }
  assert.equal(await place.done('exec', 'camera-1', 'calc', '1+2'), '3\n')
  assert.ok((await place.devices()).some(({ name, connected }) => name === 'camera-1' && connected))

  // A place is free as soon as a session ends.
  await clients.pop()?.close()
  await place.eventually('another session is let in', () =>
    open().then(
      (client) => clients.push(client) > 0,
      () => false,
    ),
  )
  await assert.rejects(open(), { code: 'KOS_CLI_UNREACHABLE' })
  for (const client of clients) await client.close()
})
