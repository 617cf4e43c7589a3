/** What a member proves of itself to an authority that was restored. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isRefusal, type Refusal, unixMs } from '../../../../src/foundation/base/index.ts'
import {
  decodeOffer,
  encodeOffer,
  type ProvenMember,
  type RecoveryClaim,
  verifyClaim,
} from '../../../../src/lifecycle/recovery/index.ts'
import { createTestAuthority, DAY_MS, domain } from '../../../kit/pki.ts'
import { EXPORTER, testMember } from '../../../kit/recovery.ts'

test('a claim holds for one connection, one leaf and its keys', () => {
  using authority = createTestAuthority()
  const { ca, clock } = authority
  const member = testMember(ca, { generation: 4 })
  const other = testMember(ca)
  const check = { bundles: [ca.trust], exporter: EXPORTER, nowMs: clock.wallMs() }
  const judge = (
    claim: RecoveryClaim,
    changes: Partial<typeof check> = {},
  ): ProvenMember | Refusal => verifyClaim(claim, { ...check, ...changes })
  const rule = (claim: RecoveryClaim, changes: Partial<typeof check> = {}): string => {
    const judged = judge(claim, changes)
    return isRefusal(judged) ? `${judged.code} ${judged.rule}` : 'proven'
  }
  const claim = member.claim()
  const proven = judge(claim)
  assert.ok(!isRefusal(proven))
  assert.deepEqual(
    [proven.peer.principal.uri, proven.peer.generation, proven.peer.floor.name],
    [member.principal.uri, 4, 'SEC-2'],
  )
  // An ended leaf says the same as before.
  assert.equal(rule(claim, { nowMs: unixMs(clock.wallMs() + 400 * DAY_MS) }), 'proven')
  const past = unixMs(clock.wallMs() - 400 * DAY_MS)
  assert.equal(rule(claim, { nowMs: past }), 'KOS_RECOVERY_CLAIM claim/not-yet-valid')
  const on = new Uint8Array(32).fill(8)
  assert.equal(rule(claim, { exporter: on }), 'KOS_RECOVERY_CLAIM claim/binding')
  const wrong: readonly (readonly [string, Partial<RecoveryClaim>])[] = [
    ['identity-key', { leaf: other.facts.leaf }],
    ['identity-key', { identitySpki: other.facts.identitySpki }],
    ['binding', { kemSpki: other.facts.kemSpki }],
    ['binding', { logSpkis: other.facts.logSpkis }],
    ['keys', { kemSpki: member.facts.logSpkis[0] ?? EXPORTER }],
    ['keys', { logSpkis: [...member.facts.logSpkis].toReversed() }],
    ['keys', { logSpkis: [] }],
    ['signature', { proof: other.claim().proof }],
    ['encoding', { kemSpki: EXPORTER }],
    ['encoding', { leaf: EXPORTER }],
  ]
  for (const [check, change] of wrong) {
    assert.equal(rule({ ...claim, ...change }), `KOS_RECOVERY_CLAIM claim/${check}`)
  }
  assert.equal(rule(claim, { bundles: [] }), 'KOS_RECOVERY_CLAIM claim/no-bundle')
  using foreign = createTestAuthority(domain('other.internal'))
  assert.equal(rule(claim, { bundles: [foreign.ca.trust] }), 'KOS_RECOVERY_CLAIM claim/issuer')
  // Any of several bundles may hold the issuer.
  assert.equal(rule(claim, { bundles: [foreign.ca.trust, ca.trust] }), 'proven')
})

test('an offer is read as it was written, and nothing else is', () => {
  using authority = createTestAuthority()
  const member = testMember(authority.ca)
  const offer = {
    bundle: authority.ca.bundle,
    objects: { manifest: Uint8Array.of(1, 2) },
    claim: member.claim(),
  }
  const read = decodeOffer(encodeOffer(offer))
  assert.ok(!isRefusal(read))
  assert.deepEqual(Buffer.from(encodeOffer(read)), Buffer.from(encodeOffer(offer)))
  const bare = decodeOffer(encodeOffer({ bundle: offer.bundle, objects: {}, claim: undefined }))
  assert.ok(!isRefusal(bare) && bare.claim === undefined)
  const rule = (bytes: Uint8Array): string => {
    const decoded = decodeOffer(bytes)
    return isRefusal(decoded) ? `${decoded.code} ${decoded.rule}` : 'read'
  }
  assert.equal(rule(Uint8Array.of(0xff)), 'KOS_RECOVERY_OFFER encoding')
  assert.match(
    rule(encodeOffer({ ...offer, claim: { ...offer.claim, logSpkis: [] } })),
    /^KOS_RECOVERY_OFFER claim\.logSpkis/,
  )
})
