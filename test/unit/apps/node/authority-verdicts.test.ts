/** The certificate of the authority's HTTPS: OpenSSL's verdict and ours, and when they are asked for. */
import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import { systemClock, unixMs } from '../../../../src/foundation/base/index.ts'
import { EXTENSION_OID, subjectAltNamesExtension } from '../../../../src/foundation/codec/index.ts'
import {
  type AuthorityClient,
  connectAuthority,
} from '../../../../src/apps/node/authority-client.ts'
import { createFloorClock } from '../../../../src/apps/node/floor-clock.ts'
import type { CertificateIdentity } from '../../../../src/network/transport/index.ts'
import type { TrustBundle } from '../../../../src/trust/pki/index.ts'
import { bundleAnswers, type Impostor, startImpostor } from '../../../kit/impostor.ts'
import { principal } from '../../../kit/pki.ts'
import {
  type ChangeExtensions,
  createTlsAuthority,
  NETSCAPE_MAIL,
  type TlsAuthority,
} from '../../../kit/tls-authority.ts'

const AUTHORITY = principal('authority', 'kauth-1')
const names = (...uris: string[]): ChangeExtensions => {
  const replaced = subjectAltNamesExtension({ uris })
  return (ordinary) =>
    ordinary.map((one) => (one.oid === EXTENSION_OID.subjectAltNames ? replaced : one))
}

/** An authority that presents what a test gives it. */
function serve(
  context: TestContext,
  { ca }: TlsAuthority,
  identity: CertificateIdentity,
): Promise<Impostor> {
  const { certificateChainPem: cert, privateKeyPem } = identity
  const key = privateKeyPem.use((pem) => Buffer.from(pem))
  const answers = bundleAnswers(ca.bundle, () => systemClock.wallMs())
  return startImpostor(context, { cert, key }, answers)
}

function connect(
  { ca }: TlsAuthority,
  { port }: Impostor,
  held?: TrustBundle,
): Promise<AuthorityClient> {
  const clock = createFloorClock(systemClock)
  const at = { host: '127.0.0.1', port, pin: ca.pin, identity: undefined, timeoutMs: 5000 }
  return connectAuthority({ clock }, { ...at, ...(held && { held }) })
}

test('who holds the bundle connects once, who does not, twice', async (context) => {
  const authority = createTlsAuthority(context)
  const own = authority.identity({ principal: AUTHORITY, usage: 'authority' })
  const server = await serve(context, authority, own)
  const member = await connect(authority, server, authority.ca.trust)
  assert.equal(server.connections(), 1)
  member.close()
  const stranger = await connect(authority, server)
  assert.deepEqual(server.requests, ['GET /v1/bundle', 'GET /v1/bundle'])
  // The second connection is the one in use.
  assert.equal((await stranger.request('GET', '/v1/health')).status, 200)
  assert.equal(server.connections(), 3)
  assert.equal(stranger.exporter().length, 32)
  stranger.close()
})

test('a bundle that is older than the intermediate in use is no obstacle', async (context) => {
  const authority = createTlsAuthority(context)
  const { ca } = authority
  const before = ca.trust
  ca.prepareIntermediate()
  ca.switchIntermediate()
  ca.retireIntermediate()
  assert.notDeepEqual(
    before.intermediates.map(({ certificate }) => certificate.serialHex),
    ca.trust.intermediates.map(({ certificate }) => certificate.serialHex),
  )
  const own = authority.identity({ principal: AUTHORITY, usage: 'authority' })
  const server = await serve(context, authority, own)
  const client = await connect(authority, server, before)
  assert.equal((await client.request('GET', '/v1/health')).status, 200)
  assert.equal(server.connections(), 2)
  client.close()
})

interface Case {
  readonly name: string
  readonly forged: (authority: TlsAuthority) => CertificateIdentity
  /** What is said by who holds the bundle, and by who does not. */
  readonly member: string
  readonly stranger?: string
}

const CASES: readonly Case[] = [
  {
    name: 'two URI names: OpenSSL does not mind',
    forged: ({ forged }) => forged({ extensions: names(AUTHORITY.uri, principal().uri) }),
    member: 'openssl: ok, own: uri-san',
    stranger: 'uri-san',
  },
  {
    name: 'a Netscape certificate type for mail: we do not know it, OpenSSL does',
    forged: ({ forged }) =>
      forged({
        extensions: (ordinary) => [...names(AUTHORITY.uri)(ordinary), NETSCAPE_MAIL],
      }),
    member: 'openssl: INVALID_PURPOSE, own: ok',
  },
  {
    name: 'a device',
    forged: ({ identity }) => identity(),
    member: 'kind',
  },
  {
    name: 'ended a second ago, whatever time its owner claims',
    forged: ({ forged }) =>
      forged({
        extensions: names(AUTHORITY.uri),
        notAfter: unixMs(Math.floor(systemClock.wallMs() / 1000) * 1000 - 1000),
      }),
    member: 'expired',
  },
  {
    name: 'a name outside the constraints of the intermediate',
    forged: ({ forged }) =>
      forged({ extensions: names(AUTHORITY.uri.replace('kos.internal', 'other.internal')) }),
    member: 'trust-domain',
  },
]

for (const { name, forged, member, stranger = member } of CASES) {
  test(`refused: ${name}`, async (context) => {
    const authority = createTlsAuthority(context)
    const identity = forged(authority)
    const server = await serve(context, authority, identity)
    const says = (check: string): object => ({
      code: 'KOS_NODE_AUTHORITY_UNTRUSTED',
      details: { check },
    })
    await assert.rejects(connect(authority, server, authority.ca.trust), says(member))
    await assert.rejects(connect(authority, server), says(stranger))
    // Nothing but bundle and time was asked for.
    const harmless = ['GET /v1/bundle', 'GET /v1/health']
    assert.ok(server.requests.every((one) => harmless.includes(one)))
  })
}
