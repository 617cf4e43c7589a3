/** Revocation lists: whose they are, which one speaks, and what we write is what others read. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { unixMs } from '../../../src/foundation/base/index.ts'
import { derTime } from '../../../src/foundation/codec/der-writer.ts'
import {
  buildCrl,
  buildName,
  certificateSignerFromKey,
  derInteger,
  derSequence,
  derTlv,
  NAME_OID,
  parseCrl,
  pemEncode,
  type RevokedCertificate,
} from '../../../src/foundation/codec/index.ts'
import { type PathInput, validatePath } from '../../../src/trust/pki/index.ts'
import { findOpenssl } from '../../kit/openssl.ts'
import {
  crlEntry,
  encodePkixCrl,
  PKIX_NOW,
  pkixKey,
  pkixName,
  rawExtension,
} from '../../kit/pkix.ts'
import { chainInput, type ChainSpec, signChain, validChain, verdict } from '../../kit/pkix-chain.ts'

const DAY_MS = 86_400_000

/** The list of the leaf's issuer with another number and these entries. */
function listOf(spec: ChainSpec, number: number, serials: readonly Uint8Array[]): Uint8Array {
  const { key, parts, extensions } = spec.crls.leaf
  const numbered = new Map(extensions).set(
    'crlNumber',
    rawExtension('2.5.29.20', derInteger(number)),
  )
  const entries = serials.map((serial) => crlEntry(serial))
  return encodePkixCrl({ ...parts, entries, extensions: [...numbered.values()] }, key)
}

const leafSerial = (spec: ChainSpec): Uint8Array => spec.links.leaf.parts.serial ?? new Uint8Array()

function verdictWith(spec: ChainSpec, changes: Partial<PathInput>): string {
  return verdict(validatePath({ ...chainInput(spec), ...changes }))
}

describe('which list speaks', () => {
  const spec = validChain()
  const signed = signChain(spec)
  const input = chainInput(spec, signed)
  const check = (changes: Partial<PathInput>): string =>
    verdict(validatePath({ ...input, ...changes }))

  it('the one of the highest number', () => {
    const [older, newer] = [
      listOf(spec, 3, [leafSerial(spec)]),
      listOf(spec, 4, [leafSerial(spec)]),
    ]
    assert.equal(check({ crls: [older, ...signed.crls, older] }), 'accepted')
    const newest = listOf(spec, 6, [leafSerial(spec)])
    assert.equal(check({ crls: [newest, newer, ...signed.crls] }), 'revoked unspecified @0')
  })

  it('of the target, of the path, or none', () => {
    const [first, second, leaf] = signed.crls
    assert.ok(first && second && leaf)
    assert.equal(check({ crls: [leaf], revocation: 'target' }), 'accepted')
    assert.equal(check({ crls: [leaf], revocation: 'path' }), 'crl-missing @2')
    assert.equal(check({ crls: [leaf] }), 'crl-missing @2')
    assert.equal(check({ crls: [], revocation: 'target' }), 'crl-missing @0')
    assert.equal(check({ crls: [], revocation: 'none' }), 'accepted')
    assert.equal(check({ crls: [] }), 'accepted')
    assert.equal(check({ crls: signed.crls.map((crl) => parseCrl(crl)) }), 'accepted')
  })

  it('a usable list beside unusable ones', () => {
    const expired = encodePkixCrl(
      {
        ...spec.crls.leaf.parts,
        nextUpdate: derTime(unixMs(PKIX_NOW - DAY_MS)),
        entries: [crlEntry(leafSerial(spec))],
        extensions: [...spec.crls.leaf.extensions.values()],
      },
      spec.crls.leaf.key,
    )
    assert.equal(check({ crls: [expired, Uint8Array.of(1), ...signed.crls] }), 'accepted')
    assert.equal(check({ crls: [expired, ...signed.crls.slice(0, 2)] }), 'crl-expired @0')
  })

  it('of another key of the same name is not the list of this one', () => {
    const other = validChain()
    other.crls.leaf.extensions.set(
      'authorityKeyId',
      rawExtension('2.5.29.35', derSequence(derTlv(0x80, Uint8Array.of(7)))),
    )
    assert.equal(verdictWith(other, {}), 'crl-missing @0')
    // An issuer that does not say which key it has is known by its name and signature.
    other.links.second.extensions.delete('subjectKeyId')
    assert.equal(verdictWith(other, {}), 'accepted')
  })
})

