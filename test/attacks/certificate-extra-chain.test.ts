/**
 * A peer sends more certificates than its leaf: a victim's leaf behind its own, or its own CA. Only
 * the first certificate is the peer's, and only the trust bundle says who may have issued it.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { connect, createServer, type TLSSocket } from 'node:tls'
import { isRefusal } from '../../src/foundation/base/index.ts'
import { pemEncode } from '../../src/foundation/codec/index.ts'
import { verifyPeerLeaf } from '../../src/trust/pki/index.ts'
import { createTestAuthority, leafRequest, principal, type TestAuthority } from '../kit/pki.ts'

const pem = (der: Uint8Array): string => pemEncode('CERTIFICATE', der)

/** Makes a TLS identity of an authority with any extra certificates behind its chain. */
function tlsIdentity(
  authority: TestAuthority,
  name: string,
  extra: readonly Uint8Array[],
): { readonly key: string; readonly cert: string } {
  const key = authority.keys.create(name, 'tls', 'P-256')
  const leaf = authority.ca.issueLeaf(
    leafRequest({ principal: principal('agent', name), tlsSpki: key.spki }),
  )
  const keyPem = key.tlsPrivateKeyPem().use((bytes) => Buffer.from(bytes).toString('latin1'))
  const chain = [leaf.der, authority.ca.chain[0], ...extra]
  return { key: keyPem, cert: chain.map((der) => pem(der)).join('') }
}

/** What the server of `ours` says of a client that presents these certificates. */
async function answerTo(
  ours: TestAuthority,
  client: { readonly key: string; readonly cert: string },
): Promise<string> {
  const server = createServer({
    ...tlsIdentity(ours, `server-${ours.keys.list().length}`, []),
    ca: pem(ours.ca.chain[1]),
    requestCert: true,
    rejectUnauthorized: false,
    minVersion: 'TLSv1.3',
  })
  const accepted = Promise.withResolvers<TLSSocket>()
  server.on('secureConnection', accepted.resolve)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  assert.ok(address && typeof address === 'object')
  const socket = connect({
    ...client,
    port: address.port,
    host: '127.0.0.1',
    rejectUnauthorized: false,
  })
  try {
    const peer = (await accepted.promise).getPeerX509Certificate()
    const result = verifyPeerLeaf(peer?.raw ?? assert.fail('no certificate'), {
      bundle: ours.ca.trust,
      purpose: 'client',
      nowMs: ours.clock.wallMs(),
    })
    return isRefusal(result) ? result.rule : result.principal.id
  } finally {
    socket.destroy()
    server.close()
  }
}

test('certificates behind the leaf change nothing', async () => {
  using ours = createTestAuthority()
  using theirs = createTestAuthority()
  const victim = ours.ca.issueLeaf(leafRequest({ principal: principal('agent', 'victim') })).der
  const attacker = tlsIdentity(theirs, 'attacker', [victim, ours.ca.chain[0], ...theirs.ca.chain])
  assert.equal(await answerTo(ours, attacker), 'issuer')
  const member = tlsIdentity(ours, 'member', [victim])
  assert.equal(await answerTo(ours, member), 'member')
})

test('a leaf with more bytes behind it is no certificate', () => {
  using ours = createTestAuthority()
  const { der } = ours.ca.issueLeaf(leafRequest())
  const check = { bundle: ours.ca.trust, purpose: 'client', nowMs: ours.clock.wallMs() } as const
  const result = verifyPeerLeaf(Buffer.concat([der, ours.ca.chain[0]]), check)
  assert.ok(isRefusal(result))
  assert.equal(result.rule, 'encoding')
})
