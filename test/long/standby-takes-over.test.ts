/** Scenario: the authority is killed; a standby signer, in a process of its own, answers the nonces of members. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Daemon, Place } from '../kit/processes.ts'

interface Status {
  readonly locksFreshBy: string
  readonly locksAgeMs: number
}

/** By whose word a daemon says that its lock list is new, the last one last. */
function words({ err }: Daemon): readonly string[] {
  return err
    .split('\n')
    .filter((line) => line.includes('"msg":"locks.fresh-by"'))
    .map((line) => (JSON.parse(line) as { name: string }).name)
}

test('members live by the word of a standby until the authority is back', async (context) => {
  const place = new Place(context)
  const authority = await place.startAuthority()
  const line = await place.joinLine('gate-2')
  const gate = await place.startNode('gate-2', { line, args: ['--standby'] })
  await gate.printed(/^standby +not permitted yet: kosctl standby add gate-2$/m)
  const cameras = [await place.join('camera-1'), await place.join('camera-2')]
  await place.connected('gate-2')
  assert.match(await place.done('standby', 'list'), /^gate-2 +offered +- +yes +[0-9a-f]{16}$/m)
  assert.match(await place.done('standby', 'add', 'gate-2'), /^permitted +gate-2, trust bundle 2$/m)
  const statusOf = async (name: string): Promise<Status> => {
    const shown = await place.done('exec', name, 'system.status', '--json')
    return (JSON.parse(shown) as { value: Status }).value
  }
  assert.equal((await statusOf('camera-1')).locksFreshBy, 'authority')

  await authority.kill()
  const allSay = (word: string): Promise<void> =>
    place.eventually(`both by the word of ${word}`, () =>
      cameras.every((camera) => words(camera).at(-1) === word),
    )
  await allSay('gate-2')

  // Killed as well: key, bundle and list are on its disk, and it is found where it was.
  await gate.kill()
  const again = await place.startNode('gate-2', { args: ['--standby'] })
  await again.printed(/^standby +permitted$/m)
  const { locksAgeMs } = await statusOf('camera-1')
  await place.eventually('a younger list than before', async () => {
    const now = await statusOf('camera-1')
    return now.locksFreshBy === 'gate-2' && now.locksAgeMs < locksAgeMs
  })

  await place.startAuthority()
  await allSay('authority')
  await place.eventually('the change of word in the log', async () => {
    const told = (await place.audit()).filter(({ action }) => action === 'locks.fresh-by')
    return ['gate-2', 'authority'].every((name) =>
      told.some((one) => one.detail?.['name'] === name),
    )
  })
  assert.match(
    await place.done('standby', 'remove', 'gate-2'),
    /^removed +gate-2, trust bundle 3$/m,
  )
})
