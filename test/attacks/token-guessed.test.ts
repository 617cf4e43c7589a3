/** Attack: ids and secrets of tokens are tried out; the answers must not help. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Secret, toBase64Url } from '../../src/foundation/base/index.ts'
import type { CreatedToken, JoinRequest } from '../../src/lifecycle/enrolment/index.ts'
import {
  accepted,
  assertRefused,
  createDevice,
  createFleet,
  createToken,
  EXPORTER,
  joinRequest,
  MINUTE_MS,
} from '../kit/enrolment.ts'
import { createTestRandom } from '../kit/random.ts'

test('a wrong secret and an unknown id look alike, whatever became of the token', async (context) => {
  const fleet = await createFleet(context)
  const random = createTestRandom('guesses')
  const open = await createToken(fleet, { name: 'open' })
  const spent = await createToken(fleet, { name: 'spent' })
  accepted(await fleet.joins.join(joinRequest(createDevice(), spent), EXPORTER))
  const revoked = await createToken(fleet, { name: 'revoked' })
  await fleet.registry.revokeToken(revoked.record.id)
  const expired = await createToken(fleet, { name: 'expired', lifeMs: MINUTE_MS })
  fleet.clock.advance(MINUTE_MS)
  const guess = ({ record }: CreatedToken, id: string = record.id): JoinRequest =>
    joinRequest(createDevice(), {
      record: { ...record, id },
      secret: Secret.take(random.bytes(32)),
    })
  const guesses = [
    guess(open),
    guess(spent),
    guess(revoked),
    guess(expired),
    guess(open, toBase64Url(random.bytes(16))),
    guess(open, toBase64Url(new Uint8Array(16))),
  ]
  const before = [fleet.registry.principals(), fleet.registry.tokens()]
  const answers = await Promise.all(guesses.map((request) => fleet.joins.join(request, EXPORTER)))
  for (const answer of answers) {
    assertRefused(answer, 'KOS_ENROLMENT_TOKEN', 'token/secret')
    assert.deepEqual(answer, answers[0])
  }
  assert.deepEqual([fleet.registry.principals(), fleet.registry.tokens()], before)
  accepted(await fleet.joins.join(joinRequest(createDevice(), open), EXPORTER))
})

test('any changed bit of the authenticator is refused', async (context) => {
  const fleet = await createFleet(context)
  const request = joinRequest(createDevice(), await createToken(fleet))
  for (const at of [0, 15, 31]) {
    const authenticator = Uint8Array.from(request.authenticator)
    authenticator[at] = (authenticator[at] ?? 0) ^ 0x80
    const result = await fleet.joins.join({ ...request, authenticator }, EXPORTER)
    assertRefused(result, 'KOS_ENROLMENT_TOKEN', 'token/secret')
  }
  const short = { ...request, authenticator: request.authenticator.subarray(0, 31) }
  assertRefused(await fleet.joins.join(short, EXPORTER), 'KOS_ENROLMENT_TOKEN', 'token/secret')
})

test('the secret of one token is of no use for another', async (context) => {
  const fleet = await createFleet(context)
  const first = await createToken(fleet, { name: 'first' })
  const second = await createToken(fleet, { name: 'second' })
  const request = joinRequest(createDevice(), { record: second.record, secret: first.secret })
  assertRefused(await fleet.joins.join(request, EXPORTER), 'KOS_ENROLMENT_TOKEN', 'token/secret')
})
