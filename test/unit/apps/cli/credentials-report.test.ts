/** What credentials there are in a fleet, and how old: of every kind, page by page, and of one folder. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { CredentialView } from '../../../../src/apps/authority/index.ts'
import { createCredentialReport } from '../../../../src/apps/authority/credential-report.ts'
import { EMPTY_LOCK_LIST } from '../../../../src/trust/pki/index.ts'
import { createFleet, joined, tokenOf } from '../../../kit/enrolment.ts'
import { startFabric, type TestFabric } from '../../../kit/fabric.ts'
import { joinSensor } from '../../../kit/sensor.ts'

const DAY_MS = 86_400_000

async function report(
  fabric: TestFabric,
  ...args: readonly string[]
): Promise<readonly CredentialView[]> {
  const ran = await fabric.kosctl(['credentials', 'report', '--json', ...args])
  assert.equal(ran.code, 0, ran.err)
  return JSON.parse(ran.out) as CredentialView[]
}

test('every kind of credential, its age, its last use, its end', async (context) => {
  const fabric = await startFabric(context)
  await fabric.addNode('camera-1')
  await joinSensor(fabric, 'sensor-1')
  await fabric.kosctl(['token', 'create', '--name', 'camera-2'])
  const all = await report(fabric)
  const kinds = [...new Set(all.map(({ kind }) => kind))].toSorted((a, b) => (a < b ? -1 : 1))
  assert.deepEqual(kinds, [
    'api-token',
    'certificate',
    'intermediate',
    'join-token',
    'psk',
    'role-key',
    'root',
  ])
  const camera = all.find(({ kind, name }) => kind === 'certificate' && name === 'camera-1')
  assert.ok(camera?.lastUsedAt)
  assert.deepEqual([camera.generation, camera.state], [1, 'active'])

  // Weeks later: what was not used is found, and of whom it is.
  fabric.clock.advance(17 * DAY_MS)
  await fabric.kosctl(['devices'])
  await fabric.kosctl(['devices'])
  const own = (await report(fabric, '--kind', 'certificate')).filter(({ name }) => name === 'olga')
  assert.deepEqual(
    own.map(({ generation, state }) => [generation, state]),
    [
      [1, 'superseded'],
      [2, 'active'],
    ],
  )
  const old = await report(fabric, '--older-than', '16d', '--sort', 'name')
  assert.ok(old.some(({ kind }) => kind === 'intermediate'))
  assert.ok(!old.some(({ kind, generation }) => kind === 'certificate' && generation === 2))
  const unused = await report(fabric, '--unused-for', '16d', '--kind', 'psk', '--kind', 'root')
  assert.ok(unused.some(({ kind, name }) => kind === 'psk' && name === 'sensor-1'))

  const shown = await fabric.kosctl([
    'credentials',
    'report',
    '--kind',
    'certificate',
    '--sort',
    'end',
  ])
  assert.match(shown.out, /^KIND +NAME +ID +GEN +STATE +SINCE +LAST USE +ENDS$/m)
  assert.match(shown.out, /^certificate +olga +[0-9a-f]+…? +2 +active +\d/m)
  assert.match(shown.out, /in all: \d+ certificate$/m)
  for (const [option, value] of [
    ['--kind', 'passport'],
    ['--sort', 'colour'],
    ['--older-than', 'long'],
  ] as const) {
    assert.equal((await fabric.kosctl(['credentials', 'report', option, value])).code, 2)
  }

  // Who may look: auditors, operators, admins; nobody sees a place that is none.
  const { vera = '', anna = '' } = await fabric.addUsers({ vera: ['viewer'], anna: ['auditor'] })
  const refused = await fabric.kosctl(['credentials', 'report'], { config: vera })
  assert.equal(refused.code, 3)
  assert.match(refused.err, /admin or operator or auditor \(yours: viewer\)/)
  assert.equal((await fabric.kosctl(['credentials', 'report'], { config: anna })).code, 0)
  const path = '/v1/credentials?after=nowhere'
  const lost = await fabric.request({ method: 'GET', path, as: fabric.operator })
  assert.deepEqual([lost.status, lost.rule], [400, 'credentials/after'])

  // The own folder knows its dates too.
  const list = await fabric.kosctl(['credentials', 'list'])
  assert.match(
    list.out,
    /^certificate +generation 2, since \S+ \S+ ago, ends in 30 d, serial [0-9a-f]+$/m,
  )
  assert.match(list.out, /^API token +since .* ago, ends in \d+ min, handle \S+$/m)
})

test('pages of any size come to the same, each credential once', async (context) => {
  const fleet = await createFleet(context)
  for (const name of ['a', 'b', 'c', 'd', 'e']) await joined(fleet, { name })
  await fleet.tokens.create(tokenOf(fleet, { name: 'f' }))
  const locked = await joined(fleet, { name: 'g' })
  await fleet.registry.change(locked.grant.principalId, { state: 'locked' })
  const revoked = (await joined(fleet, { name: 'h' })).grant
  const minimum = { [revoked.uri]: { generation: 2, floor: 'SEC-2' } } as const
  const report = createCredentialReport({
    ...fleet,
    apiTokens: { live: () => [] },
    locks: () => ({ ...EMPTY_LOCK_LIST, minimum }),
  })
  const whole = report.page(undefined, 1000)?.credentials ?? []
  assert.equal(whole.filter(({ kind }) => kind === 'certificate').length, 8)
  for (const size of [1, 2, 3, 7, whole.length]) {
    const read: CredentialView[] = []
    let after: string | undefined
    do {
      const page = report.page(after, size)
      assert.ok(page && page.credentials.length <= size)
      read.push(...page.credentials)
      after = page.next
    } while (after !== undefined)
    assert.deepEqual(read, whole)
  }
  const stateOf = (wanted: string): string | undefined =>
    whole.find(({ kind, name }) => kind === 'certificate' && name === wanted)?.state
  assert.deepEqual(['a', 'g', 'h'].map(stateOf), ['waiting', 'locked', 'revoked'])
  assert.equal(report.page('9x', 5), undefined)
})