describe('a list that we write', () => {
  const key = pkixKey('P-256', 'root')
  const issuer = buildName([
    { oid: NAME_OID.organizationName, value: 'Test' },
    { oid: NAME_OID.commonName, value: 'Root' },
  ])
  const revoked: readonly RevokedCertificate[] = [
    { serialHex: '1001', revokedAt: PKIX_NOW, reason: 'unspecified' },
    { serialHex: 'ff00', revokedAt: PKIX_NOW, reason: 'keyCompromise' },
    { serialHex: '03', revokedAt: PKIX_NOW, reason: 'certificateHold' },
  ]
  const fields = {
    issuer,
    authorityKeyId: Uint8Array.of(1, 2),
    crlNumber: 300,
    thisUpdate: PKIX_NOW,
    nextUpdate: unixMs(PKIX_NOW + DAY_MS),
    revoked,
  }
  const signer = certificateSignerFromKey(key.privateKey)

  it('reads back', () => {
    const parsed = parseCrl(buildCrl(fields, signer))
    assert.deepEqual([...parsed.revoked.values()], revoked)
    assert.equal(parsed.crlNumber, 300n)
    assert.equal(parsed.thisUpdate, fields.thisUpdate)
    assert.equal(parsed.nextUpdate, fields.nextUpdate)
    assert.deepEqual([...parsed.authorityKeyId], [1, 2])
    assert.deepEqual(parsed.unhandledCritical, [])
    assert.equal(
      parsed.issuer.key,
      parseCrl(buildCrl({ ...fields, revoked: [] }, signer)).issuer.key,
    )
  })

  it('keeps its own copy of the bytes, and takes the codec for what it is', () => {
    const der = Buffer.from(buildCrl(fields, signer))
    const parsed = parseCrl(der)
    der.fill(0)
    assert.notEqual(parsed.der[0], 0)
  })

  it('decides in a path as the ones of others do', () => {
    const spec = validChain()
    const serial = leafSerial(spec)
    const second = spec.links.second
    const list = buildCrl(
      {
        ...fields,
        issuer: buildName([
          { oid: NAME_OID.organizationName, value: 'Example' },
          { oid: NAME_OID.commonName, value: 'Second' },
        ]),
        authorityKeyId: parseCrl(signChain(spec).crls[2] ?? new Uint8Array()).authorityKeyId,
        revoked: [
          {
            serialHex: Buffer.from(serial.subarray(2)).toString('hex'),
            revokedAt: PKIX_NOW,
            reason: 'superseded',
          },
        ],
      },
      certificateSignerFromKey(second.key.privateKey),
    )
    assert.equal(verdictWith(spec, { crls: [list], revocation: 'target' }), 'revoked superseded @0')
  })

  const { openssl, skip } = findOpenssl()
  it('is read by openssl, entry for entry', { skip }, () => {
    const crl = pemEncode('X509 CRL', buildCrl(fields, signer))
    const text = openssl.run(['crl', '-in', '{crl}', '-noout', '-text'], { crl })
    for (const line of [
      /Serial Number: 1001/,
      /Serial Number: FF00/,
      /Key Compromise/,
      /Certificate Hold/,
    ]) {
      assert.match(text, line)
    }
    assert.match(text, /X509v3 CRL Number:\s+300/)
    const spki = pemEncode('PUBLIC KEY', key.spki)
    assert.ok(spki.length > 0)
  })

  it('of 20,000 entries', () => {
    const many = Array.from({ length: 20_000 }, (_, i): RevokedCertificate => {
      const serialHex = (0x100000 + i).toString(16)
      return { serialHex, revokedAt: PKIX_NOW, reason: 'unspecified' }
    })
    const parsed = parseCrl(buildCrl({ ...fields, revoked: many }, signer))
    assert.equal(parsed.revoked.size, 20_000)
  })
})

it('names of another issuer do not make a list missing for the right one', () => {
  const spec = validChain()
  spec.crls.leaf.parts.issuer = pkixName('Example', ' SECOND')
  assert.equal(verdictWith(spec, {}), 'accepted')
})
