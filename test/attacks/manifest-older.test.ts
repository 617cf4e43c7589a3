/** An older, more generous manifest is replayed: a genuine signature must not bring back old rights. */
import assert from 'node:assert/strict'
import { it } from 'node:test'
import { silentLog, unixMs } from '../../src/foundation/base/index.ts'
import {
  createManifestVerifier,
  createPolicyEngine,
  signManifest,
} from '../../src/trust/policy/index.ts'
import { createTestClock, TEST_EPOCH_MS } from '../kit/clock.ts'
import { createTestAuthority } from '../kit/pki.ts'
import { ask, manifestOf, parsed } from '../kit/policy.ts'

it('refuses a replayed manifest while running and after a restart', () => {
  using authority = createTestAuthority()
  const { trust } = authority.ca
  const signer = authority.keys.require('policy').coseSigner()
  const deps = {
    clock: createTestClock(),
    log: silentLog,
    verify: createManifestVerifier(() => trust),
  }
  const sign = (number: number, rules: Parameters<typeof manifestOf>[0]): Uint8Array => {
    const place = { era: trust.era, number, issuedAt: unixMs(TEST_EPOCH_MS) }
    return signManifest(parsed(manifestOf(rules)), place, signer)
  }
  const open = sign(1, undefined)
  const closed = sign(2, [])

  const engine = createPolicyEngine(deps)
  assert.ok(engine.loadSigned(open).allow)
  assert.equal(engine.decide(ask()).allow, true)
  assert.ok(engine.loadSigned(closed).allow)
  const replayed = engine.loadSigned(open)
  assert.ok(!replayed.allow)
  assert.equal(replayed.code, 'KOS_POLICY_MANIFEST_OLDER')
  assert.equal(engine.decide(ask()).allow, false)

  const floors = engine.current()
  const restarted = createPolicyEngine(deps, { floors })
  assert.ok(!restarted.loadSigned(open).allow)
  assert.equal(restarted.decide(ask()).allow, false)
  assert.ok(restarted.loadSigned(closed).allow)

  // A second manifest under a number that is taken is as good as an older one.
  assert.ok(!engine.loadSigned(sign(2, undefined)).allow)
  assert.equal(engine.decide(ask()).allow, false)
})
