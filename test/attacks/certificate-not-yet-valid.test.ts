/** A clock is set back, or a certificate was made for later: it does not count before its start. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isRefusal, unixMs } from '../../src/foundation/base/index.ts'
import { verifyPeerLeaf } from '../../src/trust/pki/index.ts'
import { createTestAuthority, leafRequest } from '../kit/pki.ts'

test('a leaf is refused before its start, while 30 s of clock skew are no problem', () => {
  using authority = createTestAuthority()
  const { ca, clock } = authority
  const leaf = ca.issueLeaf(leafRequest())
  const at = (nowMs: number): string => {
    const check = { bundle: ca.trust, purpose: 'server', nowMs: unixMs(nowMs) } as const
    const result = verifyPeerLeaf(leaf.der, check)
    return isRefusal(result) ? `${result.code} ${result.rule}` : 'ok'
  }
  assert.equal(at(clock.wallMs() - 30_000), 'ok')
  assert.equal(at(leaf.notBefore - 1), 'KOS_PKI_CERTIFICATE not-yet-valid')
  assert.equal(at(0), 'KOS_PKI_CERTIFICATE not-yet-valid')
})
