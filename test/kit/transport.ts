/** A listener on loopback with everything around it, and raw clients from chosen 127/8 addresses. */
import { connect as connectTcp, type Socket } from 'node:net'
import type { TestContext } from 'node:test'
import { connect as connectTls, type ConnectionOptions, type TLSSocket } from 'node:tls'
import { isRefusal, type Log, type Refusal, silentLog } from '../../src/foundation/base/index.ts'
import { PROFILES, type ProfileName } from '../../src/foundation/profiles/index.ts'
import {
  type Admission,
  type AdmissionOptions,
  type AdmissionTicket,
  createAdmission,
  type RefusalRecord,
} from '../../src/network/admission/index.ts'
import {
  type CertificateIdentity,
  createDialler,
  createListener,
  type Dialler,
  type Listener,
  type ListenerIdentity,
  type SecureChannel,
  tlsClientOptions,
  type VerdictDisagreement,
  type VerifyPeer,
} from '../../src/network/transport/index.ts'
import { createTestClock, type TestClock } from './clock.ts'
import { createTestTlsFleet, type TestTlsFleet } from './tls.ts'

/** A channel a listener handed out, with its ticket. */
export interface Accepted {
  readonly channel: SecureChannel
  readonly ticket: AdmissionTicket
}

/** How a test listener differs from an ordinary one. */
export interface TestListenerOptions {
  readonly profile?: ProfileName
  readonly fleet?: TestTlsFleet
  readonly identity?: () => ListenerIdentity
  readonly verifyPeer?: VerifyPeer
  readonly admission?: AdmissionOptions
  readonly log?: Log
  /** What to do with a channel; by default it is ready at once and echoes. */
  readonly onChannel?: (accepted: Accepted) => void
}

/** A listening listener and what a test looks at. */
export interface TestListener {
  readonly listener: Listener
  readonly port: number
  readonly admission: Admission
  readonly clock: TestClock
  readonly fleet: TestTlsFleet
  readonly accepted: Accepted[]
  /** What OpenSSL and the own check disagreed about, at either end. */
  readonly disagreements: readonly VerdictDisagreement[]
  /** Refusals so far: reason → count, all prefixes together. */
  refusals(): Readonly<Record<string, number>>
  /** Refusals so far of one prefix. */
  refusalsOf(prefix: string): Readonly<Record<string, number>>
  dialler(identity?: CertificateIdentity): Dialler
  /** Connects as a good peer from an address. */
  dialFrom(localAddress: string, dialler?: Dialler): Promise<SecureChannel | Refusal>
  /** Opens a raw TCP connection from an address; it may be closed again when it is handed out. */
  tcpFrom(localAddress: string): Promise<Socket>
  /** TLS client options of a good peer, to be spoilt by the test. */
  clientOptions(identity?: CertificateIdentity): ConnectionOptions
}

