/** The intermediate CA lives 90 days; the fabric lives on. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { systemRandom } from '../../../../src/foundation/base/index.ts'
import { rotateIntermediate } from '../../../../src/apps/authority/ca-rotation.ts'
import { openMember } from '../../../../src/apps/node/index.ts'
import { connected, eventually, startFabric } from '../../../kit/fabric.ts'
import { createTestAuthority, DAY_MS, leafRequest } from '../../../kit/pki.ts'

const HOUR_MS = 3_600_000

test('half of a life, a day, the end: each step once and in order', () => {
  using authority = createTestAuthority()
  const { ca, clock } = authority
  const step = (): string | undefined => rotateIntermediate(ca, clock.wallMs())
  const first = ca.chain[0]
  assert.equal(step(), undefined)
  clock.advance(46 * DAY_MS)
  assert.equal(step(), 'prepared')
  assert.equal(step(), undefined)
  assert.deepEqual(ca.chain[0], first)
  clock.advance(DAY_MS + 1)
  assert.equal(step(), 'switched')
  assert.notDeepEqual(ca.chain[0], first)
  assert.equal(step(), undefined)
  clock.advance(43 * DAY_MS)
  assert.equal(step(), 'retired')
  assert.equal(ca.trust.intermediates.length, 1)
  assert.ok(ca.issueLeaf(leafRequest()).notAfter > clock.wallMs())
})

test('without the root keys the intermediate stays until its end', () => {
  using authority = createTestAuthority()
  const { clock, keys } = authority
  for (const name of ['ca-root-p256', 'ca-root-ml-dsa-65']) keys.remove(name)
  const ca = authority.reopen()
  clock.advance(80 * DAY_MS)
  assert.equal(rotateIntermediate(ca, clock.wallMs()), undefined)
  assert.equal(ca.intermediateDue, true)
})

test('a fabric goes through a rotation; operators and nodes go with it', async (context) => {
  const fabric = await startFabric(context)
  const leafIssuer = (folder: string): string => {
    const member = openMember({ clock: fabric.clock, random: systemRandom }, { folder })
    assert.ok(member)
    const { bundle } = member.fabric
    member.close()
    return bundle.intermediates.map(({ certificate }) => certificate.serialHex).join()
  }
  const before = leafIssuer(fabric.operator)
  for (let day = 0; day < 46; day += 23) {
    fabric.clock.advance(23 * DAY_MS)
    assert.equal((await fabric.kosctl(['devices'])).code, 0)
  }
  const node = await fabric.addNode('camera-1')
  assert.equal(node.running.member.fabric.bundle.intermediates.length, 2)
  // The node is renewed twice a day.
  for (let hours = 0; hours < 26; hours += 13) {
    fabric.clock.advance(13 * HOUR_MS)
    await eventually(
      () => node.running.member.clock.wallMs() < node.running.member.validity.notAfter,
    )
    await connected(node)
  }
  const exec = await fabric.kosctl(['exec', 'camera-1', 'calc', '1+2'])
  assert.deepEqual(exec, { code: 0, out: '3\n', err: '' })
  const audit = await fabric.kosctl(['audit', 'tail', '--count', '500'])
  assert.match(audit.out, /ca\.intermediate\.prepared.*ca\.intermediate\.switched/s)
  assert.notEqual(leafIssuer(node.folder), before)
})

test('an authority that was off past the end of its intermediate starts again', async (context) => {
  const fabric = await startFabric(context)
  await fabric.stopAuthority()
  fabric.clock.advance(100 * DAY_MS)
  await fabric.startAuthority()
  const health = await fabric.request({ method: 'GET', path: '/v1/health' })
  assert.equal(health.status, 200)
})
