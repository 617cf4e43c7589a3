/**
 * Leaf after leaf, each a genuine one and each another: renewed in a loop, or of a large fleet. What is
 * remembered of leaves stays within its bound, and leaves of others take no room at all.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { isRefusal } from '../../src/foundation/base/index.ts'
import {
  buildCertificate,
  type CertificateSigner,
  parseCertificate,
} from '../../src/foundation/codec/index.ts'
import { createPeerVerifier, type PeerCheck } from '../../src/trust/pki/index.ts'
import { createTestAuthority, leafRequest } from '../kit/pki.ts'
import { testKey } from '../kit/x509.ts'

const LEAVES = 10_000
const REMEMBERED = 4096
/** Twice what a leaf was measured to take. */
const MAX_BYTES_PER_LEAF = 4096

setFlagsFromString('--expose-gc')
const collectGarbage = runInNewContext('gc') as () => void

function heapBytes(): number {
  collectGarbage()
  return process.memoryUsage().heapUsed
}

test('ten thousand leaves leave 4,096 behind', () => {
  using authority = createTestAuthority()
  const { ca, clock, keys } = authority
  const like = parseCertificate(ca.issueLeaf(leafRequest()).der)
  const check: PeerCheck = { bundle: ca.trust, purpose: 'client', nowMs: clock.wallMs() }
  const leaf = (number: number, signer: CertificateSigner): Uint8Array =>
    buildCertificate({ ...like, serial: Uint8Array.of(1, number >>> 8, number & 255) }, signer)
  const genuine = keys.require('ca-intermediate-1').certificateSigner()
  const verifier = createPeerVerifier()
  const before = heapBytes()
  for (let number = 0; number < REMEMBERED; number++) {
    assert.ok(!isRefusal(verifier.verify(leaf(number, genuine), check)))
  }
  assert.equal(verifier.size, REMEMBERED)
  const full = heapBytes()
  assert.ok(full - before < REMEMBERED * MAX_BYTES_PER_LEAF, `${full - before} bytes`)
  for (let number = REMEMBERED; number < LEAVES; number++) {
    assert.ok(!isRefusal(verifier.verify(leaf(number, genuine), check)))
  }
  assert.equal(verifier.size, REMEMBERED)
  // Without the bound it would have grown by half as much again, and more.
  const grown = heapBytes() - full
  assert.ok(grown < (full - before) / 2, `${grown} bytes beyond ${full - before}`)

  const { signer: foreign } = testKey()
  const known = verifier.verify(leaf(LEAVES - 1, genuine), check)
  for (let number = 0; number < REMEMBERED; number++) {
    const refusal = verifier.verify(leaf(number, foreign), check)
    assert.ok(isRefusal(refusal) && refusal.rule === 'signature')
  }
  assert.equal(verifier.size, REMEMBERED)
  assert.ok(
    !isRefusal(known) && known.serial === parseCertificate(leaf(LEAVES - 1, genuine)).serialHex,
  )
})
