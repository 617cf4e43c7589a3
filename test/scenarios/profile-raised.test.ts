/** A profile rises: a new certificate, and every older one dies everywhere at once. */
import assert from 'node:assert/strict'
import { cpSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { isRefusal } from '../../src/foundation/base/index.ts'
import { raiseMembership } from '../../src/apps/node/index.ts'
import { eventually, startFabric, tlsOf } from '../kit/fabric.ts'
import {
  dialAs,
  memberOf,
  raiseLine,
  raiseNode,
  testAppraiser,
  testEvidence,
} from '../kit/raised.ts'

test('SEC-2 rises to SEC-3: same id, new certificate, the old one dead at every peer', async (context) => {
  const fabric = await startFabric(context, { authority: { evidence: testAppraiser } })
  const node = await fabric.addNode('camera-1')
  const peer = await fabric.addNode('camera-2')
  const before = node.running.member.membership
  const presented = tlsOf(node.folder)
  const thief = join(fabric.folder, 'thief')
  const { member, refusal } = await raiseNode({ after: (end) => context.after(end) }, fabric, {
    ...node,
    running: {
      ...node.running,
      stop: async () => {
        await node.running.stop()
        cpSync(node.folder, thief, { recursive: true })
      },
    },
  })
  assert.equal(refusal, undefined)
  const after = member.membership
  assert.deepEqual(
    [after.principal.uri, after.profile, after.generation],
    [before.principal.uri, 'SEC-3', before.generation + 1],
  )
  const shown = await fabric.kosctl(['devices', 'show', 'camera-1'])
  assert.match(shown.out, /kOS-SEC-3/)
  // One step: the lock list says what the registry says.
  const { locks, directory } = peer.running.member.fabric
  await eventually(() => directory.byUri(after.principal.uri)?.profile === 'SEC-3')
  assert.deepEqual(locks.current?.value.minimum, {
    [after.principal.uri]: { generation: after.generation, floor: 'SEC-3' },
  })
  // The old certificate: at the API, at the peer.
  const old = memberOf(context, fabric, thief)
  assert.equal(old.membership.profile, 'SEC-2')
  const asked = await fabric.request({
    method: 'GET',
    path: '/v1/objects',
    identity: presented,
    signedBy: fabric.operator,
  })
  assert.equal(asked.status, 403)
  const dial = dialAs(context, old)
  const { uri } = peer.running.member.membership.principal
  assert.ok(isRefusal(await dial.dial(peer.running.address, uri)))
  assert.equal(peer.running.sessions.size, 1)
})

test('a line is good once, for its device and with its evidence; a lost answer is repeated', async (context) => {
  const fabric = await startFabric(context, { authority: { evidence: testAppraiser } })
  const node = await fabric.addNode('camera-1')
  const other = await fabric.addNode('camera-2')
  const line = await raiseLine(fabric, 'camera-1')
  await node.running.stop()
  await other.running.stop()
  const member = memberOf(context, fabric, node.folder)
  const lost = join(fabric.folder, 'lost')
  const rules: unknown[] = []
  const attempt = async (
    by: typeof member,
    evidence?: (binding: Uint8Array) => Uint8Array,
  ): Promise<void> => {
    const again = { ...line, secret: line.secret }
    const refusal = await raiseMembership(by, { line: again, ...(evidence && { evidence }) })
    rules.push(refusal ? `${refusal.code} ${refusal.rule}` : by.membership.profile)
  }
  await attempt(member)
  await attempt(member, () => testEvidence(new Uint8Array(32)))
  await attempt(memberOf(context, fabric, other.folder), testEvidence)
  cpSync(node.folder, lost, { recursive: true })
  await attempt(member, testEvidence)
  await attempt(memberOf(context, fabric, lost), testEvidence)
  await attempt(member, testEvidence)
  assert.deepEqual(rules, [
    'KOS_ENROLMENT_PROFILE raise/evidence',
    'KOS_ENROLMENT_PROFILE raise/evidence',
    'KOS_ENROLMENT_UNKNOWN principal/identity-key',
    'SEC-3',
    'SEC-3',
    'KOS_ENROLMENT_TOKEN token/spent',
  ])
})

test('without an appraiser hardware profiles are refused in one sentence; down and same too', async (context) => {
  const fabric = await startFabric(context)
  await fabric.addNode('camera-1')
  const said: string[] = []
  for (const profile of ['SEC-3', 'SEC-4', 'SEC-2', 'SEC-1']) {
    const ran = await fabric.kosctl(['device', 'raise', 'camera-1', '--profile', profile])
    assert.equal(ran.code, 3)
    said.push(ran.err)
  }
  const [three = '', four = '', same = '', down = ''] = said
  assert.match(three, /SEC-3 needs hardware evidence, which this authority cannot appraise yet/)
  assert.match(four, /SEC-4 needs hardware evidence/)
  assert.match(same, /It has SEC-2 already/)
  assert.match(down, /never goes down|KOS_PROFILES_DOWNGRADE/)
  const audit = await fabric.kosctl(['audit', 'tail', '--json'])
  assert.match(audit.out, /profile-floor/)
})
