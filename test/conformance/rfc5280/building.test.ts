/** Several candidate paths: which is taken, which refusal is reported, and that work is bounded. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { derTime } from '../../../src/foundation/codec/der-writer.ts'
import { unixMs } from '../../../src/foundation/base/index.ts'
import {
  basicConstraintsExtension,
  derInteger,
  derSequence,
  derTlv,
  type X509Extension,
} from '../../../src/foundation/codec/index.ts'
import { PATH_LIMITS, type PathInput, validatePath } from '../../../src/trust/pki/index.ts'
import {
  encodePkix,
  nameStep,
  nextSerial,
  PKIX_NOW,
  type PkixKey,
  pkixKey,
  pkixName,
  rawExtension,
} from '../../kit/pkix.ts'
import {
  caExtensions,
  chainInput,
  leafExtensions,
  signChain,
  validateChain,
  validChain,
  verdict,
} from '../../kit/pkix-chain.ts'

const DAY_MS = 86_400_000

interface Ca {
  readonly name: Uint8Array
  readonly key: PkixKey
}
const ca = (name: string): Ca => ({ name: pkixName('Test', name), key: pkixKey('P-256', name) })

function issue(subject: Ca, issuer: Ca, changes: { readonly endedMs?: number } = {}): Uint8Array {
  const ended = changes.endedMs
  return encodePkix(
    {
      issuer: issuer.name,
      subject: subject.name,
      spki: subject.key.spki,
      extensions: [...caExtensions(subject.key, issuer.key).values()],
      ...(ended !== undefined && { notAfter: derTime(unixMs(ended)) }),
    },
    issuer.key,
  )
}

function leafOf(issuer: Ca): Uint8Array {
  const key = pkixKey('P-256', 'leaf')
  return encodePkix(
    {
      issuer: issuer.name,
      subject: pkixName('Example', 'leaf'),
      spki: key.spki,
      extensions: [...leafExtensions(key, issuer.key).values()],
    },
    issuer.key,
  )
}

const [rootA, rootB, bridge, issuing] = [ca('root A'), ca('root B'), ca('bridge'), ca('issuing')]

function validate(input: Partial<PathInput>): ReturnType<typeof validatePath> {
  return validatePath({
    target: leafOf(issuing),
    anchors: [],
    nowMs: PKIX_NOW,
    purpose: 'any',
    ...input,
  })
}

describe('several candidate paths', () => {
  it('takes the cross-certificate that leads to the anchor', () => {
    const candidates = [issue(issuing, bridge), issue(bridge, rootA), issue(bridge, rootB)]
    for (const root of [rootA, rootB]) {
      const result = validate({ candidates, anchors: [issue(root, root)] })
      assert.ok(result.allow, verdict(result))
      assert.equal(result.certificates.length, 3)
    }
  })

  it('goes on behind a path that has expired', () => {
    const candidates = [
      issue(issuing, rootA, { endedMs: PKIX_NOW - DAY_MS }),
      issue(issuing, rootB, { endedMs: PKIX_NOW - DAY_MS }),
      issue(issuing, rootB),
    ]
    const anchors = [issue(rootA, rootA), issue(rootB, rootB)]
    const result = validate({ candidates, anchors })
    assert.ok(result.allow, verdict(result))
    assert.equal(verdict(validate({ candidates: candidates.slice(0, 2), anchors })), 'expired @1')
  })

  it('reports the path that came furthest', () => {
    const anchors = [issue(rootA, rootA)]
    const bogus = issue({ ...issuing, key: pkixKey('P-256', 'bogus') }, rootA)
    const dead = issue(issuing, ca('nobody'))
    assert.equal(verdict(validate({ anchors })), 'no-issuer @0')
    assert.equal(verdict(validate({ anchors, candidates: [dead, bogus] })), 'no-issuer @1')
    const ended = issue(issuing, rootA, { endedMs: PKIX_NOW - 1 })
    assert.equal(verdict(validate({ anchors, candidates: [dead, ended, bogus] })), 'expired @1')
  })

  it('takes an anchor that is not self-signed, and a target that it issued', () => {
    const anchors = [issue(issuing, rootA)]
    const result = validate({ anchors })
    assert.ok(result.allow)
    assert.equal(result.certificates.length, 1)
  })

  it('does not take the target for its own anchor', () => {
    const self = issue(rootA, rootA)
    assert.equal(verdict(validate({ target: self, anchors: [] })), 'no-issuer @0')
    // A copy of an anchor is issued by the anchor.
    assert.equal(verdict(validate({ target: self, anchors: [self] })), 'accepted')
  })

  it('passes over the same key again and certificates that cannot be read', () => {
    const loop = [issue(issuing, bridge), issue(bridge, issuing), issue(bridge, bridge)]
    const junk = [Uint8Array.of(1), new Uint8Array(20_000), derSequence()]
    const result = validate({
      candidates: [...junk, ...loop, ...loop],
      anchors: [Uint8Array.of(9)],
    })
    assert.equal(verdict(result), 'no-issuer @2')
  })

  it('compares names without case, spaces and string type', () => {
    const name = (text: string, tag: number): Uint8Array =>
      derSequence(nameStep('2.5.4.10', text, tag))
    const [written, read] = [name('  Some  ISSUER ', 19), name('some issuer', 12)]
    const [subject, issuer] = [
      { ...issuing, name: written },
      { ...issuing, name: read },
    ]
    const anchors = [issue(subject, subject)]
    assert.equal(verdict(validate({ target: leafOf(issuer), anchors })), 'accepted')
  })

  it('tells apart issuers by name and serial number too', () => {
    const spec = validChain()
    const named = (names: Uint8Array, serial: number): X509Extension => {
      const issuerNames = derTlv(0xa1, derTlv(0xa4, names))
      const value = derSequence(issuerNames, derTlv(0x82, Uint8Array.of(0, serial)))
      return rawExtension('2.5.29.35', value)
    }
    spec.links.second.parts.serial = derInteger(0x99)
    const { issuer } = spec.links.second.parts
    spec.links.leaf.extensions.set('authorityKeyId', named(issuer, 0x99))
    assert.equal(verdict(validateChain(spec)), 'accepted')
    spec.links.leaf.extensions.set('authorityKeyId', named(issuer, 0x98))
    assert.equal(verdict(validateChain(spec)), 'no-issuer @0')
    spec.links.leaf.extensions.set('authorityKeyId', named(pkixName('a', 'b'), 0x99))
    assert.equal(verdict(validateChain(spec)), 'no-issuer @0')
  })

  it('tries an issuer that does not say which key it has', () => {
    const spec = validChain()
    spec.links.second.extensions.delete('subjectKeyId')
    assert.equal(verdict(validateChain(spec)), 'accepted')
  })

  it('lets self-issued certificates out of path length and name constraints', () => {
    const old = ca('issuing')
    const renewed = { ...old, key: pkixKey('P-256', 'issuing renewed') }
    const constraints = rawExtension(
      '2.5.29.30',
      derSequence(derTlv(0xa0, derSequence(derTlv(0xa4, pkixName('Example', 'leaf'))))),
      true,
    )
    const top = (extra: readonly X509Extension[]): Uint8Array =>
      encodePkix(
        {
          issuer: old.name,
          subject: old.name,
          serial: nextSerial(),
          spki: old.key.spki,
          extensions: [
            ...caExtensions(old.key, old.key)
              .set('basicConstraints', basicConstraintsExtension({ ca: true, pathLength: 0 }))
              .values(),
            ...extra,
          ],
        },
        old.key,
      )
    const candidates = [issue(renewed, old)]
    const target = leafOf(renewed)
    assert.equal(
      verdict(validate({ target, candidates, anchors: [top([constraints])] })),
      'accepted',
    )
    const other = { ...renewed, name: pkixName('Test', 'other') }
    assert.equal(
      verdict(
        validate({ target: leafOf(other), candidates: [issue(other, old)], anchors: [top([])] }),
      ),
      'path-length @1',
    )
  })
})

describe('bounded work', () => {
  it('a mesh in which every CA certifies every other one', () => {
    const mesh = Array.from({ length: 12 }, (_, i) => ca(`mesh ${i}`))
    const candidates = mesh.flatMap((subject) =>
      mesh.filter((issuer) => issuer !== subject).map((issuer) => issue(subject, issuer)),
    )
    const [first = issuing] = mesh
    const target = leafOf(first)
    const result = validate({ target, candidates, anchors: [issue(rootA, rootA)] })
    assert.equal(result.allow, false)
    assert.equal(result.allow || result.rule, 'work-limit')
    // With the anchor in the mesh the path is found at once.
    const anchored = validate({ target, candidates, anchors: [issue(first, first)] })
    assert.ok(anchored.allow)
    assert.equal(anchored.work.signatureChecks, 1)
  })

  it('more input than the limits', () => {
    const input = chainInput(validChain(), signChain(validChain()))
    const over = (limits: object): string => verdict(validatePath({ ...input, limits }))
    assert.equal(over({ maxAnchors: 0 }), 'input anchors @0')
    assert.equal(over({ maxCandidates: 1 }), 'input candidates @0')
    assert.equal(over({ maxCrls: 2 }), 'input crls @0')
    assert.equal(over({ maxNameComparisons: 2 }), 'work-limit names @0')
    assert.equal(over({ maxSignatureChecks: 3 }), 'work-limit signatures @2')
    assert.ok(PATH_LIMITS.maxCandidates >= 10_000)
  })
})
