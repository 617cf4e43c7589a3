/** Transport with the certificates and the check of leaves that the product uses. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isRefusal, systemClock } from '../../../../src/foundation/base/index.ts'
import type { VerifyPeer } from '../../../../src/network/transport/index.ts'
import { type TrustBundle, verifyPeerLeaf } from '../../../../src/trust/pki/index.ts'
import { principal } from '../../../kit/pki.ts'
import { createTlsAuthority } from '../../../kit/tls-authority.ts'
import { echoed, must, mustRefuse, startTestListener, until } from '../../../kit/transport.ts'

const verifierOf =
  (bundleOf: () => TrustBundle): VerifyPeer =>
  (leafDer, purpose) => {
    const peer = verifyPeerLeaf(leafDer, {
      bundle: bundleOf(),
      purpose,
      nowMs: systemClock.wallMs(),
    })
    return isRefusal(peer) ? peer : undefined
  }

test('devices and the authority connect with what the CA issues', async (context) => {
  const { ca, identity } = createTlsAuthority(context)
  const own = identity({
    principal: principal('authority', 'main'),
    usage: 'authority',
    dnsNames: ['authority.kos.internal'],
    ipAddresses: ['127.0.0.1'],
  })
  const verifyPeer = verifierOf(() => ca.trust)
  const server = await startTestListener(context, { identity: () => own, verifyPeer })
  assert.equal(await server.listener.selfTest(), undefined)
  const device = await server.dialFrom('127.0.0.77', server.dialler(identity()))
  assert.equal(await echoed(must(device), 'hello'), 'hello')
  assert.deepEqual(server.refusals(), {})
})

test('a leaf of an intermediate that left the bundle is refused, though its chain is good', async (context) => {
  const { ca, identity } = createTlsAuthority(context)
  const own = identity()
  const before = ca.trust
  let bundle = before
  const verifyPeer = verifierOf(() => bundle)
  const server = await startTestListener(context, { identity: () => own, verifyPeer })
  const old = server.dialler(identity())
  must(await server.dialFrom('127.0.0.77', old)).destroy('test')
  ca.prepareIntermediate()
  ca.switchIntermediate()
  ca.retireIntermediate()
  bundle = ca.trust
  // The dialling end refuses the listener's old leaf, and the listener would refuse the dialler's.
  const refusal = mustRefuse(await server.dialFrom('127.0.0.77', old))
  const verdict = ['KOS_TRANSPORT_VERDICT', 'openssl: ok, own: issuer']
  assert.deepEqual([refusal.code, refusal.rule], verdict)
})

test('a leaf of an authority of the same name is refused by OpenSSL and by us', async (context) => {
  const { ca, identity } = createTlsAuthority(context)
  const impostor = createTlsAuthority(context)
  const own = identity()
  const server = await startTestListener(context, {
    identity: () => own,
    verifyPeer: verifierOf(() => ca.trust),
  })
  const forged = { ...impostor.identity(), trustedCaPem: own.trustedCaPem }
  const channel = must(await server.dialFrom('127.0.0.66', server.dialler(forged)))
  await until(() => server.admission.stats.connections === 0)
  assert.deepEqual(server.refusals(), { KOS_TRANSPORT_UNTRUSTED: 1 })
  assert.equal(server.accepted.length, 0)
  channel.destroy('test')
})
