/**
 * Policies mapped crosswise double the nodes of RFC 5280's policy tree at every CA
 * (CVE-2023-0464): the graph of RFC 9618 has one node per policy.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { validatePath } from '../../src/trust/pki/index.ts'
import { encodePkix, PKIX_NOW, pkixKey, pkixName } from '../kit/pkix.ts'
import {
  caExtensions,
  leafExtensions,
  policies,
  policyMappings,
  verdict,
} from '../kit/pkix-chain.ts'

const COUNT = 8
const oids = Array.from({ length: COUNT }, (_, i) => `1.2.3.${i}`)
const pairs = oids.flatMap((from) => oids.map((to) => [from, to] as const))
const DEPTH = 24

test('24 CAs that map 8 policies to 8 policies each are decided', () => {
  const members = Array.from({ length: DEPTH + 1 }, (_, i) => ({
    name: pkixName('Test', `level ${i}`),
    key: pkixKey('P-256', `level ${i % 3}`),
  }))
  const certificates = members.map((subject, i) => {
    const issuer = members[i - 1] ?? subject
    const extensions = caExtensions(subject.key, issuer.key)
    extensions.set('policies', policies(oids))
    if (i > 0) extensions.set('mappings', policyMappings(pairs))
    const parts = { issuer: issuer.name, subject: subject.name, spki: subject.key.spki }
    return encodePkix({ ...parts, extensions: [...extensions.values()] }, issuer.key)
  })
  const issuer = members[DEPTH]
  const [anchor, ...candidates] = certificates
  assert.ok(issuer && anchor)
  const key = pkixKey('P-256', 'leaf')
  const extensions = leafExtensions(key, issuer.key).set('certificatePolicies', policies(oids))
  const subject = pkixName('Test', 'leaf')
  const target = encodePkix(
    { issuer: issuer.name, subject, spki: key.spki, extensions: [...extensions.values()] },
    issuer.key,
  )
  const result = validatePath({
    target,
    candidates,
    anchors: [anchor],
    nowMs: PKIX_NOW,
    purpose: 'both',
    policies: { requireExplicitPolicy: true },
    limits: { maxDepth: DEPTH },
  })
  assert.ok(result.allow, verdict(result))
  assert.deepEqual(result.authorityPolicies.toSorted(), oids)
})
