/**
 * Whoever breaks or steals the P-256 root key alone signs an intermediate of their own. Outsiders
 * accept it; kOS demands that the bundle, signed by the ML-DSA-65 root too, names it.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isRefusal } from '../../src/foundation/base/index.ts'
import { parseCertificate } from '../../src/foundation/codec/index.ts'
import { verifyPeerLeaf, verifyTrustBundle } from '../../src/trust/pki/index.ts'
import { buildIntermediate } from '../../src/trust/pki/ca-certificates.ts'
import { issueLeaf } from '../../src/trust/pki/issue-leaf.ts'
import { signTrustBundle } from '../../src/trust/pki/trust-bundle.ts'
import { createTestAuthority, leafRequest, TRUST_DOMAIN } from '../kit/pki.ts'
import { createTestRandom } from '../kit/random.ts'

test('an intermediate that the P-256 root signed, but the bundle does not name, is refused', () => {
  using authority = createTestAuthority()
  const { ca, clock, keys } = authority
  const random = createTestRandom()
  const { trust } = ca
  const rootKey = keys.require('ca-root-p256')
  const rogueKey = keys.create('rogue', 'ca-intermediate', 'P-256')
  const rogue = buildIntermediate(
    rogueKey.spki,
    { certificate: trust.rootP256Certificate, key: rootKey },
    { trustDomain: TRUST_DOMAIN, random, nowMs: clock.wallMs(), ordinal: 1 },
  )
  const issuer = { certificate: parseCertificate(rogue), signer: rogueKey.certificateSigner() }
  const leaf = issueLeaf({ clock, random }, issuer, leafRequest())
  const nowMs = clock.wallMs()
  const result = verifyPeerLeaf(leaf.der, { bundle: trust, purpose: 'client', nowMs })
  assert.ok(isRefusal(result))
  assert.equal(result.rule, 'issuer')

  // Nor can the attacker make a bundle that names it: the second root's signature is missing.
  const stolen = keys.create('stolen', 'ca-root', 'ML-DSA-65')
  const bundle = signTrustBundle(
    {
      trustDomain: TRUST_DOMAIN,
      era: trust.era,
      number: trust.number + 1,
      issuedAt: nowMs,
      roots: [trust.rootP256Certificate.der, trust.rootMlDsaCertificate.der],
      intermediates: [rogue],
      signingKeys: {
        lock: [ca.signers.lock.spki],
        directory: [ca.signers.directory.spki],
        policy: [ca.signers.policy.spki],
        checkpoint: [ca.signers.checkpoint.spki],
        checkpointMlDsa44: [ca.signers.checkpointMlDsa44.spki],
      },
    },
    [rootKey.coseSigner(), stolen.coseSigner()],
  )
  const forged = verifyTrustBundle(bundle, { pin: ca.pin })
  assert.ok(isRefusal(forged))
  assert.equal(forged.code, 'KOS_PKI_BUNDLE')
})
