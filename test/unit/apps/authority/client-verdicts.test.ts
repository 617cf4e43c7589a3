/** Client certificates of the HTTP API over real TLS: OpenSSL's verdict and ours must agree. */
import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import {
  isRefusal,
  type Refusal,
  refuse,
  silentLog,
  systemClock,
  unixMs,
} from '../../../../src/foundation/base/index.ts'
import { EXTENSION_OID, subjectAltNamesExtension } from '../../../../src/foundation/codec/index.ts'
import { createClientVerdicts } from '../../../../src/apps/authority/client-verdicts.ts'
import { startHttpServer } from '../../../../src/apps/authority/http-server.ts'
import { json } from '../../../../src/apps/authority/http-types.ts'
import type { PrincipalRecord } from '../../../../src/lifecycle/enrolment/index.ts'
import { createAdmission } from '../../../../src/network/admission/index.ts'
import type {
  CertificateIdentity,
  VerdictDisagreement,
} from '../../../../src/network/transport/index.ts'
import { verifyPeerLeaf } from '../../../../src/trust/pki/index.ts'
import { rawRequest } from '../../../kit/fabric.ts'
import { principal } from '../../../kit/pki.ts'
import { createTlsAuthority, NETSCAPE_MAIL, type TlsAuthority } from '../../../kit/tls-authority.ts'

const { uri } = principal()
const OTHER = principal('device', 'kdev-bbbbbbbbbbbbbbbbbbbbbbbbbb').uri

interface Server {
  readonly found: readonly VerdictDisagreement[]
  /** How a client with this certificate is answered. */
  ask(identity: CertificateIdentity): Promise<string>
}

/** A server whose own verdict knows one principal, and may have locked it. */
async function start(
  context: TestContext,
  authority: TlsAuthority,
  locked = false,
): Promise<Server> {
  const { ca } = authority
  const found: VerdictDisagreement[] = []
  const own = authority.identity({
    principal: principal('authority', 'kauth-1'),
    usage: 'authority',
  })
  const identify = (leafDer: Uint8Array): PrincipalRecord | Refusal => {
    const check = { bundle: ca.trust, purpose: 'client', nowMs: systemClock.wallMs() } as const
    const verified = verifyPeerLeaf(leafDer, check)
    if (isRefusal(verified)) return verified
    return locked ? refuse('KOS_PKI_LOCKED', 'principal') : recordOf(verified.principal.uri)
  }
  const server = await startHttpServer(
    {
      log: silentLog,
      admission: createAdmission({ clock: systemClock, onRefusals: () => undefined }),
      routes: [
        {
          method: 'GET',
          path: '/member',
          guard: 'member',
          maxBytes: 0,
          isUnsigned: true,
          handle: ({ caller }) => json({ uri: caller?.uri }),
        },
      ],
      identify: createClientVerdicts({
        identify,
        anchorsPem: () => own.trustedCaPem,
        onDisagreement: (one) => found.push(one),
      }),
      checkSignature: (): Refusal => refuse('KOS_SESSION_SIGNATURE', 'signature/missing'),
      takeRequest: () => undefined,
      canRecord: () => true,
      onRefused: () => undefined,
    },
    { host: '127.0.0.1', port: 0, identity: own },
  )
  context.after(() => server.close())
  return {
    found,
    ask: async ({ certificateChainPem: cert, privateKeyPem }) => {
      const key = privateKeyPem.use((pem) => Buffer.from(pem))
      const answer = await rawRequest(server.port, {
        method: 'GET',
        path: '/member',
        identity: { cert, key },
      })
      return `${answer.status} ${answer.rule ?? answer.text}`
    },
  }
}

function recordOf(named: string): PrincipalRecord {
  return {
    id: principal().id,
    uri: named,
    kind: 'device',
    name: 'camera-1',
    profile: 'SEC-2',
    state: 'active',
    owner: named,
    mac: '000000000000',
    uuid: '00000000-0000-7000-8000-000000000000',
    identitySpki: new Uint8Array(),
    kemSpki: undefined,
    logSpkis: [],
    generation: 1,
    generationUsed: true,
    roles: [],
    groups: [],
    labels: {},
    addresses: [],
    createdAt: unixMs(0),
    lastSeenAt: undefined,
    certificateNotBefore: unixMs(0),
    certificateNotAfter: unixMs(0),
  }
}

const REFUSED = '403 guard/member/certificate'

test('a certificate that both accept is the caller’s', async (context) => {
  const authority = createTlsAuthority(context)
  const server = await start(context, authority)
  assert.equal(await server.ask(authority.identity()), `200 ${JSON.stringify({ uri })}`)
  assert.deepEqual(server.found, [])
})

test('one that only one of both accepts is refused, and is an alarm', async (context) => {
  const authority = createTlsAuthority(context)
  const server = await start(context, authority)
  const twoNames = subjectAltNamesExtension({ uris: [uri, OTHER] })
  const forged = [
    authority.forged({
      extensions: (ordinary) =>
        ordinary.map((one) => (one.oid === EXTENSION_OID.subjectAltNames ? twoNames : one)),
    }),
    authority.forged({ extensions: (ordinary) => [...ordinary, NETSCAPE_MAIL] }),
  ]
  for (const identity of forged) assert.equal(await server.ask(identity), REFUSED)
  const from = { source: '127.0.0.1', purpose: 'client' }
  assert.deepEqual(server.found, [
    { openssl: 'ok', own: 'uri-san', ...from },
    { openssl: 'INVALID_PURPOSE', own: 'ok', ...from },
  ])
})

test('time, locks and other authorities are no disagreement; the answer is the same', async (context) => {
  const authority = createTlsAuthority(context)
  const server = await start(context, authority)
  const ended = unixMs(Math.floor(systemClock.wallMs() / 1000) * 1000 - 1000)
  assert.equal(await server.ask(authority.forged({ notAfter: ended })), REFUSED)
  assert.equal(await server.ask(createTlsAuthority(context).identity()), REFUSED)
  const locked = await start(context, authority, true)
  assert.equal(await locked.ask(authority.identity()), REFUSED)
  assert.deepEqual([...server.found, ...locked.found], [])
})
