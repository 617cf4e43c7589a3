/** CAs that certify one another in circles must not keep the validator going round. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { validatePath } from '../../src/trust/pki/index.ts'
import { encodePkix, PKIX_NOW, pkixKey, pkixName } from '../kit/pkix.ts'
import { caExtensions, leafExtensions, verdict } from '../kit/pkix-chain.ts'

const ring = ['a', 'b', 'c', 'd'].map((name) => ({
  name: pkixName('Ring', name),
  key: pkixKey('P-256', `ring ${name}`),
}))
type Member = (typeof ring)[number]

const certify = (subject: Member, issuer: Member): Uint8Array =>
  encodePkix(
    {
      issuer: issuer.name,
      subject: subject.name,
      spki: subject.key.spki,
      extensions: [...caExtensions(subject.key, issuer.key).values()],
    },
    issuer.key,
  )

test('a ring of CAs ends without an anchor', () => {
  const candidates = ring.flatMap((subject, i) => {
    const issuer = ring[(i + 1) % ring.length] ?? subject
    // In both directions, and each certified by itself.
    return [certify(subject, issuer), certify(issuer, subject), certify(subject, subject)]
  })
  const [issuer] = ring
  assert.ok(issuer)
  const key = pkixKey('P-256', 'leaf')
  const target = encodePkix(
    {
      issuer: issuer.name,
      subject: pkixName('Ring', 'leaf'),
      spki: key.spki,
      extensions: [...leafExtensions(key, issuer.key).values()],
    },
    issuer.key,
  )
  const outside = { name: pkixName('Out', 'side'), key: pkixKey('P-256', 'outside') }
  const anchors = [certify(outside, outside)]
  const result = validatePath({ target, candidates, anchors, nowMs: PKIX_NOW, purpose: 'any' })
  assert.equal(verdict(result), 'no-issuer @4')
})
