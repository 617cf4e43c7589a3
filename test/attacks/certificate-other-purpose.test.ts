/** A genuine certificate of the CA is used for something it was not made for. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isRefusal } from '../../src/foundation/base/index.ts'
import {
  authorityKeyIdExtension,
  basicConstraintsExtension,
  buildCertificate,
  buildName,
  extendedKeyUsageExtension,
  KEY_PURPOSE,
  keyUsageExtension,
  NAME_OID,
  subjectAltNamesExtension,
} from '../../src/foundation/codec/index.ts'
import { verifyPeerLeaf } from '../../src/trust/pki/index.ts'
import { encodeLeafIdentity } from '../../src/trust/pki/leaf-identity.ts'
import { createTestAuthority, leafRequest, principal, somePublicKey } from '../kit/pki.ts'

const CODE_SIGNING = '1.3.6.1.5.5.7.3.3'

test('a leaf counts only for the purposes that it names', () => {
  using authority = createTestAuthority()
  const { ca, clock, keys } = authority
  const intermediate = ca.trust.intermediates[0]?.certificate ?? assert.fail()
  const leafFor = (purposes: readonly string[]): Uint8Array =>
    buildCertificate(
      {
        serial: Uint8Array.of(1),
        issuer: intermediate.subject,
        subject: buildName([{ oid: NAME_OID.serialNumber, value: 'x' }]),
        notBefore: intermediate.notBefore,
        notAfter: intermediate.notAfter,
        spki: somePublicKey(),
        extensions: [
          basicConstraintsExtension({ ca: false }),
          keyUsageExtension(['digitalSignature']),
          extendedKeyUsageExtension(purposes),
          subjectAltNamesExtension({ uris: [principal().uri] }),
          authorityKeyIdExtension(intermediate.subjectKeyId ?? assert.fail()),
          encodeLeafIdentity(leafRequest().identity),
        ],
      },
      keys.require('ca-intermediate-1').certificateSigner(),
    )
  const answer = (purposes: readonly string[], purpose: 'client' | 'server'): string => {
    const check = { bundle: ca.trust, purpose, nowMs: clock.wallMs() }
    const result = verifyPeerLeaf(leafFor(purposes), check)
    return isRefusal(result) ? result.rule : 'ok'
  }
  assert.equal(answer([KEY_PURPOSE.clientAuth], 'client'), 'ok')
  assert.equal(answer([KEY_PURPOSE.clientAuth], 'server'), 'purpose')
  assert.equal(answer([KEY_PURPOSE.serverAuth], 'client'), 'purpose')
  assert.equal(answer([CODE_SIGNING], 'client'), 'purpose')
})

test('a CA certificate is nobody: neither root nor intermediate pass as a peer', () => {
  using authority = createTestAuthority()
  const { ca, clock } = authority
  for (const der of ca.chain) {
    const check = { bundle: ca.trust, purpose: 'client', nowMs: clock.wallMs() } as const
    const result = verifyPeerLeaf(der, check)
    assert.ok(isRefusal(result))
    assert.equal(result.rule, 'ca')
  }
})
