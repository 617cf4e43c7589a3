import { duplexPair, type Duplex } from 'node:stream'
import { connect, type ConnectionOptions, type TLSSocket } from 'node:tls'
import { type Clock, isRefusal, refuse, type Refusal } from '../../foundation/base/index.ts'
import type { Profile, TransportRule } from '../../foundation/profiles/index.ts'
import type { ListenerIdentity } from './identity.ts'
import { groupOf } from './secured-peer.ts'
import { ALPN_PROTOCOL, tlsClientOptions } from './tls-options.ts'

/** Whose enforcement is tested. */
export interface SelfTestSubject {
  readonly profile: Profile
  readonly identity: ListenerIdentity
}

/** What a handshake agreed on. */
interface Agreed {
  readonly version: string | null
  readonly cipherSuite: string
  readonly group: string
  readonly alpn: string | false | null
}

const PROBE_TIMEOUT_MS = 3000

/** A group that no profile knows. */
const FOREIGN_GROUP = 'P-521'

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
  // No key of a pre-shared-key listener is at hand here: only what it must refuse can be tested.
  if (identity.kind === 'certificate') {
    const options = tlsClientOptions(profile, identity)
    if (isRefusal(options)) return options
    const wrong = wrongAgreement(await attempt(options), transport)
    if (wrong) return failure(wrong, profile)
  }
  for (const [rule, options] of Object.entries(forbiddenClients(transport))) {
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

/** Clients that the listener must refuse, by the rule that would be broken. */
function forbiddenClients(transport: TransportRule): Readonly<Record<string, ConnectionOptions>> {
  const tls13: ConnectionOptions = {
    minVersion: 'TLSv1.3',
    maxVersion: 'TLSv1.3',
    ALPNProtocols: [ALPN_PROTOCOL],
  }
  const otherSuite =
    transport.cipherSuite === 'TLS_AES_256_GCM_SHA384'
      ? 'TLS_AES_128_GCM_SHA256'
      : 'TLS_AES_256_GCM_SHA384'
  return {
    'tls-1.2-accepted': { ...tls13, minVersion: 'TLSv1.2', maxVersion: 'TLSv1.2' },
    'cipher-suite-accepted': { ...tls13, ciphers: otherSuite },
    'group-accepted': { ...tls13, ecdhCurve: FOREIGN_GROUP },
    'alpn-accepted': { ...tls13, ALPNProtocols: ['kos-self-test'] },
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
