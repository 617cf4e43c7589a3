import { generateKeySync } from 'node:crypto'
import { duplexPair, type Duplex } from 'node:stream'
import { connect, type ConnectionOptions, type TLSSocket } from 'node:tls'
import { type Clock, isRefusal, refuse, type Refusal } from '../../foundation/base/index.ts'
import type { Profile, TransportRule } from '../../foundation/profiles/index.ts'
import { approvedGroups, isFipsMode } from '../../trust/keys/index.ts'
import type { DiallerIdentity, PskIdentity } from './identity.ts'
import { groupOf } from './secured-peer.ts'
import { ALPN_PROTOCOL, tlsClientOptions } from './tls-options.ts'

/** Whose enforcement is tested. */
export interface SelfTestSubject {
  readonly profile: Profile
  /** Of a client that the server has to accept. */
  readonly identity: DiallerIdentity
}

/** What a handshake agreed on. */
interface Agreed {
  readonly version: string | null
  readonly cipherSuite: string
  readonly group: string
  readonly alpn: string | false | null
}

const PROBE_TIMEOUT_MS = 3000

/** Every suite of TLS 1.3 that OpenSSL offers unasked. @see RFC 8446 appendix B.4 */
const SUITES = ['TLS_AES_128_GCM_SHA256', 'TLS_AES_256_GCM_SHA384', 'TLS_CHACHA20_POLY1305_SHA256']
/** Groups that some profile has, and those that clients of others offer most. */
const GROUPS = [
  'SecP256r1MLKEM768',
  'SecP384r1MLKEM1024',
  'X25519MLKEM768',
  'X25519',
  'P-256',
  'P-384',
  'P-521',
]
/** Signature algorithms that no profile has. */
const FOREIGN_SIGNATURES = 'ed25519:rsa_pss_rsae_sha256:ecdsa_secp384r1_sha384'

/**
 * Shakes hands with a TLS server from within the process.
 *
 * @param accept - gives the server's end of a stream to the server
 * @param clock - bounds each handshake
 * @param subject - the profile the server claims and the identity it uses
 * @returns `undefined`, or a refusal KOS_TRANSPORT_SELF_TEST whose rule names the first thing wrong
 */
export async function selfTestTls(
  accept: (stream: Duplex) => void,
  clock: Clock,
  subject: SelfTestSubject,
): Promise<Refusal | undefined> {
  const { profile, identity } = subject
  const { transport } = profile
  if (!transport) return refuse('KOS_TRANSPORT_PROFILE', 'transport')
  const attempt = (options: ConnectionOptions): Promise<Agreed | undefined> =>
    handshake(accept, clock, options)
  const good = tlsClientOptions(profile, identity)
  if (isRefusal(good)) return good
  const wrong = wrongAgreement(await attempt(good), transport)
  if (wrong) return failure(wrong, profile)
  for (const [rule, options] of forbiddenClients(transport, identity)) {
    if (await attempt(options)) return failure(rule, profile)
  }
  return undefined
}

function failure(rule: string, profile: Profile): Refusal {
  return refuse('KOS_TRANSPORT_SELF_TEST', rule, { details: { profile: profile.name } })
}

function wrongAgreement(agreed: Agreed | undefined, transport: TransportRule): string | undefined {
  if (!agreed) return 'handshake'
  if (agreed.version !== 'TLSv1.3') return 'version'
  if (agreed.cipherSuite !== transport.cipherSuite) return 'cipher-suite'
  if (agreed.group !== transport.groups[0]) return 'group'
  return agreed.alpn === ALPN_PROTOCOL ? undefined : 'alpn'
}

type Client = readonly [rule: string, options: ConnectionOptions]

/** Clients that the listener must refuse, by the rule that would be broken. */
function forbiddenClients(transport: TransportRule, identity: DiallerIdentity): readonly Client[] {
  // Without a secure context of its own, each probe is exactly what it says; a pre-shared key stays
  // good, so that the key is not what is refused.
  const client: ConnectionOptions = {
    minVersion: 'TLSv1.3',
    maxVersion: 'TLSv1.3',
    ALPNProtocols: [ALPN_PROTOCOL],
    ...(identity.kind === 'psk' && pskOptions(identity)),
  }
  // What this process itself cannot do any more, in FIPS mode, it cannot probe either.
  const known = isFipsMode() ? SUITES.filter((suite) => !suite.includes('CHACHA20')) : SUITES
  const suites = known.filter((suite) => suite !== transport.cipherSuite)
  const groups = approvedGroups(GROUPS).filter(
    (group) => !transport.groups.some((allowed) => allowed === group),
  )
  return [
    ['tls-1.2-accepted', { ...client, minVersion: 'TLSv1.2', maxVersion: 'TLSv1.2' }],
    ...suites.map((ciphers): Client => [`accepted: ${ciphers}`, { ...client, ciphers }]),
    ...groups.map((group): Client => [`accepted: ${group}`, { ...client, ecdhCurve: group }]),
    ['alpn-accepted', { ...client, ALPNProtocols: ['kos-self-test'] }],
    ...(identity.kind === 'psk'
      ? forbiddenKeys(client, identity)
      : ([['signatures-accepted', { ...client, sigalgs: FOREIGN_SIGNATURES }]] as const)),
  ]
}

function forbiddenKeys(client: ConnectionOptions, identity: PskIdentity): readonly Client[] {
  const foreign = (): Buffer => Buffer.from(generateKeySync('hmac', { length: 256 }).export())
  return [
    // First: who lets it in falls back to that for other clients as well.
    ['no-key-accepted', { ...client, pskCallback: undefined }],
    ['handle-accepted', { ...client, ...pskOptions({ ...identity, handle: 'kos-self-test' }) }],
    [
      'key-accepted',
      { ...client, pskCallback: () => ({ identity: identity.handle, psk: foreign() }) },
    ],
  ]
}

function pskOptions(identity: PskIdentity): ConnectionOptions {
  return {
    ciphers: 'TLS_AES_128_GCM_SHA256',
    pskCallback: () => ({
      identity: identity.handle,
      psk: identity.key.use((bytes) => Buffer.from(bytes)),
    }),
  }
}

/** One handshake over a stream in memory; `undefined` when it does not succeed. */
function handshake(
  accept: (stream: Duplex) => void,
  clock: Clock,
  options: ConnectionOptions,
): Promise<Agreed | undefined> {
  const [near, far] = duplexPair()
  const { promise, resolve } = Promise.withResolvers<Agreed | undefined>()
  accept(far)
  const socket = connect({
    ...options,
    socket: near,
    rejectUnauthorized: false,
    checkServerIdentity: () => undefined,
  })
  const cancel = clock.after(PROBE_TIMEOUT_MS, () => socket.destroy())
  socket.once('secureConnect', () => {
    resolve(agreedOn(socket))
    socket.destroy()
  })
  socket.on('error', () => socket.destroy())
  socket.once('close', () => {
    cancel()
    far.destroy()
    resolve(undefined)
  })
  return promise
}

function agreedOn(socket: TLSSocket): Agreed {
  return {
    version: socket.getProtocol(),
    cipherSuite: socket.getCipher().name,
    group: groupOf(socket),
    alpn: socket.alpnProtocol,
  }
}
