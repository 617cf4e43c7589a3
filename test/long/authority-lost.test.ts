/**
 * Scenario: the machine of the authority is lost in the middle of a rotation of its intermediate. It comes
 * back elsewhere, from a backup that knows neither the rotation nor the last devices, and no node needs
 * a hand.
 */
import assert from 'node:assert/strict'
import { rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { type Daemon, Place } from '../kit/processes.ts'

const BEFORE = 17
const AFTER = 3
const NAMES = Array.from({ length: BEFORE + AFTER }, (_, at) => `node-${at + 1}`)

test('join 20 nodes, rotate, lose the authority, restore elsewhere', async (context) => {
  const place = new Place(context)
  const authority = await place.startAuthority('--devices-per-address', '64')
  const nodes: Daemon[] = []
  for (const name of NAMES.slice(0, BEFORE)) {
    nodes.push(await place.startNode(name, { line: await place.joinLine(name) }))
  }
  await place.connected(...NAMES.slice(0, BEFORE))
  await place.verifyAudit()

  const file = join(place.folder, 'kos.backup')
  const secret = join(place.folder, 'passphrase')
  writeFileSync(secret, 'correct horse\n', { mode: 0o600 })
  const by = ['--passphrase-file', secret]
  await place.done('backup', 'create', file, ...by)

  // What the backup does not know.
  for (const name of NAMES.slice(BEFORE)) {
    nodes.push(await place.startNode(name, { line: await place.joinLine(name) }))
  }
  await place.connected(...NAMES)
  await place.done('ca', 'prepare')
  await place.done('ca', 'activate')
  await place.done('ca', 'taint')
  await place.done('lock', 'node-2', '--reason', 'stolen')
  const others = NAMES.filter((name) => name !== 'node-2')

  await authority.kill()
  rmSync(place.stateOf('authority'), { recursive: true })

  const elsewhere = join(place.folder, 'another machine')
  const restored = await place.done('backup', 'restore', file, '--state', elsewhere, ...by)
  assert.match(restored, /entries, verified/)
  const again = place.launchAuthority('--state', elsewhere, '--devices-per-address', '64')
  await again.printed(/^restored +era 2, from a backup made .*; \d+ of \d+ members have reported$/m)
  await again.printed(/^members +3 adopted, \d+ renewed, 1 locked since the backup$/m)
  await place.connected(...others)

  // Nobody was started again, and everybody is who he was.
  assert.ok(nodes.every(({ isRunning }) => isRunning))
  for (const name of ['node-1', 'node-20']) {
    assert.equal(await place.done('exec', name, 'calc', '1+2'), '3\n')
  }
  const locked = await place.kosctl(['exec', 'node-2', 'calc', '1+2'])
  assert.notEqual(locked.code, 0)
  await place.verifyAudit()
  const late = await place.join('node-21')
  assert.ok(late.isRunning)
})
