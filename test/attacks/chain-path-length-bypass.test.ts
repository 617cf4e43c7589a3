/**
 * A CA that may issue end entities only makes itself further CAs: below another name, or under its
 * own name, which does not count as long as nothing else follows.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { basicConstraintsExtension } from '../../src/foundation/codec/index.ts'
import { validatePath } from '../../src/trust/pki/index.ts'
import { encodePkix, PKIX_NOW, pkixKey, pkixName } from '../kit/pkix.ts'
import { caExtensions, leafExtensions, verdict } from '../kit/pkix-chain.ts'

interface Ca {
  readonly name: Uint8Array
  readonly key: ReturnType<typeof pkixKey>
}
const ca = (name: string, key: string = name): Ca => ({
  name: pkixName('Test', name),
  key: pkixKey('P-256', key),
})

function certify(subject: Ca, issuer: Ca, pathLength?: number): Uint8Array {
  const extensions = caExtensions(subject.key, issuer.key, pathLength)
  return encodePkix(
    {
      issuer: issuer.name,
      subject: subject.name,
      spki: subject.key.spki,
      extensions: [...extensions.values()],
    },
    issuer.key,
  )
}

function leafOf(issuer: Ca): Uint8Array {
  const key = pkixKey('P-256', 'leaf')
  const extensions = leafExtensions(key, issuer.key)
  return encodePkix(
    {
      issuer: issuer.name,
      subject: pkixName('x', 'leaf'),
      spki: key.spki,
      extensions: [...extensions.values()],
    },
    issuer.key,
  )
}

const [root, limited] = [ca('root'), ca('limited')]
const check = (target: Uint8Array, ...candidates: readonly Uint8Array[]): string =>
  verdict(
    validatePath({
      target,
      candidates: [certify(limited, root, 0), ...candidates],
      anchors: [certify(root, root)],
      nowMs: PKIX_NOW,
      purpose: 'both',
    }),
  )

test('a limited CA issues end entities', () => {
  assert.equal(check(leafOf(limited)), 'accepted')
})

test('and no CA of another name, whatever that one claims', () => {
  const extra = ca('extra')
  assert.equal(check(leafOf(extra), certify(extra, limited)), 'path-length @1')
  assert.equal(check(leafOf(extra), certify(extra, limited, 16)), 'path-length @1')
})

test('nor one behind a certificate under its own name', () => {
  const renewed = ca('limited', 'renewed')
  const extra = ca('extra')
  assert.equal(check(leafOf(renewed), certify(renewed, limited)), 'accepted')
  const behind = [certify(renewed, limited, 5), certify(extra, renewed)]
  assert.equal(check(leafOf(extra), ...behind), 'path-length @1')
})

test('an end entity issues nothing', () => {
  const entity = ca('entity')
  const extensions = leafExtensions(entity.key, limited.key)
  const asLeaf = encodePkix(
    {
      issuer: limited.name,
      subject: entity.name,
      spki: entity.key.spki,
      extensions: [...extensions.values()],
    },
    limited.key,
  )
  assert.equal(check(leafOf(entity), asLeaf), 'ca @1')
  extensions.delete('basicConstraints')
  const silent = encodePkix(
    {
      issuer: limited.name,
      subject: entity.name,
      spki: entity.key.spki,
      extensions: [...extensions.values()],
    },
    limited.key,
  )
  assert.equal(check(leafOf(entity), silent), 'ca @1')
  // Nor does a CA flag help whose key may not sign certificates.
  extensions.set('basicConstraints', basicConstraintsExtension({ ca: true }))
  const flagged = encodePkix(
    {
      issuer: root.name,
      subject: entity.name,
      spki: entity.key.spki,
      extensions: [...extensions.values()],
    },
    root.key,
  )
  assert.equal(check(leafOf(entity), flagged), 'no-issuer @1')
})
