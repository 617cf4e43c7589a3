/** What the authority says of its members' logs. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { SILENT_AFTER_MS } from '../../../../src/apps/authority/audit-members.ts'
import { eventually, startFabric } from '../../../kit/fabric.ts'

interface MemberLine {
  readonly name: string
  readonly state: string
  readonly takenIn: number
  readonly missing: number
  readonly heardAt: number
  readonly connected: boolean
}

test('a member that forwards is current; one that is away is silent, with the time of its last word', async (context) => {
  const fabric = await startFabric(context)
  const ask = async (): Promise<readonly MemberLine[]> =>
    JSON.parse((await fabric.kosctl(['audit', 'members', '--json'])).out) as MemberLine[]
  assert.deepEqual(await ask(), [])
  await fabric.joinLine('camera-0')
  const node = await fabric.addNode('camera-1')
  await eventually(async () => {
    fabric.clock.advance(2100)
    const [{ state, takenIn } = { state: 'none', takenIn: 0 }] = await ask()
    return state === 'current' && takenIn > 0
  })
  const [present] = await ask()
  assert.deepEqual([present?.name, present?.missing, present?.connected], ['camera-1', 0, true])

  await node.running.stop()
  await eventually(async () => (await ask())[0]?.connected === false)
  const [gone] = await ask()
  fabric.clock.advance(SILENT_AFTER_MS + 60_000)
  const [silent] = await ask()
  assert.deepEqual([silent?.state, silent?.heardAt], ['silent', gone?.heardAt])
  const { err, code } = await fabric.kosctl(['audit', 'members'])
  assert.match(err, /silent +camera-1, taken in up to entry \d+: last heard 4 min ago/)
  assert.equal(code, 0)
  const tail = await fabric.kosctl(['audit', 'tail'])
  assert.match(tail.err, /silent +camera-1/)
  const verify = await fabric.kosctl(['audit', 'verify'])
  assert.match(verify.out, /member +camera-1: taken in up to \d+, last heard 4 min ago/)
  assert.equal(verify.code, 0)

  // What was heard survives a restart of the authority as far as entries prove it.
  await fabric.stopAuthority()
  await fabric.startAuthority()
  const [kept] = await ask()
  assert.equal(kept?.state, 'silent')
  assert.ok((kept?.heardAt ?? 0) <= (gone?.heardAt ?? 0) && (kept?.heardAt ?? 0) > 0)
})

test('a log that does not grow says so', async (context) => {
  const fabric = await startFabric(context)
  await fabric.addNode('camera-1')
  const ask = async (): Promise<MemberLine | undefined> =>
    (JSON.parse((await fabric.kosctl(['audit', 'members', '--json'])).out) as MemberLine[])[0]
  await eventually(async () => (await ask())?.state === 'current')
  const before = (await ask())?.heardAt ?? 0
  await eventually(async () => {
    fabric.clock.advance(10_000)
    return ((await ask())?.heardAt ?? 0) > before + 120_000
  })
  assert.equal((await ask())?.state, 'current')
})
