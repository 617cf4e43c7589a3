/**
 * Scenario: a node is killed with kill -9 while programs run in its sandbox. No program outlives it,
 * and after the restart its log says of each call that it was interrupted.
 */
import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import {
  DEFAULT_PROBE_OPTIONS,
  probeSandbox,
  systemProbeHost,
} from '../../src/commands/sandbox/index.ts'
import { verifyNodeLog } from '../kit/log-files.ts'
import { Place } from '../kit/processes.ts'
import { processesWith, until } from '../kit/sandbox.ts'

const ALLOW = {
  id: 'owner-runs',
  effect: 'allow',
  domain: 'rpc',
  from: ['owner'],
  to: ['any'],
  actions: ['process.run'],
}
/** Seconds that no other test sleeps. */
const NAPS = ['86301', '86302']

test('programs end with a killed node, and its record is complete', async (context) => {
  const { refusal } = await probeSandbox({ host: systemProbeHost }, DEFAULT_PROBE_OPTIONS)
  if (refusal) return context.skip(`no sandbox on this host: ${refusal.code} (${refusal.rule})`)
  const place = new Place(context)
  const programs = join(place.folder, 'programs.json')
  const nap = { path: '/usr/bin/sleep', arguments: [{ pattern: '^[0-9]{1,6}$' }] }
  writeFileSync(programs, JSON.stringify({ nap }), { mode: 0o600 })
  await place.startAuthority()
  const line = await place.joinLine('camera-1')
  const args = ['--programs', programs]
  let node = await place.startNode('camera-1', { line, args })
  await place.connected('camera-1')
  await place.changeRules((rules) => [...rules, ALLOW])
  await place.eventually('the rule counts', async () => {
    const { code } = await place.kosctl(['exec', 'camera-1', 'process.run', 'nap', '0'])
    return code === 0
  })
  assert.match(
    await place.done('exec', 'camera-1', 'process.run', 'nap', '0', '--json'),
    /"exitCode": ?0/,
  )

  // Where the daemon is not root, one program runs at a time.
  const naps = process.getuid?.() === 0 ? NAPS : NAPS.slice(0, 1)
  const calls = naps.map((seconds) =>
    place.kosctl(['exec', 'camera-1', 'process.run', 'nap', seconds]),
  )
  const alive = (): number => naps.flatMap((seconds) => sleepers(seconds)).length
  await until('every program runs', () => naps.every((seconds) => sleepers(seconds).length > 0))
  await node.kill()
  await until('no program is left', () => alive() === 0)
  for (const { code } of await Promise.all(calls)) assert.notEqual(code, 0)

  node = await place.startNode('camera-1', { args })
  await place.connected('camera-1')
  await place.eventually('the authority has the whole record', async () => {
    const records = (await place.audit()).filter(({ action }) => action === 'process.run')
    const of = (outcome: string): number => records.filter((one) => one.outcome === outcome).length
    return of('intent') === naps.length + 2 && of('failed') === naps.length && of('ok') === 2
  })
  const records = (await place.audit()).filter(({ action }) => action === 'process.run')
  const interrupted = records.filter(({ code }) => code === 'KOS_EXECUTION_INTERRUPTED')
  assert.equal(interrupted.length, naps.length)
  const done = records.find(({ outcome }) => outcome === 'ok')
  assert.match(
    JSON.stringify(done),
    /system-call-filter/,
    'what the sandbox lacks is in the record',
  )
  assert.equal((await verifyNodeLog(place.stateOf('camera-1'))).ok, true)
  await node.stop()
})

/** The sleeping programs themselves, and bubblewrap around them. */
function sleepers(seconds: string): readonly number[] {
  return processesWith(`sleep\0${seconds}`)
}
