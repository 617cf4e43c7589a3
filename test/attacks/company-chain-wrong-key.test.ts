/** Attack: a company's chain for another key, or for ours with more rights than we asked for, is slipped in. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { unixMs } from '../../src/foundation/base/index.ts'
import {
  basicConstraintsExtension,
  buildCertificate,
  keyUsageExtension,
  subjectKeyIdExtension,
  type X509Name,
} from '../../src/foundation/codec/index.ts'
import { createTestAuthority, DAY_MS, domain, leafRequest, somePublicKey } from '../kit/pki.ts'
import { ruleOf } from '../kit/roots.ts'

test('only our own key in our own name is taken, and nothing else is kept or trusted', () => {
  using authority = createTestAuthority()
  using other = createTestAuthority(domain('company.internal'))
  const { ca, clock } = authority
  const { rootP256Certificate: ours } = ca.trust
  // The company is another P-256 root whose key the test has.
  const company = {
    name: other.ca.trust.rootP256Certificate.subject,
    key: other.keys.require('ca-root-p256'),
  }
  const sign = (subject: X509Name, spki: Uint8Array, keyId: Uint8Array): Uint8Array =>
    buildCertificate(
      {
        serial: Uint8Array.of(9),
        issuer: company.name,
        subject,
        notBefore: unixMs(clock.wallMs() - DAY_MS),
        notAfter: unixMs(clock.wallMs() + 30 * DAY_MS),
        spki,
        extensions: [
          basicConstraintsExtension({ ca: true }),
          keyUsageExtension(['keyCertSign']),
          subjectKeyIdExtension(keyId),
        ],
      },
      company.key.certificateSigner(),
    )
  const keyId = ours.subjectKeyId ?? new Uint8Array()
  const take = (...ders: readonly Uint8Array[]): string =>
    ruleOf(ca.importOuterChain(ders, ca.issueLeaf(leafRequest()).der))
  const root = other.ca.trust.rootP256Certificate.der
  assert.equal(take(sign(ours.subject, somePublicKey(), keyId), root), 'KOS_PKI_CHAIN key')
  assert.equal(take(sign(company.name, ours.spki, keyId), root), 'KOS_PKI_CHAIN subject')
  const otherKeyId = keyId.toReversed()
  assert.equal(
    take(sign(ours.subject, ours.spki, otherKeyId), root),
    'KOS_PKI_CHAIN subject-key-id',
  )
  // The right certificate below a root that did not sign it.
  using third = createTestAuthority()
  const stranger = third.ca.trust.rootP256Certificate.der
  const right = sign(ours.subject, ours.spki, keyId)
  assert.match(take(right, stranger), /^KOS_PKI_CHAIN path: /)
  assert.equal(ca.outerChain(), undefined)
  const { bundle } = ca
  // Their root allows one CA below itself, and ours has one already.
  assert.equal(take(right, root), 'KOS_PKI_CHAIN path: path-length')
  assert.equal(ca.bundle, bundle, 'inside the trust bundle stays the law')
})
