/**
 * The commands that hold the fabric together are for the authority and its members: a device that
 * tells another one to fetch objects, or asks it for what only the authority gives, is refused.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { eventually, startFabric } from '../kit/fabric.ts'
import { startRogue } from '../kit/rogue.ts'

test('a peer’s notice makes nobody fetch anything', async (context) => {
  const fabric = await startFabric(context)
  const node = await fabric.addNode('camera-1')
  const rogue = await startRogue(context, fabric, { name: 'rogue' })
  const { session } = await rogue.dial(node)
  const callsBefore = [...node.running.sessions]
    .filter(({ direction }) => direction === 'outbound')
    .map((open) => open.session.stats?.callsOpened)
  for (const [command, args] of [
    ['fabric.push.notice', { kinds: ['locks', 'manifest', 'directory', 'bundle'] }],
    ['fabric.node.object', { kind: 'locks' }],
    ['fabric.node.report', { addresses: ['127.0.0.1:1'] }],
    ['fabric.node.audit', { first: 0, entries: [], checkpoint: '' }],
  ] as const) {
    const result = await session.call(command, args)
    assert.equal(result.status, 'refused', command)
    assert.equal(result.origin, 'peer')
  }
  const callsAfter = [...node.running.sessions]
    .filter(({ direction }) => direction === 'outbound')
    .map((open) => open.session.stats?.callsOpened)
  assert.deepEqual(callsAfter, callsBefore)
  // The attempt is recorded, and reaches the authority's log.
  fabric.clock.advance(2100)
  await eventually(async () => {
    const { out } = await fabric.kosctl(['audit', 'tail', '--count', '200', '--all', '--json'])
    return out
      .split('\n')
      .some(
        (line) =>
          line.includes('"action":"fabric.push.notice"') &&
          line.includes('"outcome":"refused"') &&
          line.includes(rogue.member.membership.principal.uri),
      )
  })
})
