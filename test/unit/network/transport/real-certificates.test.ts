/** Transport with the certificates and the check of leaves that the product uses. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  isRefusal,
  Secret,
  systemClock,
  systemRandom,
  utf8,
} from '../../../../src/foundation/base/index.ts'
import { pemEncode } from '../../../../src/foundation/codec/index.ts'
import type { CertificateIdentity, VerifyPeer } from '../../../../src/network/transport/index.ts'
import { openKeyStore } from '../../../../src/trust/keys/index.ts'
import {
  type CertificateAuthority,
  createCertificateAuthority,
  type LeafRequest,
  type TrustBundle,
  verifyPeerLeaf,
} from '../../../../src/trust/pki/index.ts'
import { leafRequest, principal, TRUST_DOMAIN } from '../../../kit/pki.ts'
import { temporaryFolder } from '../../../kit/temporary.ts'
import { echoed, must, mustRefuse, startTestListener, until } from '../../../kit/transport.ts'
import { testKey } from '../../../kit/x509.ts'

/** An authority at today's date, because OpenSSL judges by the machine's clock. */
function authority(context: Parameters<typeof temporaryFolder>[0]): CertificateAuthority {
  const directory = temporaryFolder(context)
  const keys = openKeyStore({ random: systemRandom }, { directory, unlock: { kind: 'file' } })
  context.after(() => keys.close())
  const deps = { clock: systemClock, random: systemRandom, keys }
  return createCertificateAuthority(deps, { trustDomain: TRUST_DOMAIN })
}

function identity(
  ca: CertificateAuthority,
  changes: Partial<LeafRequest> = {},
): CertificateIdentity {
  const key = testKey()
  const leaf = ca.issueLeaf(leafRequest({ tlsSpki: key.spki, ...changes }))
  const privateKeyPem = key.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()
  return {
    kind: 'certificate',
    certificateChainPem: [leaf.der, ca.chain[0]]
      .map((der) => pemEncode('CERTIFICATE', der))
      .join(''),
    privateKeyPem: Secret.take(utf8(privateKeyPem)),
    trustedCaPem: ca.chain.map((der) => pemEncode('CERTIFICATE', der)),
  }
}

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
  const ca = authority(context)
  const own = identity(ca, {
    principal: principal('authority', 'main'),
    usage: 'authority',
    dnsNames: ['authority.kos.internal'],
    ipAddresses: ['127.0.0.1'],
  })
  const verifyPeer = verifierOf(() => ca.trust)
  const server = await startTestListener(context, { identity: () => own, verifyPeer })
  assert.equal(await server.listener.selfTest(), undefined)
  const device = await server.dialFrom('127.0.0.77', server.dialler(identity(ca)))
  assert.equal(await echoed(must(device), 'hello'), 'hello')
  assert.deepEqual(server.refusals(), {})
})

test('a leaf of an intermediate that left the bundle is refused, though its chain is good', async (context) => {
  const ca = authority(context)
  const own = identity(ca)
  const before = ca.trust
  let bundle = before
  const verifyPeer = verifierOf(() => bundle)
  const server = await startTestListener(context, { identity: () => own, verifyPeer })
  const old = server.dialler(identity(ca))
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
  const [ca, impostor] = [authority(context), authority(context)]
  const own = identity(ca)
  const server = await startTestListener(context, {
    identity: () => own,
    verifyPeer: verifierOf(() => ca.trust),
  })
  const forged = { ...identity(impostor), trustedCaPem: own.trustedCaPem }
  const channel = must(await server.dialFrom('127.0.0.66', server.dialler(forged)))
  await until(() => server.admission.stats.connections === 0)
  assert.deepEqual(server.refusals(), { KOS_TRANSPORT_UNTRUSTED: 1 })
  assert.equal(server.accepted.length, 0)
  channel.destroy('test')
})
