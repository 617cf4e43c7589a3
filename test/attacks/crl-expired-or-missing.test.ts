/**
 * Other software checks a leaf by the revocation list of its intermediate: an attacker who hides the
 * newest list, or hands out one that has ended, one of another issuer or one that was changed, gets no
 * certificate accepted by it.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { unixMs } from '../../src/foundation/base/index.ts'
import { pemEncode } from '../../src/foundation/codec/index.ts'
import { createTestAuthority, leafRequest, type TestAuthority } from '../kit/pki.ts'
import { findOpenssl } from '../kit/openssl.ts'

const { openssl, skip } = findOpenssl()
const HOUR_MS = 3_600_000

function listOf({ ca, clock }: TestAuthority, ended: boolean): Uint8Array {
  const now = clock.wallMs()
  const [list] = ca.issueCrls({
    crlNumber: now,
    thisUpdate: unixMs(ended ? now - 2 * HOUR_MS : now),
    nextUpdate: unixMs(ended ? now - HOUR_MS : now + HOUR_MS),
    revoked: () => [],
  })
  assert.ok(list)
  return list.der
}

test('no list in time, no acceptance', { skip }, () => {
  using authority = createTestAuthority()
  using other = createTestAuthority()
  const { ca, clock } = authority
  const [intermediate, root] = ca.chain
  const leaf = ca.issueLeaf(leafRequest())
  const pem = (der: Uint8Array): string => pemEncode('CERTIFICATE', der)
  const at = String(Math.floor(clock.wallMs() / 1000))
  const verdict = (crl: Uint8Array | undefined): string => {
    const files = { root: pem(root), mid: pem(intermediate), leaf: pem(leaf.der) }
    const list = crl && { crl: pemEncode('X509 CRL', crl) }
    const args = ['verify', '-attime', at, '-crl_check', '-CAfile', '{root}', '-untrusted', '{mid}']
    const by = crl ? ['-CRLfile', '{crl}'] : []
    try {
      return openssl.run([...args, ...by, '{leaf}'], { ...files, ...list })
    } catch (error) {
      return String((error as { stderr?: unknown }).stderr)
    }
  }
  const good = listOf(authority, false)
  assert.match(verdict(good), /OK/)
  assert.match(verdict(undefined), /unable to get certificate CRL/)
  assert.match(verdict(listOf(authority, true)), /CRL has expired/)
  assert.doesNotMatch(verdict(listOf(other, false)), /OK/)
  const changed = Uint8Array.from(good)
  changed[changed.length - 1] = (changed.at(-1) ?? 0) ^ 1
  assert.doesNotMatch(verdict(changed), /OK/)
})
