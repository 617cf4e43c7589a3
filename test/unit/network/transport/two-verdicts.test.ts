/**
 * Leaves that the authority's own key signed, each wrong in one way, over real TLS: which of the two
 * verdicts refuses, what is recorded inside, and that it cannot be told from outside.
 */
import assert from 'node:assert/strict'
import { describe, it, type TestContext } from 'node:test'
import { type SafeDetails, systemClock, unixMs } from '../../../../src/foundation/base/index.ts'
import {
  derInteger,
  EXTENSION_OID,
  extendedKeyUsageExtension,
  subjectAltNamesExtension,
  type X509Extension,
} from '../../../../src/foundation/codec/index.ts'
import { KOS_IDENTITY_OID } from '../../../../src/trust/pki/leaf-identity.ts'
import { principal } from '../../../kit/pki.ts'
import {
  type ChangeExtensions,
  createTlsAuthority,
  type ForgedFields,
  memberVerdict,
  NETSCAPE_MAIL,
  type TlsAuthority,
} from '../../../kit/tls-authority.ts'
import { mustRefuse, startTestListener, tlsAttempt, until } from '../../../kit/transport.ts'

const HOUR_MS = 3_600_000
const CODE_SIGNING = '1.3.6.1.5.5.7.3.3'
const { uri } = principal()
const other = principal('device', 'kdev-bbbbbbbbbbbbbbbbbbbbbbbbbb').uri

/** Replaces the extension of a type, or removes it. */
const instead =
  (oid: string, by?: X509Extension): ChangeExtensions =>
  (ordinary) =>
    ordinary.flatMap((one) => (one.oid === oid ? (by ? [by] : []) : [one]))

const names = (...uris: string[]): ChangeExtensions =>
  instead(EXTENSION_OID.subjectAltNames, subjectAltNamesExtension({ uris }))

interface Case {
  readonly name: string
  readonly fields: () => ForgedFields
  /** What the refusal says inside; the code tells whether both agreed. */
  readonly inside: readonly [code: string, rule: string]
  readonly disagreement?: { readonly openssl: string; readonly own: string }
}

const alarm = (openssl: string, own: string): Pick<Case, 'inside' | 'disagreement'> => ({
  inside: ['KOS_TRANSPORT_VERDICT', `openssl: ${openssl}, own: ${own}`],
  disagreement: { openssl, own },
})
const both = (openssl: string): Pick<Case, 'inside'> => ({
  inside: ['KOS_TRANSPORT_UNTRUSTED', openssl],
})

const CASES: readonly Case[] = [
  {
    name: 'two URI names: OpenSSL does not mind',
    fields: () => ({ extensions: names(uri, other) }),
    ...alarm('ok', 'uri-san'),
  },
  {
    name: 'no kOS extension: OpenSSL does not know it',
    fields: () => ({ extensions: instead(KOS_IDENTITY_OID) }),
    ...alarm('ok', 'extension'),
  },
  {
    name: 'a host name in a device leaf: OpenSSL does not mind',
    fields: () => ({
      extensions: instead(
        EXTENSION_OID.subjectAltNames,
        subjectAltNamesExtension({ uris: [uri], dnsNames: ['authority.kos.internal'] }),
      ),
    }),
    ...alarm('ok', 'names'),
  },
  {
    name: 'a Netscape certificate type for mail: we do not know it, OpenSSL does',
    fields: () => ({
      extensions: (ordinary) => [...ordinary, NETSCAPE_MAIL],
    }),
    ...alarm('INVALID_PURPOSE', 'ok'),
  },
  {
    name: 'an unknown critical extension',
    fields: () => ({
      extensions: (ordinary) => [
        ...ordinary,
        { oid: '1.3.6.1.4.1.99999.1', critical: true, value: derInteger(1) },
      ],
    }),
    ...both('openssl: UNSPECIFIED, own: critical-extension'),
  },
  {
    name: 'ended a second ago',
    fields: () => ({ notAfter: unixMs(lastSecond(systemClock.wallMs()) - 1000) }),
    ...both('CERT_HAS_EXPIRED'),
  },
  {
    name: 'another extended key usage',
    fields: () => ({
      extensions: instead(
        EXTENSION_OID.extendedKeyUsage,
        extendedKeyUsageExtension([CODE_SIGNING]),
      ),
    }),
    ...both('INVALID_PURPOSE'),
  },
  {
    name: 'a name outside the constraints of the intermediate',
    fields: () => ({ extensions: names(uri.replace('kos.internal', 'other.internal')) }),
    ...both('openssl: UNSPECIFIED, own: trust-domain'),
  },
]

