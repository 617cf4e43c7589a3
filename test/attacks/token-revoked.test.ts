/** Attack: a join line that the operator took back is used. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  accepted,
  assertRefused,
  createDevice,
  createFleet,
  createToken,
  EXPORTER,
  joinRequest,
} from '../kit/enrolment.ts'

test('a revoked token joins nobody, also after a restart', async (context) => {
  const fleet = await createFleet(context)
  const token = await createToken(fleet)
  assert.equal(await fleet.registry.revokeToken(token.record.id), true)
  const request = joinRequest(createDevice(), token)
  const refused = await fleet.joins.join(request, EXPORTER)
  assertRefused(refused, 'KOS_ENROLMENT_TOKEN', 'token/revoked')
  const again = fleet.restart()
  assertRefused(await again.joins.join(request, EXPORTER), 'KOS_ENROLMENT_TOKEN', 'token/revoked')
  assert.equal(again.registry.principals().length, 1)
})

test('of a revocation and a use at once, one takes effect', async (context) => {
  for (const revokeFirst of [true, false]) {
    const fleet = await createFleet(context)
    const token = await createToken(fleet)
    const request = joinRequest(createDevice(), token)
    const revoke = (): Promise<boolean> => fleet.registry.revokeToken(token.record.id)
    const join = (): Promise<object> => fleet.joins.join(request, EXPORTER)
    const [first, second] = await Promise.all(revokeFirst ? [revoke(), join()] : [join(), revoke()])
    const [revoked, joinedAs] = revokeFirst ? [first, second] : [second, first]
    const [stored] = fleet.registry.tokens()
    if (revokeFirst) {
      assert.equal(revoked, true)
      assertRefused(joinedAs, 'KOS_ENROLMENT_TOKEN', 'token/revoked')
      assert.equal(stored?.state, 'revoked')
    } else {
      assert.equal(revoked, false)
      accepted(joinedAs)
      assert.equal(stored?.state, 'spent')
    }
  }
})
