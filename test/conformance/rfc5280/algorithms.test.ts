/** Every algorithm at every place of a chain, and what must not be combined. */
import assert from 'node:assert/strict'
import { X509Certificate as NodeCertificate } from 'node:crypto'
import { describe, it } from 'node:test'
import { parsePkixCertificate } from '../../../src/foundation/codec/index.ts'
import { validatePath } from '../../../src/trust/pki/index.ts'
import { PKIX_NOW, type PkixKey, pkixKey, signingPss } from '../../kit/pkix.ts'
import {
  caExtensions,
  chainInput,
  type ChainSpec,
  leafExtensions,
  signChain,
  validateChain,
  validChain,
  verdict,
} from '../../kit/pkix-chain.ts'

/** A chain whose root and first CA have these keys; the others are P-256. */
function chainOf(root: PkixKey, first: PkixKey): ChainSpec {
  const spec = validChain()
  const { links } = spec
  for (const [position, key, issuer] of [
    ['root', root, root],
    ['first', first, root],
    ['second', links.second.key, first],
  ] as const) {
    links[position].key = key
    links[position].parts.spki = key.spki
    links[position].extensions = caExtensions(key, issuer)
  }
  links.leaf.extensions = leafExtensions(links.leaf.key, links.second.key)
  spec.input.crls = []
  return spec
}

const KINDS = [
  'P-256',
  'P-384',
  'RSA',
  'RSA-PSS',
  'Ed25519',
  'ML-DSA-44',
  'ML-DSA-65',
  'ML-DSA-87',
] as const

describe('algorithms', () => {
  for (const kind of KINDS) {
    it(`${kind} as root and as intermediate, agreed by node:crypto`, () => {
      const [root, first] = [pkixKey(kind, 'root'), pkixKey(kind, 'first')]
      const spec = chainOf(root, first)
      const signed = signChain(spec)
      assert.equal(verdict(validatePath(chainInput(spec, signed))), 'accepted')
      const parent = new NodeCertificate(signed.root)
      assert.ok(new NodeCertificate(signed.first).verify(parent.publicKey))
      assert.ok(new NodeCertificate(signed.first).checkIssued(parent))
    })

    it(`${kind} signed by another key of the kind`, () => {
      const spec = chainOf(pkixKey(kind, 'root'), pkixKey('P-256', 'first'))
      spec.links.first.signer = pkixKey(kind, 'first')
      assert.equal(verdict(validateChain(spec)), 'signature @2')
    })

    it(`${kind} as the target's key`, () => {
      const spec = validChain()
      spec.links.leaf.parts.spki = pkixKey(kind, 'root').spki
      assert.equal(verdict(validateChain(spec)), 'accepted')
    })
  }

  it('an RSA key that signs under RSASSA-PSS', () => {
    const root = signingPss(pkixKey('RSA', 'root'))
    assert.equal(verdict(validateChain(chainOf(root, pkixKey('P-256', 'first')))), 'accepted')
  })

  it('RSASSA-PSS with another salt is not a pinned set', () => {
    const spec = chainOf(pkixKey('RSA', 'root'), pkixKey('P-256', 'first'))
    spec.links.first.signer = signingPss(pkixKey('RSA', 'root'), 20)
    assert.equal(verdict(validateChain(spec)), 'encoding pss-parameters @2')
  })

  it('a signature of another algorithm than the issuer has', () => {
    const spec = chainOf(pkixKey('Ed25519', 'root'), pkixKey('P-256', 'first'))
    spec.links.first.signer = pkixKey('P-384', 'root')
    assert.equal(verdict(validateChain(spec)), 'signature @2')
  })

  it('a key that is restricted to RSASSA-PSS does not sign under PKCS #1', () => {
    const root = pkixKey('RSA-PSS', 'root')
    const spec = chainOf(root, pkixKey('P-256', 'first'))
    spec.links.first.signer = pkixKey('RSA', 'root')
    assert.equal(verdict(validateChain(spec)), 'signature @2')
  })

  it('RSA keys above the largest and below the smallest size', () => {
    const spec = chainOf(pkixKey('RSA', 'root'), pkixKey('P-256', 'first'))
    const input = chainInput(spec)
    const limited = (limits: object): string => verdict(validatePath({ ...input, limits }))
    assert.equal(limited({ minRsaBits: 2048, maxRsaBits: 2048 }), 'accepted')
    assert.equal(limited({ minRsaBits: 3072 }), 'key-size 2048 @3')
    assert.equal(limited({ maxRsaBits: 2047 }), 'key-size 2048 @3')
  })

  it('parsed anchors and lists are taken as well as encoded ones', () => {
    const spec = validChain()
    const signed = signChain(spec)
    const anchors = [parsePkixCertificate(signed.root)]
    assert.equal(verdict(validatePath({ ...chainInput(spec, signed), anchors })), 'accepted')
    assert.equal(anchors[0]?.notBefore !== undefined && PKIX_NOW > anchors[0].notBefore, true)
  })
})
