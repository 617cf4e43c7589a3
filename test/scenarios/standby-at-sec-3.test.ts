/** Two SEC-3 devices call one another for longer than their lock list may be old: a standby signer says it is new. */
import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import { isRefusal, silentLog, systemRandom } from '../../src/foundation/base/index.ts'
import type { OpenSession, PeerRuntime, RunningNode } from '../../src/apps/node/index.ts'
import { createStandbyLink } from '../../src/apps/node/standby-link.ts'
import { eventually, startFabric, type TestFabric, type TestNode } from '../kit/fabric.ts'
import { dialAs, raiseNode, testAppraiser } from '../kit/raised.ts'
import {
  allowCalc,
  lockAgeMs,
  offerStandby,
  passTime,
  permit,
  restartRaised,
} from '../kit/standby.ts'

const LIMIT_MS = 600_000
const STEP_MS = 30_000

/** A device of SEC-3 that calls: a program with its keys, which asks the standby as a node does. */
interface Caller {
  readonly runtime: PeerRuntime
  readonly isYoung: () => boolean
}

/** Raises a node and goes on with its keys. */
async function callAs(context: TestContext, fabric: TestFabric, node: TestNode): Promise<Caller> {
  const { member, refusal } = await raiseNode(context, fabric, node)
  assert.equal(refusal, undefined)
  const runtime = dialAs(context, member)
  const { clock } = member
  const { locks } = member.fabric
  const link = createStandbyLink({
    clock,
    random: systemRandom,
    log: silentLog,
    fabric: member.fabric,
    own: member.membership.principal.uri,
    signer: () => undefined,
    dial: (at, uri) => runtime.dial(at, uri),
    floor: () => member.membership.profile,
    hasAuthority: () => false,
    takeLocks: (signed) => member.fabric.apply('locks', signed),
    onFreshBy: () => undefined,
  })
  context.after(() => link.stop())
  link.start()
  return { runtime, isYoung: () => locks.ageMs(clock.monotonicMs()) < 12_000 }
}

async function calc({ session }: OpenSession): Promise<unknown> {
  const result = await session.call('calc', { expression: '1+2' })
  return result.status === 'ok' ? (result.value as { value: unknown }).value : result.rule
}

async function dial({ runtime }: Caller, node: RunningNode): Promise<OpenSession | string> {
  const at = { ...node.address, profile: 'SEC-3' } as const
  const open = await runtime.dial(at, node.member.membership.principal.uri)
  return isRefusal(open) ? open.code : open
}

test('SEC-3 without its authority', async (context) => {
  const fabric = await startFabric(context, { authority: { evidence: testAppraiser } })
  await allowCalc(fabric)
  const gate = await offerStandby(fabric, 'gate-2')
  const first = await fabric.addNode('camera-1')
  const second = await fabric.addNode('camera-2')
  await permit(fabric, 'gate-2')
  const camera = await restartRaised(context, { fabric, node: first })
  const { uri } = camera.member.membership.principal
  const { directory } = second.running.member.fabric
  await eventually(() => directory.byUri(uri)?.profile === 'SEC-3', 'camera-2 knows of it')
  const caller = await callAs(context, fabric, second)
  const isYoung = (): boolean =>
    caller.isYoung() && lockAgeMs(camera) < 12_000 && lockAgeMs(gate.running) < 12_000
  await eventually(isYoung, 'everybody knows that the list is new')
  const open = await dial(caller, camera)
  assert.ok(typeof open !== 'string')
  assert.equal(await calc(open), 3)

  await fabric.stopAuthority()
  await passTime(fabric, { ms: LIMIT_MS + 60_000, stepMs: STEP_MS }, isYoung)
  assert.equal(await calc(open), 3, 'the session is still open')
  const later = await dial(caller, camera)
  assert.ok(typeof later !== 'string')
  assert.equal(await calc(later), 3, 'and new ones open')

  // The standby goes, too: what would have happened without it.
  await gate.running.stop()
  await passTime(fabric, { ms: LIMIT_MS + STEP_MS, stepMs: STEP_MS }, () => true)
  await open.session.closed
  assert.equal(await dial(caller, camera), 'KOS_PKI_STALE')
})
