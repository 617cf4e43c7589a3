/**
 * A machine without a battery-backed clock starts in the past: to it every certificate is too early,
 * and one that ended long ago is good. It takes the authority's time once that is proven but for time,
 * and never goes back behind what the authority signed.
 */
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { isRefusal, systemRandom } from '../../src/foundation/base/index.ts'
import { openMember } from '../../src/apps/node/index.ts'
import { connected, eventually, joinFolder, startFabric } from '../kit/fabric.ts'
import { bundleAnswers, bundleOf, startImpostor } from '../kit/impostor.ts'
import { createJumpClock } from '../kit/jump-clock.ts'

const HOUR_MS = 3_600_000
const DAY_MS = 24 * HOUR_MS
const YEARS_MS = 5 * 365 * DAY_MS

test('a node whose clock is behind joins, serves, and keeps the floor over restarts', async (context) => {
  const fabric = await startFabric(context)
  for (const [name, behindMs] of [
    ['camera-1', DAY_MS],
    ['camera-2', YEARS_MS],
  ] as const) {
    const clock = createJumpClock(-behindMs)
    const node = await fabric.addNode(name, { clock })
    const exec = await fabric.kosctl(['exec', name, 'calc', '1+2'])
    assert.deepEqual([exec.code, exec.out, exec.err], [0, '3\n', ''])
    // No authority to ask any more: what is signed in the folder is enough.
    await fabric.stopAuthority()
    await node.running.stop()
    const member = openMember({ clock, random: systemRandom }, { folder: node.folder })
    assert.ok(member)
    const behind = fabric.clock.wallMs() - member.clock.wallMs()
    assert.ok(behind < 60_000, `${behind} ms behind`)
    assert.ok(fabric.clock.wallMs() - clock.wallMs() > behindMs - 1000)
    member.close()
    await fabric.startAuthority()
    await node.restart()
  }
})

test('a node that was off for hours asks for the time when it comes back', async (context) => {
  const fabric = await startFabric(context)
  const clock = createJumpClock(-DAY_MS)
  const node = await fabric.addNode('camera-1', { clock })
  await node.running.stop()
  // The machine of the node did not count these hours.
  fabric.clock.advance(3 * HOUR_MS)
  const again = await node.restart()
  assert.ok(Math.abs(fabric.clock.wallMs() - again.running.member.clock.wallMs()) < 30_000)
})

test('a node that slept while it ran asks for the time as soon as it is refused', async (context) => {
  const events: string[] = []
  const fabric = await startFabric(context)
  const clock = createJumpClock()
  const node = await fabric.addNode('camera-1', {
    clock,
    log: { event: (name) => void events.push(name) },
  })
  // Monotonic time stands still in sleep, and so did the wall clock of this machine.
  fabric.clock.advance(14 * HOUR_MS)
  await eventually(() => events.includes('clock.raised'))
  await connected(node)
  // Half of the certificate's life is over by the new time: it is renewed at once.
  await eventually(() => node.running.member.membership.generation === 2)
})

test('a fabric whose machines are all behind OpenSSL’s idea of time works', async (context) => {
  // The machine's own clock, which OpenSSL reads, is two days behind that of the fabric.
  const fabric = await startFabric(context, { clock: createJumpClock(2 * DAY_MS) })
  const node = await fabric.addNode('camera-1')
  await connected(node)
  assert.equal((await fabric.kosctl(['exec', 'camera-1', 'calc', '2*3'])).out, '6\n')
})

test('a stolen, ended certificate of the authority does not turn a clock back', async (context) => {
  const fabric = await startFabric(context)
  const stolen = await fabric.authorityIdentity()
  const bundle = await bundleOf(fabric.authority.api.port)
  const stolenAtMs = fabric.clock.wallMs()
  fabric.clock.advance(2 * DAY_MS)
  const line = await fabric.joinLine('camera-1')
  const folder = join(fabric.folder, 'camera-1')
  const thief = async (claimedMs: number): Promise<number> => {
    const answers = bundleAnswers(bundle, () => claimedMs)
    const { port } = await startImpostor(context, stolen, answers)
    return port
  }
  const good = fabric.clock
  // Whoever knows the time, or a later floor, sees that the claimed time is in the past.
  const past = await thief(stolenAtMs)
  await assert.rejects(joinFolder({ folder, clock: good, line: { ...line, port: past } }), {
    code: 'KOS_NODE_CLOCK',
  })
  // Outside the life of the certificate its owner can claim nothing.
  for (const claimedMs of [good.wallMs(), good.wallMs() + YEARS_MS, stolenAtMs - DAY_MS]) {
    const port = await thief(claimedMs)
    await assert.rejects(joinFolder({ folder, clock: good, line: { ...line, port } }), {
      code: 'KOS_NODE_AUTHORITY_UNTRUSTED',
      details: { check: claimedMs < stolenAtMs ? 'not-yet-valid' : 'expired' },
    })
  }
  assert.ok(!isRefusal(await joinFolder({ folder, clock: good, line })))
})
