/** API tokens: the proof they are asked for with, their derived secret, and how they travel. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Secret, toHex, unixMs, utf8 } from '../../../../src/foundation/base/index.ts'
import { encodeCbor, signCose1 } from '../../../../src/foundation/codec/index.ts'
import {
  apiTokenSecret,
  checkTokenRequest,
  decodeTokenGrant,
  encodeTokenGrant,
  signTokenRequest,
} from '../../../../src/network/session/index.ts'
import { cosePair } from '../../../kit/cose.ts'

const own = cosePair('ES256')
const connection = { exporter: new Uint8Array(32).fill(1), leafSpki: utf8('leaf') }

test('a proof is good for its connection, its leaf and its key', () => {
  const proof = signTokenRequest(connection, own.signer)
  assert.equal(checkTokenRequest(proof, connection, own.spki), undefined)
  const rules = [
    checkTokenRequest(proof, { ...connection, exporter: new Uint8Array(32) }, own.spki),
    checkTokenRequest(proof, { ...connection, leafSpki: utf8('other') }, own.spki),
    checkTokenRequest(proof, connection, cosePair('ES256').spki),
    checkTokenRequest(utf8('x'), connection, own.spki),
    checkTokenRequest(proof, { ...connection, exporter: new Uint8Array(16) }, own.spki),
  ].map((refusal) => refusal?.rule)
  assert.deepEqual(rules, [
    'token/binding',
    'token/binding',
    'token/identity-signature',
    'token/identity-signature',
    'token/exporter',
  ])
  // A signature of the same key in another context.
  const elsewhere = signCose1(
    { payload: encodeCbor([connection.exporter]), externalAad: utf8('kos-renew-v1') },
    own.signer,
  )
  const refusal = checkTokenRequest(elsewhere, connection, own.spki)
  assert.deepEqual(
    [refusal?.code, refusal?.rule],
    ['KOS_SESSION_TOKEN', 'token/identity-signature'],
  )
})

test('a secret follows from root, handle and identity key, each of them', () => {
  const secretOf = (root: number, handle: number, key: number): string => {
    const derived = apiTokenSecret(
      Secret.copy(new Uint8Array(32).fill(root)),
      new Uint8Array(16).fill(handle),
      new Uint8Array(32).fill(key),
    )
    return derived.use(toHex)
  }
  assert.equal(secretOf(1, 2, 3), secretOf(1, 2, 3))
  assert.equal(
    new Set([secretOf(1, 2, 3), secretOf(0, 2, 3), secretOf(1, 0, 3), secretOf(1, 2, 0)]).size,
    4,
  )
})

test('a grant is read back, and nothing else is', () => {
  const grant = {
    handle: new Uint8Array(16).fill(9),
    secret: Secret.copy(new Uint8Array(32).fill(8)),
    expiresAt: unixMs(2000),
    time: unixMs(1000),
  }
  const read = decodeTokenGrant(encodeTokenGrant(grant))
  assert.ok(read)
  assert.deepEqual(Uint8Array.from(read.handle), grant.handle)
  assert.ok(read.secret.equals(grant.secret))
  assert.deepEqual([read.expiresAt, read.time], [2000, 1000])
  const { handle, secret } = grant
  const bytes = secret.use((some) => Uint8Array.from(some))
  const others = [
    new Uint8Array(0),
    encodeCbor([handle, bytes, 1]),
    encodeCbor([handle.subarray(1), bytes, 1, 1]),
    encodeCbor([handle, bytes.subarray(1), 1, 1]),
    encodeCbor([handle, bytes, 'x', 1]),
    Buffer.concat([encodeTokenGrant(grant), Uint8Array.of(0)]),
  ]
  for (const other of others) assert.equal(decodeTokenGrant(other), undefined)
})
