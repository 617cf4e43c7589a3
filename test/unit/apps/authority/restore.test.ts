/** An authority is lost and comes back from an older backup; its members need no hand. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { RecoveryProgress } from '../../../../src/apps/authority/index.ts'
import { renewMembership } from '../../../../src/apps/node/index.ts'
import { connected, eventually, type TestNode } from '../../../kit/fabric.ts'
import { backUp, lose, restore, type World, world } from '../../../kit/lost-authority.ts'

const MINUTE_MS = 60_000
/** Starts it while time goes on: members ask in pauses of their own. */
async function startAgain(
  { fabric }: World,
  members: readonly TestNode[] = fabric.nodes,
): Promise<readonly RecoveryProgress[]> {
  const seen: RecoveryProgress[] = []
  const passing = setInterval(() => fabric.clock.advance(5000), 50)
  try {
    await fabric.startAuthority({
      recovery: { waitMs: 6 * MINUTE_MS, onProgress: (progress) => void seen.push(progress) },
    })
    await Promise.all(members.map(connected))
  } finally {
    clearInterval(passing)
  }
  return seen
}

const eraOf = ({ running }: TestNode): number => running.member.fabric.bundle.era

test('what came after the backup is brought by the members, rotated intermediate included', async (context) => {
  const all = await world(context, ['gate', 'cam', 'door', 'shed'])
  const { fabric } = all
  const [gate, cam] = fabric.nodes
  assert.ok(gate && cam)
  await backUp(all)
  // After the backup: a device joins, another renews, one is locked, the intermediate is replaced.
  const late = await fabric.addNode('late')
  assert.equal(await renewMembership(cam.running.member, { addresses: [] }), undefined)
  assert.equal((await fabric.kosctl(['lock', 'door', '--reason', 'stolen'])).code, 0)
  assert.equal((await fabric.kosctl(['devices', 'remove', 'shed'])).code, 0)
  for (const step of ['prepare', 'activate', 'taint']) {
    assert.equal((await fabric.kosctl(['ca', step])).code, 0, step)
  }
  const bundle = (): number[] => [gate, cam, late].map((n) => n.running.member.fabric.bundle.number)
  await eventually(() => bundle().every((number) => number === 3))
  for (let minute = 0; minute < 10; minute++) fabric.clock.advance(MINUTE_MS)
  const generations = (): string =>
    [gate, cam, late].map((n) => n.running.member.membership.generation).join()
  await eventually(() => generations() === '2,3,2')
  await fabric.kosctl(['devices'])
  const revoked = await fabric.kosctl(['ca', 'revoke', '--force'])
  assert.equal(revoked.code, 0, revoked.err)
  await eventually(() => bundle().every((number) => number === 4))
  const token = await fabric.kosctl(['token', 'create', '--name', 'spare'])
  const manifest = fabric.nodes.map((n) => n.running.member.fabric.manifest?.number)

  await lose(all)
  const restored = await restore(all)
  assert.ok(restored.hasRootKeys && restored.verifiedEntries > 0)
  const seen = await startAgain(all, [gate, cam, late])
  assert.deepEqual(
    [seen[0]?.reported, seen.at(-1)?.reported, seen.at(-1)?.expected, seen.at(-1)?.era],
    [0, 3, 3, 2],
  )
  const { recovered } = fabric.authority
  assert.deepEqual(recovered, { adopted: 1, renewed: 2, locked: 2, unknown: 0 })
  await eventually(() => [gate, cam, late].every((node) => eraOf(node) > 1))
  // The intermediate that the backup does not know is permitted until all have renewed.
  const status = await fabric.kosctl(['ca', '--json'])
  assert.equal(status.code, 0, status.err)
  const states = (JSON.parse(status.out) as { intermediates: { state: string }[] }).intermediates
  assert.deepEqual(states.map(({ state }) => state).toSorted(), ['issuing', 'tainted'])
  for (let minute = 0; minute < 10; minute++) fabric.clock.advance(MINUTE_MS)
  await eventually(() => generations() === '3,4,3', 'they renew under the new intermediate')
  const devices = await fabric.kosctl(['devices'])
  assert.match(devices.out, /door .*locked/)
  assert.doesNotMatch(devices.out, /shed/)
  assert.match(devices.out, /late .*SEC-2/)
  const exec = await fabric.kosctl(['exec', 'late', 'calc', '1+2'])
  assert.deepEqual(exec, { code: 0, out: '3\n', err: '' })
  // Tokens of before are void, and a name that was to be given is free.
  const listed = await fabric.kosctl(['token', 'list', '--json'])
  assert.ok(token.code === 0 && !listed.out.includes('"open"'), listed.out)
  assert.ok(
    fabric.nodes
      .filter(({ name }) => name !== 'door' && name !== 'shed')
      .every(
        ({ running }, at) => (running.member.fabric.manifest?.number ?? 0) > (manifest[at] ?? 0),
      ),
    'the manifest of the new era is the last word',
  )
  const verified = await fabric.kosctl(['audit', 'verify'])
  assert.match(verified.out, /verified/, verified.err)
  const audit = await fabric.kosctl(['audit', 'tail', '--count', '300'])
  assert.match(audit.out, /authority\.restore/)
})
