import assert from 'node:assert/strict'
import { after, describe, it } from 'node:test'
import { equalBytes, isRefusal, unixMs, utf8 } from '../../../../src/foundation/base/index.ts'
import {
  type CborInput,
  encodeCbor,
  parseCertificate,
  signCose,
} from '../../../../src/foundation/codec/index.ts'
import {
  createTrustState,
  type TrustAnchor,
  type TrustBundle,
  type TrustState,
  verifyTrustBundle,
} from '../../../../src/trust/pki/index.ts'
import {
  buildIntermediate,
  buildRoot,
  type CaCertificateContext,
} from '../../../../src/trust/pki/ca-certificates.ts'
import { signTrustBundle, type TrustBundleFields } from '../../../../src/trust/pki/trust-bundle.ts'
import { createTestAuthority, domain, TRUST_DOMAIN } from '../../../kit/pki.ts'
import { createTestRandom } from '../../../kit/random.ts'

const authority = createTestAuthority()
after(() => authority[Symbol.dispose]())
const { ca, keys, clock } = authority
const roots = [keys.require('ca-root-p256'), keys.require('ca-root-ml-dsa-65')] as const
const [p256, mlDsa65] = roots
const signers = [p256.coseSigner(), mlDsa65.coseSigner()] as const
const { trust } = ca
const context: CaCertificateContext & { ordinal: number } = {
  trustDomain: TRUST_DOMAIN,
  random: createTestRandom(),
  nowMs: clock.wallMs(),
  ordinal: 9,
}
const rootKey = { certificate: trust.rootP256Certificate, key: p256 }
const spkisOf = (role: keyof TrustBundle['signingKeys']): readonly Uint8Array[] => [
  ca.signers[role].spki,
]

const fields: TrustBundleFields = {
  trustDomain: TRUST_DOMAIN,
  era: 1,
  number: 1,
  issuedAt: clock.wallMs(),
  roots: [trust.rootP256Certificate.der, trust.rootMlDsaCertificate.der],
  intermediates: trust.intermediates.map(({ certificate }) => certificate.der),
  signingKeys: {
    lock: spkisOf('lock'),
    directory: spkisOf('directory'),
    policy: spkisOf('policy'),
    checkpoint: spkisOf('checkpoint'),
    checkpointMlDsa44: spkisOf('checkpointMlDsa44'),
  },
}
const sign = (changes: Partial<TrustBundleFields> = {}): Uint8Array =>
  signTrustBundle({ ...fields, ...changes }, signers)

function rule(bytes: Uint8Array, anchor: TrustAnchor = { pin: ca.pin }): string {
  const result = verifyTrustBundle(bytes, anchor)
  if (!isRefusal(result)) return 'ok'
  assert.equal(result.code, 'KOS_PKI_BUNDLE')
  return result.rule
}

