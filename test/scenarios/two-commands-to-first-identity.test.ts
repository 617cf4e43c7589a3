/** Scenario: from nothing to the first identity with two commands, no prompt and no file edited. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Place } from '../kit/processes.ts'

test('two commands make the first identity', async (context) => {
  const place = new Place(context)
  const begunMs = performance.now()

  // $ kosd authority
  const authority = place.start({ name: 'authority', args: ['authority'] })
  await authority.printed(/^pin +\S+$/m)
  const authorityMs = performance.now() - begunMs

  // $ kosctl token create --name camera-1 | kosd node --join -
  const token = await place.kosctl(['token', 'create', '--name', 'camera-1'])
  assert.equal(token.code, 0, token.err)
  assert.equal(token.err, '')
  assert.match(token.out, /^kos:\/\/\S+\n$/)
  const node = place.start({ name: 'camera-1', args: ['node', '--join', '-'], input: token.out })
  const [, uri] = await node.printed(/^joined +(\S+)$/m)
  const identityMs = performance.now() - begunMs
  await node.printed(/^address +\S+$/m)

  assert.match(uri ?? '', /^spiffe:\/\/kos\.internal\/device\/kdev-[a-z2-7]{26}$/)
  await place.eventually('the device is connected', async () =>
    (await place.devices()).some((device) => device.uri === uri && device.connected),
  )
  assert.equal(await place.done('exec', 'camera-1', 'calc', '1+2'), '3\n')
  const seconds = (ms: number): string => `${(ms / 1000).toFixed(2)} s`
  context.diagnostic(
    `authority after ${seconds(authorityMs)}, first identity after ${seconds(identityMs)}`,
  )
})
