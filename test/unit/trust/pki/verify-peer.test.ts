import assert from 'node:assert/strict'
import { after, describe, it } from 'node:test'
import { isRefusal, unixMs } from '../../../../src/foundation/base/index.ts'
import {
  authorityKeyIdExtension,
  basicConstraintsExtension,
  buildCertificate,
  type CertificateFields,
  derInteger,
  derOctetString,
  derSequence,
  extendedKeyUsageExtension,
  KEY_PURPOSE,
  keyUsageExtension,
  subjectAltNamesExtension,
  type X509Extension,
} from '../../../../src/foundation/codec/index.ts'
import {
  KOS_IDENTITY_OID,
  type PeerCheck,
  verifyPeerLeaf,
} from '../../../../src/trust/pki/index.ts'
import { encodeLeafIdentity } from '../../../../src/trust/pki/leaf-identity.ts'
import {
  createTestAuthority,
  DAY_MS,
  leafRequest,
  principal,
  somePublicKey,
} from '../../../kit/pki.ts'
import { testKey } from '../../../kit/x509.ts'

const authority = createTestAuthority()
after(() => authority[Symbol.dispose]())
const { ca, clock, keys } = authority
const intermediate = ca.trust.intermediates[0]?.certificate ?? assert.fail()
const signer = keys.require('ca-intermediate-1').certificateSigner()
const identity = leafRequest().identity

const parts = {
  constraints: basicConstraintsExtension({ ca: false }),
  usage: keyUsageExtension(['digitalSignature']),
  purposes: extendedKeyUsageExtension([KEY_PURPOSE.clientAuth, KEY_PURPOSE.serverAuth]),
  names: subjectAltNamesExtension({ uris: [principal().uri] }),
  issuer: authorityKeyIdExtension(intermediate.subjectKeyId ?? assert.fail()),
  identity: encodeLeafIdentity(identity),
}

/** A leaf that the real intermediate signed, with some parts changed or left out. */
function leaf(
  changes: { [K in keyof typeof parts]?: X509Extension | null } & { more?: X509Extension } = {},
  fields: Partial<CertificateFields> = {},
): Uint8Array {
  const extensions = Object.values({ ...parts, ...changes }).filter((one) => one !== null)
  return buildCertificate(
    {
      serial: Uint8Array.of(5),
      issuer: intermediate.subject,
      subject: intermediate.subject,
      notBefore: clock.wallMs(),
      notAfter: unixMs(clock.wallMs() + DAY_MS),
      spki: somePublicKey(),
      extensions,
      ...fields,
    },
    signer,
  )
}

function rule(der: Uint8Array, changes: Partial<PeerCheck> = {}): string {
  const check = { bundle: ca.trust, purpose: 'client', nowMs: clock.wallMs(), ...changes } as const
  const result = verifyPeerLeaf(der, check)
  if (!isRefusal(result)) return 'ok'
  assert.equal(result.code, 'KOS_PKI_CERTIFICATE')
  return result.rule
}

const identityValue = (...elements: readonly Uint8Array[]): X509Extension => ({
  oid: KOS_IDENTITY_OID,
  critical: false,
  value: derSequence(...elements),
})