function lastSecond(ms: number): number {
  return Math.floor(ms / 1000) * 1000
}

interface Refused {
  readonly code: unknown
  readonly rule: unknown
}

/** A listener that judges as members do, and what it says inside. */
async function start(
  context: TestContext,
  authority: TlsAuthority,
): Promise<Awaited<ReturnType<typeof startTestListener>> & { readonly refused: Refused[] }> {
  const refused: Refused[] = []
  const own = authority.identity()
  const { verifyPeer } = memberVerdict(authority.ca)
  const event = (name: string, fields: SafeDetails = {}): void => {
    const { code, rule } = fields
    if (name === 'transport.refused') refused.push({ code, rule })
  }
  const server = await startTestListener(context, {
    identity: () => own,
    verifyPeer,
    log: { event },
  })
  return { ...server, refused }
}

/** All that a client can learn: whether TLS was done, which alert came, what data. */
async function outsideLook(
  context: TestContext,
  options: Parameters<typeof tlsAttempt>[1],
): Promise<unknown> {
  const socket = await tlsAttempt(context, options)
  if (typeof socket === 'string') return socket
  const { promise, resolve } = Promise.withResolvers<unknown>()
  let dataBytes = 0
  let alert: string | undefined
  socket.on('data', (bytes: Buffer) => (dataBytes += bytes.length))
  socket.on('error', (error: Error) => {
    const code = 'code' in error ? String(error.code) : error.message
    if (code !== 'ECONNRESET') alert = code
  })
  socket.once('close', () => resolve({ secured: true, alert, dataBytes }))
  return promise
}

describe('a leaf that one or both verdicts refuse', () => {
  for (const { name, fields, inside, disagreement } of CASES) {
    const found = disagreement ? [disagreement] : []

    it(`of a client: ${name}`, async (context) => {
      const authority = createTlsAuthority(context)
      const server = await start(context, authority)
      const options = server.clientOptions(authority.forged(fields()))
      const look = await outsideLook(context, { ...options, localAddress: '127.0.0.66' })
      assert.deepEqual(look, { secured: true, alert: undefined, dataBytes: 0 })
      await until(() => server.admission.stats.connections === 0)
      assert.deepEqual(server.refused, [{ code: inside[0], rule: inside[1] }])
      assert.equal(server.accepted.length, 0)
      const expected = found.map((one) => ({ ...one, source: '127.0.0.66', purpose: 'client' }))
      assert.deepEqual(server.disagreements, expected)
    })

    it(`of a listener: ${name}`, async (context) => {
      const authority = createTlsAuthority(context)
      const { verifyPeer } = memberVerdict(authority.ca)
      const forged = authority.forged(fields())
      const server = await startTestListener(context, { identity: () => forged, verifyPeer })
      const dialler = server.dialler(authority.identity())
      const refusal = mustRefuse(await server.dialFrom('127.0.0.77', dialler))
      assert.deepEqual([refusal.code, refusal.rule], inside)
      const expected = found.map((one) => ({ ...one, source: '127.0.0.1', purpose: 'server' }))
      assert.deepEqual(server.disagreements, expected)
    })
  }

  it('good leaves pass both', async (context) => {
    const authority = createTlsAuthority(context)
    const server = await start(context, authority)
    for (const identity of [authority.identity(), authority.forged()]) {
      const channel = await server.dialFrom('127.0.0.77', server.dialler(identity))
      assert.ok(!('allow' in channel))
      channel.destroy('test')
    }
    assert.deepEqual([server.refused, server.disagreements], [[], []])
  })

  it('ended a second ago by the proven time alone: no disagreement', async (context) => {
    const authority = createTlsAuthority(context)
    const soon = unixMs(lastSecond(systemClock.wallMs()) + HOUR_MS)
    const { verifyPeer } = memberVerdict(authority.ca, () => unixMs(soon + 1000))
    const own = authority.identity()
    const server = await startTestListener(context, { identity: () => own, verifyPeer })
    const ending = server.dialler(authority.forged({ notAfter: soon }))
    const channel = await server.dialFrom('127.0.0.66', ending)
    await until(() => server.admission.stats.connections === 0)
    assert.deepEqual(server.refusals(), { KOS_PKI_CERTIFICATE: 1 })
    assert.deepEqual(server.disagreements, [])
    assert.equal(server.accepted.length, 0)
    if (!('allow' in channel)) channel.destroy('test')
  })
})
