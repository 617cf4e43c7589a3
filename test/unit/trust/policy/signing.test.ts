import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { isRefusal, unixMs } from '../../../../src/foundation/base/index.ts'
import { signNumbered } from '../../../../src/trust/pki/index.ts'
import {
  createManifestVerifier,
  parseManifest,
  signManifest,
} from '../../../../src/trust/policy/index.ts'
import { cborToPlain } from '../../../../src/foundation/codec/index.ts'
import { TEST_EPOCH_MS } from '../../../kit/clock.ts'
import { createTestAuthority } from '../../../kit/pki.ts'
import { manifestOf, parsed, ruleOf } from '../../../kit/policy.ts'

const issuedAt = unixMs(TEST_EPOCH_MS)

describe('signed manifests', () => {
  it('verify under the policy key of the trust bundle, in an era that was opened', () => {
    using authority = createTestAuthority()
    const { trust } = authority.ca
    const signer = authority.keys.require('policy').coseSigner()
    const verify = createManifestVerifier(() => trust)
    const manifest = parsed(manifestOf([ruleOf({ effects: undefined })]))
    const place = { era: trust.era, number: 3, issuedAt }
    const object = verify(signManifest(manifest, place, signer))
    if (isRefusal(object)) assert.fail(object.rule)
    assert.equal(object.number, 3)
    assert.deepEqual(parseManifest(cborToPlain(object.body)), parsed(manifestOf()))

    const ahead = verify(signManifest(manifest, { ...place, era: trust.era + 1 }, signer))
    assert.ok(isRefusal(ahead) && ahead.rule === 'era')
    const lock = verify(signManifest(manifest, place, authority.keys.require('lock').coseSigner()))
    assert.ok(isRefusal(lock))
    const otherKind = verify(signNumbered('directory', { ...place, body: {} }, signer))
    assert.ok(isRefusal(otherKind))
  })
})
