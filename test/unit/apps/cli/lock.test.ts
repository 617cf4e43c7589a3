/** `kosctl lock` and `kosctl unlock`: cut off everywhere at once, and let in again. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { isRefusal, silentLog, systemRandom } from '../../../../src/foundation/base/index.ts'
import {
  closeAuthorityState,
  openAuthorityState,
} from '../../../../src/apps/authority/authority-state.ts'
import { eventually, startFabric, type TestFabric, type TestNode } from '../../../kit/fabric.ts'
import { startRogue } from '../../../kit/rogue.ts'

const uriOf = ({ running }: TestNode): string => running.member.membership.principal.uri

/** Audit entries of an action. */
async function recordsOf(fabric: TestFabric, action: string): Promise<readonly unknown[]> {
  const { out } = await fabric.kosctl(['audit', 'tail', '--count', '500', '--json'])
  return out
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, unknown>)
    .filter((entry) => entry['action'] === action)
    .map(({ outcome, detail, rule }) => [outcome, detail ?? rule])
}

test('a lock ends running streams at authority and peers; unlocking lets in again', async (context) => {
  const fabric = await startFabric(context)
  const camera = await fabric.addNode('camera-1')
  const peer = await startRogue(context, fabric, {
    name: 'peer',
    onCall: async ({ command, emit, signal }) => {
      if (command.startsWith('fabric.')) return { status: 'ok', value: {} }
      while (!signal.aborted && (await emit?.(new Uint8Array(1000)))) await nextTurn()
      return { status: 'failed', code: 'KOS_TEST_STOPPED' }
    },
  })
  const thief = await startRogue(context, fabric, { name: 'thief' })
  const thiefUri = thief.member.membership.principal.uri
  const open = await thief.dial(camera)
  const streaming = await thief.runtime.dial(peer.address, peer.member.membership.principal.uri)
  assert.ok(!isRefusal(streaming))
  let bytes = 0
  const stream = streaming.session.call(
    'stream',
    {},
    { deadlineMs: 60_000, onData: (data) => void (bytes += data.length) },
  )
  await eventually(() => bytes > 10_000, 'a running stream')

  const locked = await fabric.kosctl(['lock', 'thief', '--reason', 'sold on the market'])
  assert.deepEqual([locked.code, locked.out], [0, 'locked  thief\n'])
  // The authority cuts, and a node that was told by it.
  await thief.authority.session.closed
  await open.session.closed
  // This peer of ours listens to nobody: it is told by hand what a node is told.
  const told = camera.running.member.fabric.locks.current
  assert.ok(told)
  peer.member.fabric.apply('locks', told.signed)
  assert.equal(peer.runtime.recheckSessions(), 1)
  assert.equal((await stream).status, 'failed')
  assert.ok(isRefusal(await thief.runtime.dial(camera.running.address, uriOf(camera))))

  const shown = await fabric.kosctl(['devices', '--json'])
  const states = (JSON.parse(shown.out) as { name: string; state: string }[]).map(
    ({ name, state }) => `${name} ${state}`,
  )
  assert.ok(states.includes('thief locked'), states.join())
  const reason = { reason: 'sold on the market' }
  assert.deepEqual(await recordsOf(fabric, 'device.lock'), [
    ['intent', reason],
    ['ok', reason],
  ])

  const unlocked = await fabric.kosctl(['unlock', 'thief', '--json'])
  assert.deepEqual(JSON.parse(unlocked.out), { unlocked: 'thief' })
  await eventually(() => !camera.running.member.fabric.locks.isLocked(thiefUri))
  assert.ok(!isRefusal(await thief.runtime.dial(camera.running.address, uriOf(camera))))
  assert.deepEqual((await recordsOf(fabric, 'device.unlock')).length, 2)
})

test('who cannot be unlocked, and who cannot lock', async (context) => {
  const fabric = await startFabric(context)
  await fabric.addNode('camera-1')
  const refusals = async (args: readonly string[], pattern: RegExp): Promise<void> => {
    const { code, err } = await fabric.kosctl(args)
    assert.notEqual(code, 0)
    assert.match(err, pattern)
  }
  await refusals(['lock', 'camera-1'], /--reason/)
  await refusals(['lock', 'camera-1', '--reason', 'x'.repeat(300)], /KOS_BASE_INVALID/)
  await refusals(['lock', 'olga', '--reason', 'myself'], /lock\/self/)
  await refusals(['lock', 'nobody', '--reason', 'x'], /KOS_AUTHORITY_NOT_FOUND/)
  await refusals(['unlock', 'camera-1'], /unlock\/not-locked/)
  // A device has no role: it can neither lock others nor unlock itself.
  const camera = fabric.nodes[0]
  assert.ok(camera)
  const body = Buffer.from('{}')
  const path = '/v1/principals/camera-1/unlock'
  const own = await fabric.request({ method: 'POST', path, as: camera.folder, body })
  assert.equal(own.status, 403)
  // Twice is once.
  for (const reason of ['one', 'two']) {
    assert.equal((await fabric.kosctl(['lock', 'camera-1', '--reason', reason])).code, 0)
  }
  const locked = await fabric.request({
    method: 'POST',
    path,
    as: camera.folder,
    body,
    signedBy: 'none',
  })
  assert.deepEqual([locked.status, locked.rule], [403, 'guard/operator/certificate'])

  const called = await fabric.kosctl(['exec', 'camera-1', 'calc', '1'])
  assert.deepEqual([called.code, /KOS_CLI_LOCKED/.test(called.err)], [3, true])

  // Found to be copied: registry and list say so, and no operator takes it off.
  await fabric.stopAuthority()
  const state = await openAuthorityState(
    { clock: fabric.clock, random: systemRandom, log: silentLog },
    {
      folder: fabric.stateFolder,
      trustDomain: camera.running.member.membership.principal.trustDomain,
    },
  )
  const { id } = camera.running.member.membership.principal
  await state.registry.change(id, { state: 'quarantined' })
  await closeAuthorityState(state)
  await fabric.startAuthority()
  await refusals(['unlock', 'camera-1'], /unlock\/quarantined/)
  assert.equal((await fabric.kosctl(['lock', 'camera-1', '--reason', 'again'])).code, 0)
  await refusals(['unlock', 'camera-1'], /unlock\/quarantined/)
  assert.equal((await fabric.kosctl(['devices', 'remove', 'camera-1'])).code, 0)
  await refusals(['unlock', 'camera-1'], /KOS_AUTHORITY_NOT_FOUND/)
})
