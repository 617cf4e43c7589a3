/** A company's signature over our root or intermediate: what is taken, and what is not. */
import assert from 'node:assert/strict'
import { after, describe, it } from 'node:test'
import { Secret, systemClock, toHex } from '../../../../src/foundation/base/index.ts'
import {
  buildCsr,
  encodeCbor,
  parseCsr,
  pemDecode,
  pemEncode,
  requestedExtensions,
  verifyCsr,
} from '../../../../src/foundation/codec/index.ts'
import { MAX_OUTER_CERTIFICATES } from '../../../../src/trust/pki/index.ts'
import { type CompanySigning, createCompany } from '../../../kit/company.ts'
import { findOpenssl } from '../../../kit/openssl.ts'
import { createTestAuthority, DAY_MS, leafRequest } from '../../../kit/pki.ts'
import { createOfflineRoots, ruleOf } from '../../../kit/roots.ts'

const { skip } = findOpenssl()
const der = (pem: string): Uint8Array => pemDecode(pem, 'CERTIFICATE')
const csrPem = (csr: Uint8Array): string => pemEncode('CERTIFICATE REQUEST', csr)
const USAGE = 'keyUsage=critical,keyCertSign,cRLSign\n'

describe('under a company’s root', { skip }, () => {
  const ends: (() => void)[] = []
  after(() => {
    for (const end of ends) end()
  })
  const context = { after: (end: unknown) => void ends.push(end as () => void) }
  // The company signs by the clock of this machine.
  const authority = createTestAuthority(undefined, systemClock.wallMs())
  ends.push(() => authority[Symbol.dispose]())
  const { ca, clock, keys } = authority
  clock.advance(DAY_MS / 24)
  const company = createCompany(context, { key: 'P-384' })
  const { rootPem, issuingPem } = company
  const leaf = (): Uint8Array => ca.issueLeaf(leafRequest()).der
  const take = (...pems: readonly string[]): string =>
    ruleOf(ca.importOuterChain(pems.map(der), leaf()))
  const keyId = (): string => toHex(ca.trust.rootP256Certificate.subjectKeyId ?? new Uint8Array())
  const signed = (of: 'root' | 'intermediate', signing?: CompanySigning): string =>
    company.sign(csrPem(ca.csr(of)), signing)

  it('asks for the same name, key and key identifier, and is taken in any order', () => {
    const csr = parseCsr(ca.csr('root'))
    assert.ok(verifyCsr(csr))
    assert.equal(toHex(csr.spki), toHex(ca.trust.rootP256Spki))
    assert.equal(toHex(csr.subject.der), toHex(ca.trust.rootP256Certificate.subject.der))
    assert.equal(requestedExtensions(csr).length, 3)
    const cross = signed('root')
    assert.equal(take(rootPem, issuingPem, cross), 'ok')
    for (const chain of [ca.outerChain(), authority.reopen().outerChain()]) {
      assert.equal(chain?.of, 'root')
      const ders = chain?.certificates.map((one) => toHex(one.der))
      assert.deepEqual(ders, [toHex(der(cross)), toHex(der(issuingPem))])
      assert.equal(toHex(chain.root.der), toHex(der(rootPem)))
      assert.ok(chain.notAfter < systemClock.wallMs() + 366 * DAY_MS)
    }
    // Ours own root beside it is no company's, and what leads nowhere is left out.
    const own = pemEncode('CERTIFICATE', ca.trust.rootP256Certificate.der)
    const stray = createCompany(context, { key: 'P-384' })
    assert.equal(take(own, cross, stray.issuingPem, issuingPem, rootPem), 'ok')
    assert.equal(ca.outerChain()?.certificates.length, 2)
    assert.equal(take(cross, own, issuingPem), 'KOS_PKI_CHAIN root')
    ca.removeOuterChain()
    ca.removeOuterChain()
    assert.equal(authority.reopen().outerChain(), undefined)
  })

  it('may sign the issuing intermediate instead', () => {
    assert.equal(take(signed('intermediate'), issuingPem, rootPem), 'ok')
    assert.equal(ca.outerChain()?.of, 'intermediate')
    const byRoot = signed('intermediate', { byRoot: true })
    assert.equal(take(byRoot, rootPem), 'ok')
    assert.equal(ca.outerChain()?.certificates.length, 1)
  })

  it('is refused when it is not what was asked for, and what there was stays', () => {
    const before = ca.outerChain()
    const ski = `subjectKeyIdentifier=${keyId()}\n`
    const extensions = (basic: string, usage: string = USAGE): string =>
      signed('root', { extensions: `basicConstraints=critical,${basic}\n${usage}${ski}` })
    const constrained = createCompany(context, {
      key: 'P-384',
      issuing: `basicConstraints=critical,CA:TRUE,pathlen:0\n${USAGE}`,
    })
    const named = createCompany(context, {
      key: 'P-384',
      issuing: `basicConstraints=critical,CA:TRUE\n${USAGE}nameConstraints=critical,permitted;URI:other.internal\n`,
    })
    const cases: readonly (readonly [rule: string, pems: readonly string[]])[] = [
      ['key', [issuingPem, rootPem]],
      ['root', [signed('root'), issuingPem]],
      [
        'subject-key-id',
        [
          signed('root', {
            extensions: `basicConstraints=critical,CA:TRUE\n${USAGE}subjectKeyIdentifier=hash\n`,
          }),
          issuingPem,
          rootPem,
        ],
      ],
      ['ca', [extensions('CA:TRUE,pathlen:0'), issuingPem, rootPem]],
      ['ca', [extensions('CA:FALSE', ''), issuingPem, rootPem]],
      ['ca', [extensions('CA:TRUE', 'keyUsage=critical,cRLSign\n'), issuingPem, rootPem]],
      ['path: no-issuer', [signed('root'), rootPem]],
      [
        'path: path-length',
        [constrained.sign(csrPem(ca.csr('root'))), constrained.issuingPem, constrained.rootPem],
      ],
      [
        'path: name-not-permitted',
        [named.sign(csrPem(ca.csr('root'))), named.issuingPem, named.rootPem],
      ],
      ['subject', [renamed(), issuingPem, rootPem]],
      ['size', Array.from({ length: MAX_OUTER_CERTIFICATES + 1 }, () => rootPem)],
    ]
    for (const [rule, pems] of cases) assert.equal(take(...pems), `KOS_PKI_CHAIN ${rule}`)
    assert.equal(
      ruleOf(ca.importOuterChain([Uint8Array.of(0x30)], leaf())),
      'KOS_PKI_CHAIN encoding',
    )
    const late = [signed('root', { days: 1 }), issuingPem, rootPem].map(der)
    clock.advance(2 * DAY_MS)
    assert.equal(ruleOf(ca.importOuterChain(late, leaf())), 'KOS_PKI_CHAIN path: expired')
    assert.equal(ca.outerChain(), before)
  })

  /** Our key under another name. */
  function renamed(): string {
    const { subject } = ca.trust.intermediates[0]?.certificate ?? assert.fail()
    const key = keys.require('ca-root-p256')
    const attributes = parseCsr(ca.csr('root')).attributes
    const csr = buildCsr({ subject, spki: key.spki, attributes }, key.certificateSigner())
    return company.sign(csrPem(csr))
  }

  it('is read back whole, or the start is refused', () => {
    for (const bytes of [encodeCbor({ version: 1 }), Uint8Array.of(0xff)]) {
      keys.sealSecret('ca-outer-chain', Secret.copy(bytes))
      assert.throws(() => authority.reopen(), { details: { rule: 'outer-chain' } })
    }
    ca.removeOuterChain()
  })

  it('is asked for where the root keys are', () => {
    using roots = createOfflineRoots()
    using file = roots.open()
    const csr = parseCsr(file.csr())
    assert.equal(toHex(csr.spki), toHex(roots.authority.ca.trust.rootP256Spki))
    assert.throws(() => roots.authority.ca.csr('root'), { details: { rule: 'root-keys' } })
    assert.ok(verifyCsr(parseCsr(roots.authority.ca.csr('intermediate'))))
  })
})
