/** The whole way with keys that lie in key stores, as a node and an authority have them. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { sha256, systemRandom, toHex } from '../../../../src/foundation/base/index.ts'
import { parseCsr } from '../../../../src/foundation/codec/index.ts'
import {
  createJoinRequest,
  createRenewRequest,
  decodeJoinRequest,
  decodeRenewRequest,
  encodeMessage,
  type JoinFacts,
  MAX_ENROLMENT_BYTES,
  type RequestKeys,
} from '../../../../src/lifecycle/enrolment/index.ts'
import { type KeyRef, openKeyStore } from '../../../../src/trust/keys/index.ts'
import { accepted, createFleet, createToken, EXPORTER } from '../../../kit/enrolment.ts'
import { temporaryFolder } from '../../../kit/temporary.ts'

const keysOf = (identity: KeyRef, tls: KeyRef): RequestKeys => ({
  identitySpki: identity.spki,
  identity: identity.coseSigner(),
  tlsSpki: tls.spki,
  tlsSigner: tls.certificateSigner(),
})

test('keys of a key store join and renew over encoded messages', async (context) => {
  const fleet = await createFleet(context)
  const keys = openKeyStore(
    { random: systemRandom },
    { directory: temporaryFolder(context), unlock: { kind: 'file' } },
  )
  context.after(() => keys.close())
  const identity = keys.create('identity', 'identity', 'P-256')
  const first = keysOf(identity, keys.create('tls-g1', 'tls', 'P-256'))
  const token = await createToken(fleet)
  const facts: JoinFacts = {
    tokenId: token.record.id,
    secret: token.secret,
    mac: new Uint8Array(6),
    kemSpki: keys.create('kem', 'kem', 'P-256').spki,
    logSpkis: [
      keys.create('log-ed25519', 'log', 'Ed25519').spki,
      keys.create('log-ml-dsa-44', 'log', 'ML-DSA-44').spki,
    ],
    addresses: Array.from({ length: 8 }, () => `${'a'.repeat(63)}.example:65535`),
  }
  const message = encodeMessage(createJoinRequest(first, facts, EXPORTER))
  assert.ok(message.length < MAX_ENROLMENT_BYTES)
  const request = accepted(decodeJoinRequest(message))
  const { grant } = accepted(await fleet.joins.join(request, EXPORTER))

  const second = keysOf(identity, keys.create('tls-g2', 'tls', 'P-256'))
  const held = { principalId: grant.principalId, generation: 1, addresses: [] }
  const renewal = encodeMessage(createRenewRequest(second, held, EXPORTER))
  const renewed = await fleet.renewals.renew(accepted(decodeRenewRequest(renewal)), EXPORTER)
  assert.equal(accepted(renewed).grant.generation, 2)
})

test('the CSR names nobody and asks for nothing', async (context) => {
  const fleet = await createFleet(context)
  const keys = openKeyStore(
    { random: systemRandom },
    { directory: temporaryFolder(context), unlock: { kind: 'file' } },
  )
  context.after(() => keys.close())
  const tls = keys.create('tls', 'tls', 'P-256')
  const own = keysOf(keys.create('identity', 'identity', 'P-256'), tls)
  const { record, secret } = await createToken(fleet)
  const facts = { tokenId: record.id, secret, mac: new Uint8Array(6), kemSpki: new Uint8Array() }
  const join = createJoinRequest(own, { ...facts, logSpkis: [], addresses: [] }, EXPORTER)
  const csr = parseCsr(join.csr)
  assert.deepEqual(csr.subject.attributes, [])
  assert.deepEqual(csr.attributes, [])
  assert.equal(toHex(sha256(csr.spki)), toHex(tls.keyId))
})
