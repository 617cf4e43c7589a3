/** Scenario: a node dies while it joins. The same join line again gives it the same certificate. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { openMember } from '../../src/apps/node/index.ts'
import { systemClock, systemRandom } from '../../src/foundation/base/index.ts'
import { queryFile } from '../kit/log-files.ts'
import { Place } from '../kit/processes.ts'
import { startTcpProxy } from '../kit/tcp-proxy.ts'

const JOIN_KILLED = fileURLToPath(import.meta.resolve('../kit/join-killed.ts'))
/** More than the two questions before it, less than a join request. */
const JOIN_REQUEST_BYTES = 2000

/** The certificates that the authority has issued to devices, in hexadecimal. */
function issued(place: Place): readonly string[] {
  const file = join(place.stateOf('authority'), 'authority.sqlite')
  const sql = "SELECT der FROM certificate WHERE principal_id LIKE 'kdev-%'"
  return queryFile(file, sql).map(({ der }) => Buffer.from(der as Uint8Array).toString('hex'))
}

/** The certificate that a node keeps, in hexadecimal. */
function kept(folder: string): string {
  const member = openMember({ clock: systemClock, random: systemRandom }, { folder })
  assert.ok(member)
  member.close()
  return Buffer.from(member.membership.leaf).toString('hex')
}

async function assertServes(place: Place, certificate: string): Promise<void> {
  await place.connected('camera-1')
  assert.equal(kept(place.stateOf('camera-1')), certificate)
  assert.deepEqual(issued(place), [certificate])
  const devices = (await place.devices()).filter(({ kind }) => kind === 'device')
  assert.deepEqual(
    devices.map(({ name, generation }) => [name, generation]),
    [['camera-1', 1]],
  )
  assert.equal(await place.done('exec', 'camera-1', 'calc', '1+2'), '3\n')
  await place.verifyAudit()
}

test('killed with the answer in hand, before anything was stored', async (context) => {
  const place = new Place(context)
  await place.startAuthority()
  const line = await place.joinLine('camera-1')
  const folder = place.stateOf('camera-1')
  const env = place.environment
  const args = [JOIN_KILLED, folder, line.trim()]
  const killed = spawnSync(process.execPath, args, { env, encoding: 'utf8' })
  assert.equal(killed.signal, 'SIGKILL', killed.stderr)
  assert.deepEqual(issued(place), [killed.stdout])

  await place.startNode('camera-1', { line })
  await assertServes(place, killed.stdout)
})

test('killed while it waits for an answer that was sent', async (context) => {
  const place = new Place(context)
  await place.startAuthority()
  const [host = '', port = ''] = place.addressOf('api').split(':')
  const to = { host, port: Number(port) }
  const options = { host: place.host, to, holdAfterBytes: JOIN_REQUEST_BYTES }
  const proxy = await startTcpProxy(context, options)
  const line = (await place.joinLine('camera-1')).replace(`:${port}#`, `:${proxy.port}#`)
  const first = place.launchNode('camera-1', { line })
  await place.eventually('the authority has answered', () => issued(place).length === 1)
  assert.ok(proxy.isHolding)
  assert.doesNotMatch(first.out, /joined/)
  await first.kill()
  proxy.release()

  const [certificate = ''] = issued(place)
  await place.startNode('camera-1', { line })
  await assertServes(place, certificate)
})
