/**
 * Another authority listens where the join line points to. Its roots are not the pinned ones, so it
 * learns nothing of the join request: no token, no key, no MAC address.
 */
import assert from 'node:assert/strict'
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { isRefusal } from '../../src/foundation/base/index.ts'
import { joinFolder, startFabric } from '../kit/fabric.ts'
import { forgedLine } from '../kit/impostor.ts'

test('an authority with other roots gets nothing of the join request', async (context) => {
  const genuine = await startFabric(context)
  const other = await startFabric(context)
  const line = await genuine.joinLine('camera-1')
  const folder = join(genuine.folder, 'camera-1')
  const { port } = other.authority.api
  await assert.rejects(joinFolder({ folder, clock: genuine.clock, line: { ...line, port } }), {
    code: 'KOS_NODE_AUTHORITY_UNTRUSTED',
    details: { check: 'pin' },
  })
  // Nothing of it is kept, but for the keys and a memory of floors without entries.
  assert.deepEqual(readdirSync(folder), ['floors.bin', 'keys'])

  // It would have told: a request that does reach it is recorded, and only that one is.
  const forged = forgedLine({ port, pin: other.authority.pin })
  assert.ok(isRefusal(await joinFolder({ folder, clock: genuine.clock, line: forged })))
  await other.stopAuthority()
  await other.startAuthority()
  const { out } = await other.kosctl(['audit', 'tail', '--count', '100', '--json'])
  const counts = [...out.matchAll(/"action":"POST \/v1\/join".*"count":(\d+)/g)]
  assert.deepEqual(
    counts.map(([, count]) => count),
    ['1'],
  )

  // The line is not used up: at the right address it joins.
  assert.ok(!isRefusal(await joinFolder({ folder, clock: genuine.clock, line })))
})
