/** Tokens for another node: good for one peer with one key at one node, for ten minutes. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isRefusal, unixMs } from '../../../../src/foundation/base/index.ts'
import { signCwt } from '../../../../src/foundation/codec/index.ts'
import {
  issueNodeToken,
  NODE_TOKEN_LIFE_MS,
  type NodeTokenFacts,
  verifyNodeToken,
} from '../../../../src/trust/pki/index.ts'
import { cosePair } from '../../../kit/cose.ts'
import { principal } from '../../../kit/pki.ts'

const NOW = unixMs(1_800_000_000_000)
const key = cosePair('ES256')
const FACTS: NodeTokenFacts = {
  issuer: principal('authority', 'kauth-1'),
  subject: principal('user', 'olga'),
  audience: principal('user', 'camera'),
  identityKeyHash: new Uint8Array(32).fill(1),
}
const ID = new Uint8Array(16).fill(9)
const token = issueNodeToken(FACTS, { id: ID, now: NOW }, key.signer)

function ruleOf(expected: NodeTokenFacts, nowMs: number = NOW, bytes: Uint8Array = token): string {
  const at = { verifiers: [key.verifier], now: unixMs(nowMs) }
  const verified = verifyNodeToken(bytes, expected, at)
  if (!isRefusal(verified)) return 'ok'
  assert.equal(verified.code, 'KOS_PKI_TOKEN')
  return verified.rule
}

test('a token is good where it says, for whom it says, while it says', () => {
  const at = { verifiers: [cosePair('ES256').verifier, key.verifier], now: NOW }
  assert.deepEqual(verifyNodeToken(token, FACTS, at), { id: ID })
  assert.equal(ruleOf(FACTS, NOW - 30_000), 'ok')
  assert.equal(ruleOf(FACTS, NOW + NODE_TOKEN_LIFE_MS - 1), 'ok')
})

test('every other place, peer, key, time and signer is refused', () => {
  const other = principal('user', 'other')
  assert.equal(ruleOf({ ...FACTS, issuer: other }), 'token/issuer')
  assert.equal(ruleOf({ ...FACTS, audience: other }), 'token/audience')
  assert.equal(ruleOf({ ...FACTS, subject: other }), 'token/subject')
  assert.equal(ruleOf({ ...FACTS, identityKeyHash: new Uint8Array(32) }), 'token/confirmation')
  assert.equal(ruleOf(FACTS, NOW + NODE_TOKEN_LIFE_MS), 'token/expired')
  assert.equal(ruleOf(FACTS, NOW - 31_000), 'token/not-yet-valid')
  const forged = issueNodeToken(FACTS, { id: ID, now: NOW }, cosePair('ES256').signer)
  assert.equal(ruleOf(FACTS, NOW, forged), 'token/key id')
  const created = NOW / 1000
  const long = {
    issuer: FACTS.issuer.uri,
    subject: FACTS.subject.uri,
    audience: FACTS.audience.uri,
    expiresAt: created + 601,
    notBefore: created,
    issuedAt: created,
    id: ID,
    confirmationKeyId: FACTS.identityKeyHash,
  }
  assert.equal(ruleOf(FACTS, NOW, signCwt(long, key.signer)), 'token/life')
})
