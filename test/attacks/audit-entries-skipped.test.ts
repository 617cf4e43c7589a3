/** A member forwards its log without the entries that tell against it. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { CallResult } from '../../src/network/session/index.ts'
import { startFabric } from '../kit/fabric.ts'
import { startRogueLog } from '../kit/rogue-log.ts'

const nextIndexOf = (result: CallResult): unknown =>
  result.status === 'ok' && (result.value as { nextIndex: number }).nextIndex

test('entries that a member leaves out are an alarm, until they came', async (context) => {
  const fabric = await startFabric(context)
  const { history, forward, rogue } = await startRogueLog(context, fabric, 'camera-9')
  const log = await history('a', 'b', 'incriminating', 'd')
  const whole = await log.unforwarded()
  const part = (first: number, end: number): typeof whole => ({
    ...whole,
    first,
    entries: whole.entries.slice(first, end),
  })
  const first = await forward(part(0, 2))
  assert.equal(nextIndexOf(first), 2)
  const behind = await fabric.kosctl(['audit', 'members'])
  assert.match(behind.out, /^camera-9 +device +behind +2 +2 .+ago +yes$/m)
  assert.match(behind.err, /behind {3}camera-9, taken in up to entry 2: it has 2 more/)
  assert.equal(behind.code, 0)

  // The answer says where to go on; nothing behind the gap is taken in.
  for (let attempt = 0; attempt < 3; attempt++) {
    const skipped = await forward(part(3, 4))
    assert.equal(nextIndexOf(skipped), 2)
  }
  for (const command of ['members', 'verify', 'tail']) {
    const { err, code } = await fabric.kosctl(['audit', command])
    assert.match(err, /ALARM +camera-9: entry 2 of its log was never forwarded, later ones were/)
    assert.equal(code, command === 'tail' ? 0 : 5, command)
  }
  const json = JSON.parse((await fabric.kosctl(['audit', 'members', '--json'])).out) as object[]
  assert.deepEqual(
    json.map((member) => ({ ...member, heardAt: 0 })),
    [
      {
        id: rogue.member.membership.principal.id,
        kind: 'device',
        name: 'camera-9',
        state: 'alarm',
        takenIn: 2,
        missing: 2,
        heardAt: 0,
        connected: true,
        alarms: [{ kind: 'gap', first: 2, last: 2 }],
      },
    ],
  )
  // Renumbering does not help: an entry says its index, and the signed root covers it.
  const renumbered = await forward({ ...part(3, 4), first: 2 })
  assert.equal(renumbered.status !== 'ok' && renumbered.rule, 'entry 2: index')
  const recorded = await fabric.kosctl(['audit', 'tail', '--count', '100', '--json'])
  const alarms = recorded.out.split('\n').filter((line) => line.includes('"action":"audit.ingest"'))
  assert.equal(alarms.length, 2, 'one for the gap, one for what does not fit')

  const filled = await forward(part(2, 4))
  assert.equal(nextIndexOf(filled), 4)
  const { out, code } = await fabric.kosctl(['audit', 'members'])
  assert.match(out, /^camera-9 +device +current +4 +0 .+ago +yes$/m)
  assert.equal(code, 0)
  assert.equal((await fabric.kosctl(['audit', 'verify'])).code, 0)
})