describe('trust bundles', () => {
  it('verify by pin and by root keys, and say the same', () => {
    const byPin = verifyTrustBundle(ca.bundle, { pin: ca.pin })
    const rootSpkis = [trust.rootP256Spki, trust.rootMlDsaSpki] as const
    const byKeys = verifyTrustBundle(ca.bundle, { rootSpkis })
    assert.ok(!isRefusal(byPin) && !isRefusal(byKeys))
    assert.ok(equalBytes(byPin.hash, byKeys.hash))
    assert.equal(byPin.pin, ca.pin)
    assert.equal(rule(sign()), 'ok')
  })

  it('are refused under another pin, other keys or in another form', () => {
    assert.equal(rule(ca.bundle, { pin: `${ca.pin.slice(1)}A` }), 'pin')
    const swapped = [trust.rootMlDsaSpki, trust.rootP256Spki] as const
    assert.notEqual(rule(ca.bundle, { rootSpkis: swapped }), 'ok')
    const others = [ca.signers.lock.spki, trust.rootMlDsaSpki] as const
    assert.equal(rule(ca.bundle, { rootSpkis: others }), 'signature: key id')
    assert.match(rule(ca.bundle.subarray(1)), /^encoding/)
    assert.match(rule(new Uint8Array(70_000)), /^encoding/)
    const cut = Buffer.from(ca.bundle)
    cut[cut.length - 1] = (cut[cut.length - 1] ?? 0) ^ 1
    assert.equal(rule(cut), 'signature: signature')
  })

  it('are refused when the payload has another form', () => {
    const signPayload = (payload: CborInput, aad = 'kos-trust-bundle-v1'): Uint8Array =>
      signCose({ payload: encodeCbor(payload), externalAad: utf8(aad) }, signers)
    assert.equal(rule(signPayload({ version: 2 })), 'encoding')
    const rootSpkis = [trust.rootP256Spki, trust.rootMlDsaSpki] as const
    assert.equal(rule(signPayload({ version: 2 }), { rootSpkis }), 'payload')
    assert.match(rule(signPayload([1, new Map([[1, 1]])]), { rootSpkis }), /^encoding/)
    const { era, number, issuedAt, intermediates, signingKeys } = fields
    const body = { version: 1, trustDomain: 'kos.internal', era, number, issuedAt }
    const whole = { ...body, roots: fields.roots, intermediates, signingKeys }
    assert.equal(rule(signPayload(whole)), 'ok')
    assert.equal(rule(signPayload(whole, 'kos-manifest-v1')), 'signature: signature')
    assert.equal(rule(signPayload({ ...whole, trustDomain: 'not a domain' })), 'payload')
    assert.equal(rule(signPayload({ ...whole, era: 0 })), 'encoding')
    assert.equal(rule(signPayload({ ...whole, extra: 1 })), 'encoding')
  })

  it('are refused with roots that do not hold the pinned keys or are none', () => {
    const rootSpkis = [trust.rootP256Spki, trust.rootMlDsaSpki] as const
    const other = buildRoot(keys.create('other-root', 'ca-root', 'P-256'), context)
    assert.equal(rule(sign({ roots: [other, fields.roots[1]] }), { rootSpkis }), 'root')
    const notSelf = buildIntermediate(p256.spki, rootKey, context)
    assert.equal(rule(sign({ roots: [notSelf, fields.roots[1]] }), { rootSpkis }), 'root')
    assert.match(rule(sign({ roots: [Uint8Array.of(1), fields.roots[1]] })), /^encoding/)
  })

  it('are refused with an intermediate that is not one of the P-256 root for this domain', () => {
    const key = keys.require('ca-intermediate-1')
    const foreign = buildIntermediate(key.spki, rootKey, {
      ...context,
      trustDomain: domain('x.internal'),
    })
    assert.equal(rule(sign({ intermediates: [foreign] })), 'intermediate')
    const byOther = buildIntermediate(
      key.spki,
      { ...rootKey, key: keys.create('rogue', 'ca-root', 'P-256') },
      context,
    )
    assert.equal(rule(sign({ intermediates: [byOther] })), 'intermediate')
    assert.equal(rule(sign({ intermediates: [fields.roots[0]] })), 'intermediate')
    const dead = Array.from({ length: 5 }, () => fields.intermediates[0] ?? assert.fail())
    assert.equal(rule(sign({ intermediates: dead })), 'encoding')
    assert.equal(rule(sign({ intermediates: [] })), 'encoding')
  })

  it('are refused when a taint names none of the intermediates, one twice, or all', () => {
    const [der = new Uint8Array()] = fields.intermediates
    const { subjectKeyId: keyId = assert.fail() } = parseCertificate(der)
    const key = keys.create('ca-intermediate-taint', 'ca-intermediate', 'P-256')
    const second = buildIntermediate(key.spki, rootKey, { ...context, ordinal: 9 })
    const intermediates = [der, second]
    assert.equal(rule(sign({ intermediates, tainted: [keyId] })), 'ok')
    const read = verifyTrustBundle(sign({ intermediates, tainted: [keyId] }), { pin: trust.pin })
    assert.ok(!isRefusal(read))
    assert.deepEqual(
      read.intermediates.map(({ isTainted }) => isTainted),
      [true, false],
    )
    assert.equal(rule(sign({ tainted: [keyId] })), 'tainted')
    assert.equal(rule(sign({ intermediates, tainted: [keyId, keyId] })), 'tainted')
    assert.equal(rule(sign({ intermediates, tainted: [keyId.map((byte) => byte ^ 1)] })), 'tainted')
  })

  it('are refused with delegated keys of another kind, or one key for two purposes', () => {
    const { signingKeys } = fields
    const wrongKind = { ...signingKeys, lock: signingKeys.checkpoint }
    assert.equal(rule(sign({ signingKeys: wrongKind })), 'signing-keys')
    const twice = { ...signingKeys, lock: signingKeys.policy }
    assert.equal(rule(sign({ signingKeys: twice })), 'shared-key')
    const root = { ...signingKeys, lock: [trust.rootP256Spki] }
    assert.equal(rule(sign({ signingKeys: root })), 'shared-key')
    const standby = keys.create('standby', 'lock', 'P-256').spki
    const two = { ...signingKeys, lock: [...signingKeys.lock, standby] }
    assert.equal(rule(sign({ signingKeys: two })), 'ok')
    assert.match(
      rule(sign({ signingKeys: { ...signingKeys, lock: [Uint8Array.of(1)] } })),
      /^encoding/,
    )
  })
})

const eraOf = (state: TrustState): number | undefined => state.current?.era

describe('the trust bundle that a node holds', () => {
  it('only rises', () => {
    const state = createTrustState({ pin: ca.pin })
    assert.deepEqual([eraOf(state), state.signed], [undefined, undefined])
    const second = sign({ number: 2 })
    assert.equal(state.apply(second), 'newer')
    assert.deepEqual(state.signed, second)
    assert.equal(state.apply(second), 'same')
    assert.equal(state.apply(sign({ number: 2 })), 'same')
    const older = state.apply(sign({ number: 1 }))
    assert.ok(isRefusal(older))
    assert.deepEqual([older.code, older.rule], ['KOS_PKI_OLDER', 'trust-bundle'])
    assert.equal(state.apply(sign({ era: 2, number: 1 })), 'newer')
    assert.equal(eraOf(state), 2)
    const broken = state.apply(Uint8Array.of(1))
    assert.ok(isRefusal(broken))
    assert.equal(eraOf(state), 2)
  })

  it('refuses a second bundle of one number, and another domain', () => {
    const state = createTrustState({ pin: ca.pin })
    assert.equal(state.apply(sign()), 'newer')
    const fork = state.apply(sign({ issuedAt: unixMs(clock.wallMs() + 1) }))
    assert.ok(isRefusal(fork))
    assert.equal(fork.rule, 'fork')
    const foreign = domain('x.internal')
    const key = keys.require('ca-intermediate-1')
    const intermediate = buildIntermediate(key.spki, rootKey, { ...context, trustDomain: foreign })
    const moved = state.apply(
      sign({ number: 2, trustDomain: foreign, intermediates: [intermediate] }),
    )
    assert.ok(isRefusal(moved))
    assert.equal(moved.rule, 'trust-domain')
  })
})
