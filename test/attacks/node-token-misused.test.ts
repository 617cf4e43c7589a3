/** A token for another node is presented elsewhere, by somebody else, or asked for a stranger. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isRefusal, parsePrincipal } from '../../src/foundation/base/index.ts'
import type { Member } from '../../src/apps/node/index.ts'
import { type NodeTokenFacts, verifyNodeToken } from '../../src/trust/pki/index.ts'
import { startFabric } from '../kit/fabric.ts'
import { startRogue } from '../kit/rogue.ts'

/** What a node expects of a token that its peer presents. */
function expectedAt(node: Member, peer: Member): NodeTokenFacts {
  const { directory } = node.fabric
  const issuer = parsePrincipal(directory.byName('authority')?.uri ?? '')
  assert.ok(issuer)
  return {
    issuer,
    subject: peer.membership.principal,
    audience: node.membership.principal,
    identityKeyHash: peer.keys.require('identity').keyId,
  }
}

test('a token is good at its node, for its bearer, and nowhere else', async (context) => {
  const fabric = await startFabric(context)
  const camera = (await fabric.addNode('camera-1')).running.member
  const other = (await fabric.addNode('camera-2')).running.member
  const rogue = await startRogue(context, fabric, { name: 'rogue' })
  const ask = (audience: string): ReturnType<typeof rogue.authority.session.call> =>
    rogue.authority.session.call('fabric.node.token', { audience })
  const answer = await ask(camera.membership.principal.uri)
  assert.equal(answer.status, 'ok', JSON.stringify(answer))
  const { token } = answer.value as { readonly token: Uint8Array }
  const check = (node: Member, peer: Member): string => {
    const at = {
      verifiers: node.fabric.bundle.signingKeys.directory,
      now: fabric.clock.wallMs(),
    }
    const verified = verifyNodeToken(token, expectedAt(node, peer), at)
    return isRefusal(verified) ? verified.rule : 'ok'
  }
  assert.equal(check(camera, rogue.member), 'ok')
  assert.equal(check(other, rogue.member), 'token/audience')
  assert.equal(check(camera, other), 'token/subject')
  fabric.clock.advance(10 * 60_000)
  assert.equal(check(camera, rogue.member), 'token/expired')

  for (const audience of ['spiffe://kos.internal/device/nobody', 'camera-1', '']) {
    assert.equal((await ask(audience)).status === 'ok', false, audience)
  }
})
