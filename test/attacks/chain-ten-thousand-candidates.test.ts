/** A peer sends 10,000 certificates along: the right ones are found, or the work ends early. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { PATH_LIMITS, validatePath } from '../../src/trust/pki/index.ts'
import { encodePkix, pkixKey, pkixName } from '../kit/pkix.ts'
import { caExtensions, chainInput, signChain, validChain, verdict } from '../kit/pkix-chain.ts'

const COUNT = 10_000
const spec = validChain()
const signed = signChain(spec)
const input = chainInput(spec, signed)
const { second, first } = spec.links

/** One certificate made many: the last bytes, of the signature, differ. */
function variants(der: Uint8Array): readonly Uint8Array[] {
  return Array.from({ length: COUNT }, (_, i) => {
    const copy = Buffer.from(der)
    copy.writeUInt16BE(i, copy.length - 2)
    return copy
  })
}

test('10,000 certificates of other names cost no signature', () => {
  const other = encodePkix(
    {
      issuer: pkixName('Test', 'Root'),
      subject: pkixName('Flood', 'CA'),
      spki: second.key.spki,
      extensions: [...caExtensions(second.key, first.key).values()],
    },
    pkixKey('P-256', 'other'),
  )
  const candidates = [...variants(other), signed.first, signed.second]
  const result = validatePath({ ...input, candidates })
  assert.ok(result.allow, verdict(result))
  assert.equal(result.work.signatureChecks, 6)
})

test('10,000 certificates of the right name with other keys cost no signature', () => {
  const key = pkixKey('P-256', 'flood')
  const { issuer, subject } = second.parts
  const extensions = [...caExtensions(key, first.key).values()]
  const named = encodePkix({ issuer, subject, spki: key.spki, extensions }, first.key)
  const result = validatePath({
    ...input,
    candidates: [...variants(named), signed.first, signed.second],
  })
  assert.ok(result.allow, verdict(result))
  assert.equal(result.work.signatureChecks, 6)
})

test('10,000 that claim name and key id stop at the limit of signatures', () => {
  const key = pkixKey('P-256', 'flood')
  const { issuer, subject } = second.parts
  const extensions = [...second.extensions.values()]
  const claims = encodePkix({ issuer, subject, spki: key.spki, extensions }, first.key)
  // Each needs a key of its own, or one signature would answer for all.
  const candidates = Array.from({ length: COUNT }, (_, i) => {
    const copy = Buffer.from(claims)
    copy.writeUInt16BE(i, copy.indexOf(key.spki) + key.spki.length - 2)
    return copy
  })
  const result = validatePath({ ...input, candidates: [...candidates, signed.first] })
  assert.equal(verdict(result), 'work-limit signatures @0')
  assert.ok(PATH_LIMITS.maxSignatureChecks < COUNT)
})

test('copies of one certificate count once', () => {
  const candidates = Array.from({ length: COUNT }, () => signed.second)
  const result = validatePath({ ...input, candidates: [...candidates, signed.first] })
  assert.ok(result.allow, verdict(result))
  assert.equal(result.work.steps, 3)
})
