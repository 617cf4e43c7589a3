/** A stolen or kept certificate is used after its end. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isRefusal, unixMs } from '../../src/foundation/base/index.ts'
import { verifyPeerLeaf } from '../../src/trust/pki/index.ts'
import { createTestAuthority, DAY_MS, leafRequest } from '../kit/pki.ts'

test('a leaf is refused from the first millisecond after its end', () => {
  using authority = createTestAuthority()
  const { ca, clock } = authority
  const leaf = ca.issueLeaf(leafRequest({ lifeMs: DAY_MS }))
  const at = (nowMs: number, graceMs?: number): string => {
    const result = verifyPeerLeaf(leaf.der, {
      bundle: ca.trust,
      purpose: 'client',
      nowMs: unixMs(nowMs),
      ...(graceMs !== undefined && { graceMs }),
    })
    return isRefusal(result) ? `${result.code} ${result.rule}` : 'ok'
  }
  assert.equal(at(clock.wallMs()), 'ok')
  assert.equal(at(leaf.notAfter), 'ok')
  assert.equal(at(leaf.notAfter + 1), 'KOS_PKI_CERTIFICATE expired')
  // The renewal endpoint's grace ends too.
  assert.equal(at(leaf.notAfter + DAY_MS, DAY_MS), 'ok')
  assert.equal(at(leaf.notAfter + DAY_MS + 1, DAY_MS), 'KOS_PKI_CERTIFICATE expired')
})
