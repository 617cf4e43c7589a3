/** Another authority of the same name and trust domain issues certificates for our principals. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isRefusal } from '../../src/foundation/base/index.ts'
import { parseCertificate } from '../../src/foundation/codec/index.ts'
import { verifyPeerLeaf } from '../../src/trust/pki/index.ts'
import { createTestAuthority, forgeLeaf, leafRequest } from '../kit/pki.ts'
import { testKey } from '../kit/x509.ts'

test('a leaf of another authority is refused, whatever it calls itself', () => {
  using ours = createTestAuthority()
  using theirs = createTestAuthority()
  const answer = (der: Uint8Array): string => {
    const check = { bundle: ours.ca.trust, purpose: 'client', nowMs: ours.clock.wallMs() } as const
    const result = verifyPeerLeaf(der, check)
    if (!isRefusal(result)) return 'ok'
    assert.equal(result.code, 'KOS_PKI_CERTIFICATE')
    return result.rule
  }
  const foreign = theirs.ca.issueLeaf(leafRequest()).der
  const [ourIssuer] = ours.ca.chain
  // The names are the same on both sides; only keys tell the authorities apart.
  assert.deepEqual(parseCertificate(foreign).issuer.der, parseCertificate(ourIssuer).subject.der)
  assert.equal(answer(foreign), 'issuer')
  // With our issuer's name and key id copied, the signature is what remains.
  assert.equal(answer(forgeLeaf(testKey(), ours)), 'signature')
  assert.equal(answer(ours.ca.issueLeaf(leafRequest()).der), 'ok')
})