/** Starts a listener that ends with the test. */
export async function startTestListener(
  context: TestContext,
  options: TestListenerOptions = {},
): Promise<TestListener> {
  const fleet = options.fleet ?? createTestTlsFleet()
  const profile = PROFILES[options.profile ?? 'SEC-2']
  const clock = createTestClock()
  const records: RefusalRecord[] = []
  const admission = createAdmission(
    { clock, onRefusals: (some) => records.push(...some) },
    options.admission,
  )
  const accepted: Accepted[] = []
  const disagreements: VerdictDisagreement[] = []
  const onDisagreement = (found: VerdictDisagreement): void => void disagreements.push(found)
  const own = fleet.identity('listener')
  const verifyPeer = options.verifyPeer ?? fleet.verifyPeer
  const listener = must(
    createListener(
      { admission, clock, log: options.log ?? silentLog, verifyPeer, onDisagreement },
      {
        host: '127.0.0.1',
        port: 0,
        profile,
        identity: options.identity ?? (() => own),
        onChannel: (channel, ticket) => {
          accepted.push({ channel, ticket })
          const act = options.onChannel ?? echo
          act({ channel, ticket })
        },
      },
    ),
  )
  const { port } = must(await listener.listen())
  context.after(() => listener.close())
  const sum = (matches: (record: RefusalRecord) => boolean): Record<string, number> => {
    admission.flush()
    const counts: Record<string, number> = {}
    for (const { reason, count } of records.filter(matches)) {
      counts[reason] = (counts[reason] ?? 0) + count
    }
    return counts
  }
  const peer = fleet.identity('peer')
  const dialler = (identity: CertificateIdentity = peer): Dialler =>
    must(
      createDialler(
        { admission, clock, verifyPeer, onDisagreement },
        { profile, identity: () => identity },
      ),
    )
  return {
    listener,
    port,
    admission,
    clock,
    fleet,
    accepted,
    disagreements,
    refusals: () => sum(() => true),
    refusalsOf: (prefix) => sum((record) => record.prefix === prefix),
    dialler,
    dialFrom: (localAddress, from = dialler()) =>
      from.dial({ host: '127.0.0.1', port, timeoutMs: 3000, localAddress }),
    tcpFrom: async (localAddress) => {
      const socket = connectTcp({ host: '127.0.0.1', port, localAddress })
      context.after(() => socket.destroy())
      socket.on('error', () => undefined)
      // A socket that nobody reads does not notice its end.
      socket.resume()
      // A refused one may be reset before it ever is connected.
      const connected = new Promise((resolve) => socket.once('connect', resolve))
      await Promise.race([connected, closed(socket)])
      return socket
    },
    clientOptions: (identity = peer) => ({
      ...must(tlsClientOptions(profile, identity)),
      host: '127.0.0.1',
      port,
    }),
  }
}

/** A device that is ready at once and sends back what it gets. */
export function echo({ channel, ticket }: Accepted): void {
  ticket.ready(`spiffe://kos.internal/device/${channel.connected.connection.sourceAddress}`)
  channel.attach({
    onData: (bytes) => {
      channel.write(Buffer.from(bytes))
    },
    onDrain: () => undefined,
    onClose: () => undefined,
  })
}

/** The value, or the failure of the test. */
export function must<T>(value: T | Refusal): T {
  if (isRefusal(value)) throw new Error(`refused: ${value.code} ${value.rule}`)
  return value
}

/** The refusal, or the failure of the test. */
export function mustRefuse(value: unknown): Refusal {
  if (!isRefusal(value)) throw new Error('not refused')
  return value
}

/** Sends bytes over an echoing channel and waits for their return. */
export function echoed(channel: SecureChannel, text: string): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>()
  let seen = ''
  channel.attach({
    onData: (bytes) => {
      seen += Buffer.from(bytes).toString()
      if (seen.length >= text.length) resolve(seen)
    },
    onDrain: () => undefined,
    onClose: ({ by, reason }) => reject(new Error(`closed by ${by}: ${reason}`)),
  })
  channel.write(Buffer.from(text))
  return promise
}

/** How a channel ends. */
export function closeOf(channel: SecureChannel): Promise<{ by: string; reason: string }> {
  const { promise, resolve } = Promise.withResolvers<{ by: string; reason: string }>()
  channel.attach({ onData: () => undefined, onDrain: () => undefined, onClose: resolve })
  return promise
}

/** What became of a raw TLS client: an error code, `closed`, or the secured socket. */
export function tlsAttempt(
  context: TestContext,
  options: ConnectionOptions & { readonly localAddress?: string },
): Promise<TLSSocket | string> {
  const { promise, resolve } = Promise.withResolvers<TLSSocket | string>()
  const socket = connectTls(options)
  context.after(() => socket.destroy())
  socket.on('error', (error) => resolve('code' in error ? String(error.code) : error.message))
  socket.once('close', () => resolve('closed'))
  socket.once('secureConnect', () => resolve(socket))
  return promise
}

/** Waits until a socket is closed, whatever the way. */
export function closed(socket: Socket): Promise<void> {
  if (socket.closed) return Promise.resolve()
  const { promise, resolve } = Promise.withResolvers<undefined>()
  socket.once('close', () => resolve(undefined))
  return promise
}

/** Waits until a condition holds, one turn of the event loop at a time. */
export async function until(holds: () => boolean): Promise<void> {
  for (let turn = 0; turn < 500_000 && !holds(); turn++) {
    await new Promise((resolve) => setImmediate(resolve))
  }
  if (!holds()) throw new Error('the condition never held')
}
