/** The rotation of the intermediate CA by an operator: four steps, back until the last, nobody lost. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isRefusal, silentLog } from '../../../../src/foundation/base/index.ts'
import { createCaControl } from '../../../../src/apps/authority/ca-control.ts'
import { rotateIntermediate } from '../../../../src/apps/authority/ca-rotation.ts'
import type { CaStatus } from '../../../../src/apps/authority/index.ts'
import { connected, eventually, startFabric, type TestFabric } from '../../../kit/fabric.ts'
import { createTestAuthority, DAY_MS, leafRequest, type TestAuthority } from '../../../kit/pki.ts'

const MINUTE_MS = 60_000

/** What the rotation needs nothing of. */
const chainDeps = ({ ca, clock }: TestAuthority) => ({
  log: silentLog,
  clock,
  leaf: (): Uint8Array => ca.issueLeaf(leafRequest()).der,
  onChainChanged: (): void => undefined,
})

test('steps, each in its turn only, and back again until the old one is gone', () => {
  using authority = createTestAuthority()
  const { ca } = authority
  const steps: string[] = []
  const held = [{ name: 'gate', der: Buffer.from(ca.issueLeaf(leafRequest()).der) }]
  const control = createCaControl({
    ...chainDeps(authority),
    ca,
    certificatesInForce: () => held,
    onChanged: (step) => void steps.push(step),
  })
  const states = (): string =>
    control
      .status()
      .intermediates.map(({ state }) => state)
      .join()
  const rule = (answer: unknown): string => (isRefusal(answer) ? answer.rule : 'done')
  for (const step of [
    () => control.activate(),
    () => control.taint(),
    () => control.revoke(true),
  ]) {
    assert.equal(rule(step()), 'ca/one-intermediate')
  }
  assert.equal(rule(control.prepare()), 'done')
  assert.equal(states(), 'issuing,permitted')
  assert.equal(rule(control.prepare()), 'ca/two-intermediates')
  assert.equal(rule(control.activate()), 'done')
  assert.equal(states(), 'permitted,issuing')
  assert.equal(rule(control.taint()), 'done')
  assert.equal(states(), 'tainted,issuing')
  assert.equal(rule(control.revoke(false)), 'ca/holders')
  assert.deepEqual(
    control.status().intermediates.map(({ holders, names }) => [holders, names]),
    [
      [1, ['gate']],
      [0, []],
    ],
  )
  // The way back clears the taint.
  assert.equal(rule(control.activate()), 'done')
  assert.equal(states(), 'issuing,permitted')
  control.activate()
  control.taint()
  held[0] = { name: 'gate', der: Buffer.from(ca.issueLeaf(leafRequest()).der) }
  assert.equal(rule(control.revoke(false)), 'done')
  assert.equal(states(), 'issuing')
  assert.deepEqual(steps, [
    'prepared',
    'switched',
    'tainted',
    'switched',
    'switched',
    'tainted',
    'retired',
  ])
  assert.equal(authority.reopen().trust.number, ca.trust.number, 'all of it is durable')
})

test('without the root keys nothing new is permitted, and nothing changes', () => {
  using authority = createTestAuthority()
  authority.ca.prepareIntermediate()
  for (const name of ['ca-root-p256', 'ca-root-ml-dsa-65']) authority.keys.remove(name)
  const ca = authority.reopen()
  const control = createCaControl({
    ...chainDeps(authority),
    ca,
    certificatesInForce: () => [],
    onChanged: () => undefined,
  })
  const { number } = ca.trust
  for (const step of [() => control.taint(), () => control.revoke(true)]) {
    const answer = step()
    assert.ok(isRefusal(answer))
    assert.deepEqual([answer.code, answer.rule], ['KOS_AUTHORITY_CA', 'ca/root-keys'])
  }
  // Which one issues is no new statement of the roots.
  assert.ok(!isRefusal(control.activate()))
  assert.equal(ca.trust.number, number)
})

