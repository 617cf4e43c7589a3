/** A manifest that the policy key did not sign: none of its bytes may take effect. */
import assert from 'node:assert/strict'
import { it } from 'node:test'
import { silentLog, unixMs } from '../../src/foundation/base/index.ts'
import { encodeCbor } from '../../src/foundation/codec/index.ts'
import { signNumbered } from '../../src/trust/pki/index.ts'
import {
  createManifestVerifier,
  createPolicyEngine,
  encodeManifest,
  signManifest,
} from '../../src/trust/policy/index.ts'
import { createTestClock, TEST_EPOCH_MS } from '../kit/clock.ts'
import { cosePair } from '../kit/cose.ts'
import { createTestAuthority } from '../kit/pki.ts'
import { ask, manifestOf, parsed } from '../kit/policy.ts'

it('refuses every manifest without a good signature, and keeps what is in force', () => {
  using authority = createTestAuthority()
  const { trust } = authority.ca
  const policyKey = authority.keys.require('policy').coseSigner()
  const engine = createPolicyEngine({
    clock: createTestClock(),
    log: silentLog,
    verify: createManifestVerifier(() => trust),
  })
  const place = { era: trust.era, number: 1, issuedAt: unixMs(TEST_EPOCH_MS) }
  assert.ok(engine.loadSigned(signManifest(parsed(manifestOf([])), place, policyKey)).allow)
  const before = engine.current()

  const manifest = parsed(manifestOf())
  const next = { ...place, number: 2 }
  const genuine = signManifest(manifest, next, policyKey)
  const edited = (at: number): Uint8Array => {
    const bytes = Uint8Array.from(genuine)
    bytes[at] = (bytes[at] ?? 0) ^ 1
    return bytes
  }
  const stranger = cosePair('ES256').signer
  const forgeries: Readonly<Record<string, Uint8Array>> = {
    'no signature': encodeCbor(encodeManifest(manifest)),
    nothing: new Uint8Array(),
    'a stranger': signManifest(manifest, next, stranger),
    'a stranger under the name of the policy key': signManifest(manifest, next, {
      ...stranger,
      keyId: policyKey.keyId,
    }),
    'a key of the authority for another purpose': signManifest(
      manifest,
      next,
      authority.keys.require('directory').coseSigner(),
    ),
    'the policy key, for another kind of object': signNumbered(
      'directory',
      { ...next, body: encodeManifest(manifest) },
      policyKey,
    ),
    truncated: genuine.subarray(0, -1),
    extended: Uint8Array.from([...genuine, 0]),
  }
  for (const [name, signed] of Object.entries(forgeries)) {
    const result = engine.loadSigned(signed)
    assert.ok(!result.allow, name)
    // The sender learns nothing about which check failed.
    assert.deepEqual(
      [result.code, result.rule],
      ['KOS_POLICY_MANIFEST_SIGNATURE', 'signature'],
      name,
    )
  }
  for (let at = 0; at < genuine.length; at += 1) {
    assert.ok(!engine.loadSigned(edited(at)).allow, `byte ${at}`)
  }
  assert.deepEqual(engine.current(), before)
  assert.equal(engine.decide(ask()).allow, false)
  assert.ok(engine.loadSigned(genuine).allow)
})
