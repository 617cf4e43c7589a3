/** Our own leaves pass both checks: the one of peers and the one of any issuer. */
import assert from 'node:assert/strict'
import { it } from 'node:test'
import { isRefusal, unixMs } from '../../../src/foundation/base/index.ts'
import { validatePath, verifyPeerLeaf } from '../../../src/trust/pki/index.ts'
import { testKey } from '../../kit/x509.ts'
import { createTestAuthority, DAY_MS, forgeLeaf, leafRequest, principal } from '../../kit/pki.ts'
import { verdict } from '../../kit/pkix-chain.ts'

it('agree on a leaf of ours, on its end and on a forged one', () => {
  using authority = createTestAuthority()
  const { ca, clock } = authority
  const leaf = ca.issueLeaf(leafRequest()).der
  const [intermediate] = ca.trust.intermediates
  assert.ok(intermediate)
  const check = (target: Uint8Array, nowMs = clock.wallMs()): readonly [boolean, string] => [
    !isRefusal(verifyPeerLeaf(target, { bundle: ca.trust, purpose: 'server', nowMs })),
    verdict(
      validatePath({
        target,
        candidates: [intermediate.certificate.der],
        anchors: [ca.trust.rootP256Certificate.der],
        nowMs,
        purpose: 'both',
        names: target === leaf ? { uri: principal().uri } : {},
      }),
    ),
  ]
  assert.deepEqual(check(leaf), [true, 'accepted'])
  assert.deepEqual(check(leaf, unixMs(clock.wallMs() + 2 * DAY_MS)), [false, 'expired @0'])
  assert.deepEqual(check(forgeLeaf(testKey(), authority)), [false, 'signature @0'])
})