test('what an operator prepared early, or went back from, is left to the operator', () => {
  using authority = createTestAuthority()
  const { ca, clock } = authority
  clock.advance(DAY_MS)
  ca.prepareIntermediate()
  clock.advance(3 * DAY_MS)
  assert.equal(rotateIntermediate(ca, clock.wallMs()), undefined)
  ca.switchIntermediate()
  ca.switchIntermediate()
  assert.equal(rotateIntermediate(ca, clock.wallMs()), undefined)
  clock.advance(43 * DAY_MS)
  assert.equal(rotateIntermediate(ca, clock.wallMs()), 'switched', 'past half of its life')
})

test('a fabric is rotated: no session is lost, and everybody renews', async (context) => {
  const fabric = await startFabric(context)
  const nodes = await Promise.all(
    ['camera-1', 'camera-2', 'camera-3'].map((name) => fabric.addNode(name)),
  )
  await Promise.all(nodes.map(connected))
  const links = nodes.map(({ running }) => running.link)
  const ca = async (...words: readonly string[]): Promise<CaStatus> => {
    const ran = await fabric.kosctl(['ca', ...words, '--json'])
    assert.equal(ran.code, 0, ran.err)
    return JSON.parse(ran.out) as CaStatus
  }
  assert.deepEqual(
    (await ca()).intermediates.map(({ holders, names }) => [holders, names]),
    [[4, ['camera-1', 'camera-2', 'camera-3', 'olga']]],
  )
  await ca('prepare')
  const hasBundle = (number: number): boolean =>
    nodes.every(({ running }) => running.member.fabric.bundle.number === number)
  await eventually(() => hasBundle(2))
  await ca('activate')
  assert.deepEqual(await holdersOf(fabric), [4, 0])
  await ca('taint')
  await eventually(() => hasBundle(3))
  const refused = await fabric.kosctl(['ca', 'revoke'])
  assert.equal(refused.code, 3)
  assert.match(refused.err, /ca\/holders.*KOS_AUTHORITY_CA.*Still held: 4\./s)
  // Within ten minutes every node has renewed, each at a moment of its own.
  for (let minute = 0; minute < 10; minute++) fabric.clock.advance(MINUTE_MS)
  await eventually(() => nodes.every(({ running }) => running.member.membership.generation === 2))
  // The operator's own certificate follows behind a command.
  await fabric.kosctl(['devices'])
  assert.deepEqual(await holdersOf(fabric), [0, 4])
  const done = await fabric.kosctl(['ca', 'revoke'])
  assert.equal(done.code, 0, done.err)
  assert.match(done.out, /^revoked\n\ntrust bundle +1\.4\nroot keys +on the authority\n/)
  assert.match(done.out, /\n[0-9a-f]{16} +issuing .* 4 +camera-1, camera-2, camera-3, …\n/)
  await eventually(() => hasBundle(4))
  assert.ok(links.every((link) => link.isConnected))
  const exec = await fabric.kosctl(['exec', 'camera-1', 'calc', '1+2'])
  assert.deepEqual(exec, { code: 0, out: '3\n', err: '' })
  const audit = await fabric.kosctl(['audit', 'tail', '--count', '500'])
  assert.match(audit.out, /ca\.prepare.*ca\.activate.*ca\.taint.*ca\.revoke/s)
})

async function holdersOf(fabric: TestFabric): Promise<readonly number[]> {
  const { out } = await fabric.kosctl(['ca', 'status', '--json'])
  return (JSON.parse(out) as CaStatus).intermediates.map(({ holders }) => holders)
}

test('only an admin takes a step; a viewer looks', async (context) => {
  const fabric = await startFabric(context)
  const { vera = '', otto = '' } = await fabric.addUsers({ vera: ['viewer'], otto: ['operator'] })
  assert.equal((await fabric.kosctl(['ca'], { config: vera })).code, 0)
  for (const step of ['prepare', 'activate', 'taint', 'revoke']) {
    const ran = await fabric.kosctl(['ca', step], { config: otto })
    assert.equal(ran.code, 3, step)
    assert.match(ran.err, /KOS_AUTHORITY_GUARD/)
  }
})
