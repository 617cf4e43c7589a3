/** Scenario: the authority dies. Its members go on with what they hold, and nothing is unrecorded. */
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { forwardedIndexes, leafHashes, verifyNodeLog } from '../kit/log-files.ts'
import { Place } from '../kit/processes.ts'

const PEERS_CALCULATE = {
  id: 'peers-calculate',
  effect: 'allow',
  domain: 'rpc',
  from: ['kind:device'],
  to: ['kind:device'],
  actions: ['calc'],
}
const CALLS_WHILE_AWAY = 3

/** A member of `kosctl audit members --json`. */
interface MemberLog {
  readonly name: string
  readonly state: string
  readonly takenIn: number
  readonly missing: number
  readonly heardAt: number
  readonly connected: boolean
  readonly alarms: readonly object[]
}

test('peers talk while the authority is away, and their records arrive later', async (context) => {
  const place = new Place(context)
  const authority = await place.startAuthority()
  const camera = await place.join('camera-1')
  await place.join('camera-2')
  await place.changeRules((rules) => [...rules, PEERS_CALCULATE])
  await place.eventually('the rule is in force', async () => {
    const { code } = await place.execAs('camera-2', 'camera-1', 'calc', '1')
    return code === 0
  })
  // The operator's own copy of the directory is from now on.
  assert.equal(await place.done('exec', 'camera-1', 'calc', '1+2'), '3\n')
  const devices = await place.devices()
  const [first, second] = ['camera-1', 'camera-2'].map((name) =>
    devices.find((device) => device.name === name),
  )
  assert.ok(first && second)

  await authority.kill()
  for (let call = 0; call < CALLS_WHILE_AWAY; call++) {
    const { code, out, err } = await place.execAs('camera-2', 'camera-1', 'calc', `40+${call}`)
    assert.deepEqual([code, out], [0, `${40 + call}\n`], err)
  }
  const refused = await place.execAs('camera-2', 'camera-1', 'system.info')
  assert.match(refused.err, /rule +default-deny/)
  assert.equal(await place.done('exec', 'camera-1', 'calc', '5+6'), '11\n')
  const unreachable = await place.kosctl(['devices'])
  assert.notEqual(unreachable.code, 0)
  assert.match(unreachable.err, /authority cannot be reached/)

  await place.startAuthority()
  await place.connected('camera-1', 'camera-2')
  const isMeanwhile = (entry: { actor: string; target: string }): boolean =>
    entry.actor === second.uri && entry.target === first.uri
  await place.eventually('the entries of that time were forwarded', async () => {
    const actions = (await place.audit()).filter(isMeanwhile).map(({ action }) => action)
    const calls = actions.filter((action) => action === 'calc')
    return calls.length > CALLS_WHILE_AWAY && actions.includes('system.info')
  })

  const nodeFile = join(place.stateOf('camera-1'), 'node.sqlite')
  const authorityFile = join(place.stateOf('authority'), 'authority.sqlite')
  const size = leafHashes(nodeFile).length
  await camera.stop()
  await place.eventually('all of them were forwarded', () => {
    const indexes = forwardedIndexes(authorityFile, first.id)
    assert.deepEqual(
      indexes,
      indexes.map((_, index) => index),
    )
    return indexes.length >= size
  })
  assert.equal((await verifyNodeLog(place.stateOf('camera-1'))).ok, true)
  await place.verifyAudit()

  // What stands in the authority's log of each member, and since when one has said nothing.
  const logs = JSON.parse(await place.done('audit', 'members', '--json')) as MemberLog[]
  const [gone, present] = ['camera-1', 'camera-2'].map((name) =>
    logs.find((log) => log.name === name),
  )
  assert.ok(gone && present)
  // It records the end of its sessions when nobody is there to take that any more.
  assert.ok(gone.takenIn >= size && gone.takenIn <= leafHashes(nodeFile).length)
  assert.deepEqual([gone.missing, gone.connected, gone.alarms], [0, false, []])
  assert.deepEqual([present.connected, present.alarms], [true, []])
  assert.ok(gone.heardAt <= Date.now() && gone.heardAt > 0)
  assert.match(await place.done('audit', 'verify'), /^member +camera-1: taken in up to \d+, last/m)
})
