import assert from 'node:assert/strict'
import { after, describe, it } from 'node:test'
import { isRefusal, type Refusal, unixMs } from '../../../../src/foundation/base/index.ts'
import {
  extendedKeyUsageExtension,
  KEY_PURPOSE,
  parseCertificate,
} from '../../../../src/foundation/codec/index.ts'
import {
  createPeerVerifier,
  type PeerCertificate,
  type PeerCheck,
  verifyPeerLeaf,
} from '../../../../src/trust/pki/index.ts'
import { createTestAuthority, forgeLeaf, leafRequest, principal } from '../../../kit/pki.ts'
import { testKey } from '../../../kit/x509.ts'

const authority = createTestAuthority()
const other = createTestAuthority()
after(() => {
  authority[Symbol.dispose]()
  other[Symbol.dispose]()
})
const { ca, clock, keys } = authority
const signer = keys.require('ca-intermediate-1').certificateSigner()
const serverOnly = extendedKeyUsageExtension([KEY_PURPOSE.serverAuth])
const leaf = ca.issueLeaf(leafRequest())
const serverLeaf = forgeLeaf({ ...testKey(), signer }, authority, {
  notBefore: leaf.notBefore,
  extensions: parseCertificate(leaf.der).extensions.map((one) =>
    one.oid === serverOnly.oid ? serverOnly : one,
  ),
})

function check(changes: Partial<PeerCheck> = {}): PeerCheck {
  return { bundle: ca.trust, purpose: 'client', nowMs: clock.wallMs(), ...changes }
}

function rule(result: PeerCertificate | Refusal): string {
  return isRefusal(result) ? result.rule : 'ok'
}

describe('verifier that remembers leaves', () => {
  it('answers like the plain verification, the first and the second time', () => {
    const verifier = createPeerVerifier()
    const plain = verifyPeerLeaf(leaf.der, check())
    assert.deepEqual(verifier.verify(leaf.der, check()), plain)
    assert.equal(verifier.size, 1)
    const again = verifier.verify(Uint8Array.from(leaf.der), check())
    assert.deepEqual(again, plain)
    // Nothing was read again: it is the object of the first time.
    assert.equal(again, verifier.verify(leaf.der, check({ purpose: 'server' })))
    assert.equal(verifier.size, 1)
  })

  it('judges time, purpose and expected name of a known leaf at every call', () => {
    const verifier = createPeerVerifier()
    const ask = (changes: Partial<PeerCheck>, der: Uint8Array = leaf.der): string =>
      rule(verifier.verify(der, check(changes)))
    assert.equal(ask({}), 'ok')
    assert.equal(ask({ nowMs: unixMs(leaf.notBefore - 1) }), 'not-yet-valid')
    assert.equal(ask({ nowMs: leaf.notAfter }), 'ok')
    assert.equal(ask({ expect: { kind: 'user' } }), 'kind')
    assert.equal(ask({ expect: { uri: `${principal().uri}a` } }), 'principal')
    assert.equal(ask({ expect: { uri: principal().uri } }), 'ok')
    assert.equal(ask({ purpose: 'server' }, serverLeaf), 'ok')
    assert.equal(ask({}, serverLeaf), 'purpose')
    assert.equal(ask({ nowMs: unixMs(leaf.notAfter + 1) }), 'expired')
  })

  it('forgets a leaf once it ended, but not while a grace is given', () => {
    const verifier = createPeerVerifier()
    const late = unixMs(leaf.notAfter + 1)
    assert.equal(rule(verifier.verify(leaf.der, check())), 'ok')
    assert.equal(rule(verifier.verify(leaf.der, check({ nowMs: late, graceMs: 1 }))), 'ok')
    assert.equal(verifier.size, 1)
    assert.equal(rule(verifier.verify(leaf.der, check({ nowMs: late }))), 'expired')
    assert.equal(verifier.size, 0)
  })

  it('forgets everything when the bundle is another one', () => {
    const verifier = createPeerVerifier()
    assert.equal(rule(verifier.verify(leaf.der, check())), 'ok')
    assert.equal(rule(verifier.verify(leaf.der, check({ bundle: other.ca.trust }))), 'issuer')
    assert.equal(verifier.size, 0)
    // A bundle of the same authority that no longer names the intermediate.
    assert.equal(rule(verifier.verify(leaf.der, check())), 'ok')
    const without = { ...ca.trust, intermediates: [] }
    assert.equal(rule(verifier.verify(leaf.der, check({ bundle: without }))), 'issuer')
    assert.equal(verifier.size, 0)
  })

  it('remembers no refusal, nor a leaf that differs in one bit from a known one', () => {
    const verifier = createPeerVerifier()
    assert.equal(rule(verifier.verify(leaf.der, check())), 'ok')
    const forged = Uint8Array.from(leaf.der)
    forged[forged.length - 1] = (forged.at(-1) ?? 0) ^ 1
    assert.notEqual(rule(verifier.verify(forged, check())), 'ok')
    assert.notEqual(rule(verifier.verify(forged, check())), 'ok')
    assert.equal(verifier.size, 1)
  })

  it('keeps the leaves used last, and never more than its limit', () => {
    const verifier = createPeerVerifier({ maxRemembered: 2 })
    const [first, second, third] = [1, 2, 3].map(() => ca.issueLeaf(leafRequest()).der)
    assert.ok(first && second && third)
    const before = verifier.verify(first, check())
    const fallen = verifier.verify(second, check())
    assert.equal(verifier.verify(first, check()), before)
    verifier.verify(third, check())
    assert.equal(verifier.size, 2)
    assert.equal(verifier.verify(first, check()), before)
    assert.notEqual(verifier.verify(second, check()), fallen)
    assert.equal(verifier.size, 2)
  })
})
