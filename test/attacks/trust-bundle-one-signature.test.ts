/** Whoever has one of the two root keys drops or replaces the other signature of the trust bundle. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isRefusal } from '../../src/foundation/base/index.ts'
import {
  CborTag,
  decodeCbor,
  encodeCbor,
  signCose,
  verifyCose,
} from '../../src/foundation/codec/index.ts'
import { verifyTrustBundle } from '../../src/trust/pki/index.ts'
import { createTestAuthority } from '../kit/pki.ts'

const AAD = Buffer.from('kos-trust-bundle-v1')

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

  const message = decodeCbor(ca.bundle, { allowedTags: [98] })
  assert.ok(message instanceof CborTag && Array.isArray(message.value))
  const [bodyHeader, unprotected, payload, signatures] = message.value
  assert.ok(payload instanceof Uint8Array && Array.isArray(signatures))
  const rebuild = (kept: readonly unknown[]): Uint8Array => {
    const value = [bodyHeader, unprotected, payload, kept] as ConstructorParameters<
      typeof CborTag
    >[1]
    return encodeCbor(new CborTag(98, value))
  }
  assert.equal(answer(rebuild(signatures)), 'ok')
  assert.equal(answer(rebuild([signatures[0]])), 'signature: key id')
  assert.equal(answer(rebuild([signatures[1]])), 'signature: key id')
  assert.equal(answer(rebuild([signatures[0], signatures[0]])), 'signature: key id')
  assert.equal(answer(rebuild([signatures[1], signatures[0]])), 'signature: key id')

  // The list of required keys is signed too: a bundle made for one key alone is another message.
  for (const name of ['ca-root-p256', 'ca-root-ml-dsa-65']) {
    const signer = keys.require(name).coseSigner()
    const alone = signCose({ payload, externalAad: AAD }, [signer])
    assert.equal(answer(alone), 'signature: key id')
    assert.ok(
      isRefusal(
        verifyCose(alone, {
          externalAad: AAD,
          maxBytes: 65_536,
          verifiers: [...ca.trust.signingKeys.lock],
        }),
      ),
    )
  }
})
