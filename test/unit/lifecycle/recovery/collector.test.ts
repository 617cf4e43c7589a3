/** The newest of what members hold, whatever order they come in. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isRefusal, unixMs } from '../../../../src/foundation/base/index.ts'
import {
  createRecoveryCollector,
  type RecoveryCollector,
  type RecoveryOffer,
} from '../../../../src/lifecycle/recovery/index.ts'
import { createTestAuthority, domain } from '../../../kit/pki.ts'
import { EXPORTER, locksOf, placeOf, signedObject, testMember } from '../../../kit/recovery.ts'

test('newer objects are taken, older ones change nothing, forged ones refuse the whole offer', () => {
  using authority = createTestAuthority()
  const { ca, clock } = authority
  const old = ca.bundle
  const own = signedObject(ca, 'lock-list', { era: 1, number: 5 })
  const collector = createRecoveryCollector({
    bundle: { signed: old, object: ca.trust },
    objects: new Map([['lock-list', own]]),
  })
  const take = (offer: Partial<RecoveryOffer>): string => {
    const on = { exporter: EXPORTER, nowMs: clock.wallMs() }
    const taken = collector.take({ bundle: old, objects: {}, ...offer }, on)
    return isRefusal(taken) ? `${taken.code} ${taken.rule}` : taken.isNews ? 'news' : 'nothing new'
  }
  const locks = (number: number, era = 1, who: readonly string[] = []): Uint8Array =>
    signedObject(ca, 'lock-list', { era, number, body: locksOf(who) }).signed
  const held = (): string | undefined => {
    const object = collector.objects.get('lock-list')?.object
    return object && placeOf(object)
  }
  assert.equal(take({}), 'nothing new')
  assert.equal(take({ objects: { 'lock-list': locks(4) } }), 'nothing new')
  assert.equal(take({ objects: { 'lock-list': locks(5) } }), 'nothing new')
  assert.equal(held(), '1.5')
  assert.equal(take({ objects: { 'lock-list': locks(9) } }), 'news')
  assert.equal(take({ objects: { 'lock-list': locks(7) } }), 'nothing new')
  assert.equal(held(), '1.9')
  const manifest = signedObject(ca, 'manifest', { era: 1, number: 3 }).signed
  const directory = signedObject(ca, 'directory', { era: 1, number: 2 }).signed
  assert.equal(take({ objects: { manifest, directory } }), 'news')
  assert.deepEqual(collector.newest, {
    bundle: { era: 1, number: 1 },
    directory: { era: 1, number: 2 },
    'lock-list': { era: 1, number: 9 },
    manifest: { era: 1, number: 3 },
  })
  const refused: readonly (readonly [string, Partial<RecoveryOffer>])[] = [
    ['lock-list: fork', { objects: { 'lock-list': locks(9, 1, [testMember(ca).principal.uri]) } }],
    ['lock-list: era', { objects: { 'lock-list': locks(1, 2) } }],
    ['manifest: key id', { objects: { 'lock-list': locks(30), manifest: locks(10) } }],
    ['bundle: ', { bundle: Uint8Array.of(1) }],
  ]
  for (const [rule, offer] of refused) {
    assert.ok(take(offer).startsWith(`KOS_RECOVERY_OFFER ${rule}`), `${rule}: ${take(offer)}`)
  }
  assert.equal(held(), '1.9', 'an offer that is refused changes nothing')
  using foreign = createTestAuthority(domain('other.internal'))
  assert.equal(take({ bundle: foreign.ca.bundle }), 'KOS_RECOVERY_OFFER bundle: pin')
})

test('a bundle of both roots opens the eras and issuers that it names', () => {
  using authority = createTestAuthority()
  const { ca, clock } = authority
  const collector: RecoveryCollector = createRecoveryCollector({
    bundle: { signed: ca.bundle, object: ca.trust },
    objects: new Map(),
  })
  const on = { exporter: EXPORTER, nowMs: clock.wallMs() }
  ca.prepareIntermediate()
  ca.switchIntermediate()
  ca.retireIntermediate()
  ca.openEra()
  const member = testMember(ca)
  const lockList = signedObject(ca, 'lock-list', { era: 2, number: 1 }).signed
  // The bundle of the backup knows neither the issuer of this member nor this era.
  const taken = collector.take(
    { bundle: ca.bundle, objects: { 'lock-list': lockList }, claim: member.claim() },
    on,
  )
  assert.ok(!isRefusal(taken) && taken.isNews)
  assert.equal(collector.bundle.object.era, 2)
  assert.equal(collector.members.size, 1)
  // A member whose claim does not hold brings nothing.
  const manifest = signedObject(ca, 'manifest', { era: 2, number: 1 }).signed
  const bad = { ...member.claim(), proof: testMember(ca).claim().proof }
  const refused = collector.take({ bundle: ca.bundle, objects: { manifest }, claim: bad }, on)
  assert.ok(isRefusal(refused))
  assert.equal(collector.objects.has('manifest'), false)
})

test('of two certificates of a member the newer one counts', () => {
  using authority = createTestAuthority()
  const { ca } = authority
  const collector = createRecoveryCollector({
    bundle: { signed: ca.bundle, object: ca.trust },
    objects: new Map(),
  })
  const uri = testMember(ca).principal.uri
  for (const [generation, counts] of [
    [3, 3],
    [2, 3],
    [4, 4],
  ] as const) {
    const claim = testMember(ca, { generation }).claim()
    const on = { exporter: EXPORTER, nowMs: unixMs(authority.clock.wallMs()) }
    collector.take({ bundle: ca.bundle, objects: {}, claim }, on)
    assert.equal(collector.members.get(uri)?.peer.generation, counts)
  }
})
