/** Whoever has one of the two root keys drops or replaces the other signature of the trust bundle. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isRefusal } from '../../src/foundation/base/index.ts'
import {
  CborTag,
  type CborValue,
  decodeCbor,
  encodeCbor,
  signCose,
} from '../../src/foundation/codec/index.ts'
import { verifyTrustBundle } from '../../src/trust/pki/index.ts'
import { createTestAuthority } from '../kit/pki.ts'

const AAD = Buffer.from('kos-trust-bundle-v1')

/** A COSE_Sign message taken apart. */
function partsOf(
  message: Uint8Array,
): [CborValue, CborValue, Uint8Array, readonly [CborValue, CborValue]] {
  const tagged = decodeCbor(message, { allowedTags: [98] })
  assert.ok(tagged instanceof CborTag && Array.isArray(tagged.value))
  const [bodyHeader, unprotected, payload, signatures] = tagged.value as CborValue[]
  assert.ok(payload instanceof Uint8Array && Array.isArray(signatures))
  const [first, second] = signatures as CborValue[]
  assert.ok(bodyHeader !== undefined && unprotected !== undefined)
  assert.ok(first !== undefined && second !== undefined)
  return [bodyHeader, unprotected, payload, [first, second]]
}

test('a trust bundle with one of its two signatures is refused', () => {
  using authority = createTestAuthority()
  const { ca, keys } = authority
  const answer = (bytes: Uint8Array): string => {
    const result = verifyTrustBundle(bytes, { pin: ca.pin })
    if (!isRefusal(result)) return 'ok'
    assert.equal(result.code, 'KOS_PKI_BUNDLE')
    return result.rule
  }
  assert.equal(answer(ca.bundle), 'ok')

  const [bodyHeader, unprotected, payload, signatures] = partsOf(ca.bundle)
  const rebuild = (kept: readonly CborValue[]): Uint8Array =>
    encodeCbor(new CborTag(98, [bodyHeader, unprotected, payload, kept]))
  const [first, second] = signatures
  assert.equal(answer(rebuild(signatures)), 'ok')
  assert.equal(answer(rebuild([first])), 'signature: key id')
  assert.equal(answer(rebuild([second])), 'signature: key id')
  assert.equal(answer(rebuild([first, first])), 'signature: key id')
  assert.equal(answer(rebuild([second, first])), 'signature: key id')

  // The list of required keys is signed too: a bundle made for one key alone is another message.
  for (const name of ['ca-root-p256', 'ca-root-ml-dsa-65']) {
    const signer = keys.require(name).coseSigner()
    const alone = signCose({ payload, externalAad: AAD }, [signer])
    assert.equal(answer(alone), 'signature: key id')
  }
})
