/** An authority is lost and comes back from an older backup; its members need no hand. */
import assert from 'node:assert/strict'
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { Secret, silentLog, systemRandom } from '../../../../src/foundation/base/index.ts'
import {
  createBackup,
  type RecoveryProgress,
  restoreBackup,
} from '../../../../src/apps/authority/index.ts'
import { renewMembership } from '../../../../src/apps/node/index.ts'
import {
  connected,
  eventually,
  startFabric,
  type TestFabric,
  type TestNode,
} from '../../../kit/fabric.ts'

const MINUTE_MS = 60_000
const passphrase = (): Secret => Secret.take(Buffer.from('correct horse battery'))

interface World {
  readonly fabric: TestFabric
  readonly deps: {
    readonly clock: TestFabric['clock']
    readonly random: typeof systemRandom
    readonly log: typeof silentLog
  }
  readonly file: string
}

async function world(context: TestContext, names: readonly string[]): Promise<World> {
  const fabric = await startFabric(context)
  for (const name of names) await fabric.addNode(name)
  const deps = { clock: fabric.clock, random: systemRandom, log: silentLog }
  return { fabric, deps, file: join(fabric.folder, 'kos.backup') }
}

const backUp = ({ deps, fabric, file }: World): Promise<unknown> =>
  createBackup(deps, { folder: fabric.stateFolder, file, passphrase: passphrase() })

async function lose({ fabric }: World): Promise<void> {
  await fabric.stopAuthority()
  rmSync(fabric.stateFolder, { recursive: true })
}

const restore = ({ deps, fabric, file }: World): ReturnType<typeof restoreBackup> =>
  restoreBackup(deps, { folder: fabric.stateFolder, file, passphrase: passphrase() })

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

test('one that was away brings what nobody else knew: a lock, and its own certificate', async (context) => {
  const all = await world(context, ['lamp', 'gate'])
  const { fabric } = all
  const [lamp, gate] = fabric.nodes
  assert.ok(lamp && gate)
  await backUp(all)
  // Neither of them hears of what comes now.
  await lamp.running.stop()
  await gate.running.stop()
  const late = await fabric.addNode('late')
  assert.equal((await fabric.kosctl(['lock', 'lamp', '--reason', 'stolen'])).code, 0)
  const { locks } = late.running.member.fabric
  const { uri } = lamp.running.member.membership.principal
  await eventually(() => locks.isLocked(uri))
  await late.running.stop()
  await lose(all)
  await restore(all)
  const members = fabric.startAuthority({ recovery: { waitMs: MINUTE_MS } })
  const passing = setInterval(() => fabric.clock.advance(5000), 50)
  const back = await gate.restart().finally(() => clearInterval(passing))
  await members
  assert.deepEqual(fabric.authority.recovered, { adopted: 0, renewed: 0, locked: 0, unknown: 0 })
  assert.ok(!back.running.member.fabric.locks.isLocked(uri))

  const again = await late.restart()
  assert.ok(again.running.link.isConnected)
  const devices = (await fabric.kosctl(['devices'])).out
  assert.match(devices, /late .*connected/)
  assert.match(devices, /lamp .*locked/)
  await eventually(
    () => back.running.member.fabric.locks.isLocked(uri),
    'the lock is in force again',
  )
  const audit = await fabric.kosctl(['audit', 'tail', '--count', '100'])
  assert.match(audit.out, /locks\.recover.*member\.adopt/s)
  const unlocked = await fabric.kosctl(['unlock', 'lamp'])
  assert.equal(unlocked.code, 0, unlocked.err)
  await eventually(() => !back.running.member.fabric.locks.isLocked(uri))
})