describe('verification of a peer leaf', () => {
  it('proves principal, floor, generation and keys', () => {
    const request = leafRequest({ identity: { ...identity, floor: 'SEC-3', generation: 7 } })
    const issued = ca.issueLeaf(request)
    const check: PeerCheck = { bundle: ca.trust, purpose: 'server', nowMs: clock.wallMs() }
    const peer = verifyPeerLeaf(issued.der, check)
    assert.ok(!isRefusal(peer))
    assert.deepEqual(peer.principal, principal())
    assert.equal(peer.floor.name, 'SEC-3')
    assert.equal(peer.generation, 7)
    assert.deepEqual(peer.identityKeyHash, Uint8Array.from(identity.identityKeyHash))
    assert.equal(peer.serial, issued.serialHex)
    assert.deepEqual([peer.notBefore, peer.notAfter], [issued.notBefore, issued.notAfter])
  })

  it('takes the hand-made leaf itself', () => assert.equal(rule(leaf()), 'ok'))

  const p256Twice = subjectAltNamesExtension({ uris: [principal().uri, principal().uri] })
  const elsewhere = 'spiffe://other.internal/device/kdev-aaaaaaaaaaaaaaaaaaaaaaaaaa'
  const one = derInteger(1)
  const hash = derOctetString(identity.identityKeyHash)
  const cases: readonly (readonly [rule: string, title: string, der: () => Uint8Array])[] = [
    ['encoding', 'is cut off', () => leaf().subarray(1)],
    [
      'critical-extension',
      'has an unknown critical extension',
      () => leaf({ more: { oid: '2.25.1', critical: true, value: one } }),
    ],
    ['key', 'has an Ed25519 key', () => leaf({}, { spki: testKey('ed25519').spki })],
    ['ca', 'is a CA', () => leaf({ constraints: basicConstraintsExtension({ ca: true }) })],
    ['key-usage', 'may not sign', () => leaf({ usage: keyUsageExtension(['keyAgreement']) })],
    ['key-usage', 'says no usage', () => leaf({ usage: null })],
    ['issuer', 'names no issuer key', () => leaf({ issuer: null })],
    [
      'issuer',
      'names another issuer key',
      () => leaf({ issuer: authorityKeyIdExtension(Uint8Array.of(1)) }),
    ],
    [
      'issuer',
      'names another issuer',
      () => leaf({}, { issuer: ca.trust.rootP256Certificate.subject }),
    ],
    ['purpose', 'has no purpose', () => leaf({ purposes: null })],
    [
      'purpose',
      'is for servers',
      () => leaf({ purposes: extendedKeyUsageExtension([KEY_PURPOSE.serverAuth]) }),
    ],
    ['uri-san', 'has no names', () => leaf({ names: null })],
    [
      'uri-san',
      'has no URI',
      () => leaf({ names: subjectAltNamesExtension({ dnsNames: ['a.b'] }) }),
    ],
    ['uri-san', 'has two URIs', () => leaf({ names: p256Twice })],
    [
      'uri-san',
      'has a URI of another form',
      () => leaf({ names: subjectAltNamesExtension({ uris: ['spiffe://kos.internal/device/'] }) }),
    ],
    [
      'trust-domain',
      'is from another domain',
      () => leaf({ names: subjectAltNamesExtension({ uris: [elsewhere] }) }),
    ],
    [
      'names',
      'is a device with a host name',
      () =>
        leaf({ names: subjectAltNamesExtension({ uris: [principal().uri], dnsNames: ['a.b'] }) }),
    ],
    ['extension', 'has no identity', () => leaf({ identity: null })],
    [
      'extension',
      'has an identity that is not DER',
      () => leaf({ identity: { ...parts.identity, value: Uint8Array.of(0x30) } }),
    ],
    [
      'extension',
      'has an identity of version 2',
      () => leaf({ identity: identityValue(derInteger(2), one, one, hash) }),
    ],
    [
      'extension',
      'has an unknown floor',
      () => leaf({ identity: identityValue(one, derInteger(5), one, hash) }),
    ],
    [
      'extension',
      'has generation 0',
      () => leaf({ identity: identityValue(one, one, derInteger(0), hash) }),
    ],
    [
      'extension',
      'has a short hash',
      () => leaf({ identity: identityValue(one, one, one, derOctetString(Uint8Array.of(1))) }),
    ],
  ]
  for (const [expected, title, der] of cases) {
    it(`refuses a leaf that ${title}: ${expected}`, () => assert.equal(rule(der()), expected))
  }

  it('holds the validity to the millisecond, and a grace where one is given', () => {
    const der = leaf()
    const start = clock.wallMs()
    assert.equal(rule(der, { nowMs: unixMs(start - 1) }), 'not-yet-valid')
    assert.equal(rule(der, { nowMs: unixMs(start + DAY_MS) }), 'ok')
    assert.equal(rule(der, { nowMs: unixMs(start + DAY_MS + 1) }), 'expired')
    const late = { nowMs: unixMs(start + 2 * DAY_MS), graceMs: DAY_MS }
    assert.equal(rule(der, late), 'ok')
    assert.equal(rule(der, { ...late, nowMs: unixMs(late.nowMs + 1) }), 'expired')
  })

  it('holds the validity of the intermediate too', () => {
    const der = leaf({}, { notAfter: unixMs(clock.wallMs() + 200 * DAY_MS) })
    assert.equal(rule(der, { nowMs: unixMs(clock.wallMs() + 91 * DAY_MS) }), 'issuer-validity')
  })

  it('compares with whom the caller means', () => {
    const der = leaf()
    const { uri } = principal()
    assert.equal(rule(der, { expect: { kind: 'device', uri } }), 'ok')
    assert.equal(rule(der, { expect: { kind: 'authority' } }), 'kind')
    assert.equal(rule(der, { expect: { uri: `${uri.slice(0, -1)}b` } }), 'principal')
  })
})
