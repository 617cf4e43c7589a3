/** Attack: a machine in the middle ends TLS and passes a join request on over its own connection. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  accepted,
  assertRefused,
  createDevice,
  createFleet,
  createToken,
  EXPORTER,
  exporterOf,
  joined,
  joinRequest,
  renewRequest,
  requestKeys,
} from '../kit/enrolment.ts'
import { joinAuthenticator, signJoin } from '../../src/lifecycle/enrolment/proofs.ts'
import { testKey } from '../kit/x509.ts'

const RELAY = exporterOf(0xee)

test('the request is of no use on another connection', async (context) => {
  const fleet = await createFleet(context)
  const device = createDevice()
  const token = await createToken(fleet)
  const request = joinRequest(device, token)
  const relayed = await fleet.joins.join(request, RELAY)
  assertRefused(relayed, 'KOS_ENROLMENT_TOKEN', 'token/secret')
  assert.equal(fleet.registry.tokens()[0]?.state, 'open')
  accepted(await fleet.joins.join(request, EXPORTER))
})

test('who knows the secret too cannot pass on the proof of the identity key', async (context) => {
  const fleet = await createFleet(context)
  const token = await createToken(fleet)
  const request = joinRequest(createDevice(), token)
  const authenticator = joinAuthenticator(token.secret, RELAY, request.csr)
  const relayed = await fleet.joins.join({ ...request, authenticator }, RELAY)
  assertRefused(relayed, 'KOS_ENROLMENT_PROOF', 'proof/binding')
  const other = requestKeys(createDevice()).identity
  const proof = signJoin(request, RELAY, other)
  const forged = await fleet.joins.join({ ...request, authenticator, proof }, RELAY)
  assertRefused(forged, 'KOS_ENROLMENT_PROOF', 'proof/identity-signature')
})

test('the secret cannot be taken over for a request of another key', async (context) => {
  const fleet = await createFleet(context)
  const token = await createToken(fleet)
  const { authenticator } = joinRequest(createDevice(), token)
  const own = joinRequest(createDevice(), token)
  const result = await fleet.joins.join({ ...own, authenticator }, EXPORTER)
  assertRefused(result, 'KOS_ENROLMENT_TOKEN', 'token/secret')
})

test('a relayed renewal is refused', async (context) => {
  const fleet = await createFleet(context)
  const { device, grant } = await joined(fleet)
  const request = renewRequest(createDevice({ ...device, tls: testKey() }), grant)
  const relayed = await fleet.renewals.renew(request, RELAY)
  assertRefused(relayed, 'KOS_ENROLMENT_PROOF', 'proof/binding')
  assert.equal(fleet.registry.principal(grant.principalId)?.generation, 1)
  accepted(await fleet.renewals.renew(request, EXPORTER))
})
