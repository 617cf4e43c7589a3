/** Two ends of a pre-shared-key connection in memory: a sensor that dials, an authority that listens. */
import { parsePrincipal, Secret, sha256, unixMs, utf8 } from '../../src/foundation/base/index.ts'
import type { PeerFacts } from '../../src/foundation/pipeline/index.ts'
import { PROFILES } from '../../src/foundation/profiles/index.ts'
import type { PeerAuthenticator, PskPeer, Role } from '../../src/network/session/index.ts'
import {
  HandshakeMachine,
  type HandshakeOptions,
} from '../../src/network/session/handshake-machine.ts'
import { SESSION_LIMITS } from '../../src/network/session/limits.ts'
import { derivePskKeys, pskHandleHash, pskIdentity } from '../../src/trust/pki/index.ts'
import { createTestClock } from './clock.ts'
import { createTestRandom } from './random.ts'
import { type HandshakePair, testExporter, testPeer } from './session-pair.ts'

/** The handle of the test's sensor. */
export const PSK_HANDLE = '00112233445566778899aabb'
const END_URIS: Readonly<Record<Role, string>> = {
  dialler: 'spiffe://kos.internal/device/kdev-aaaaaaaaaaaaaaaaaaaaaaaaaa',
  listener: 'spiffe://kos.internal/authority/kauth-test',
}

/** What differs from an honest pair. */
export interface PskPairOptions {
  /** Fills the root of an end; both have 7. */
  readonly roots?: Partial<Record<Role, number>>
  readonly seed?: string
  /** Per end, what it is told of its peer beyond the ordinary. */
  readonly peer?: Partial<Record<Role, Partial<PskPeer>>>
  readonly handshake?: Partial<Record<Role, Partial<HandshakeOptions>>>
  readonly authenticator?: Partial<Record<Role, Partial<PeerAuthenticator>>>
}

/** What the key of the test's sensor proves of an end. */
export function pskFacts(role: Role): PeerFacts {
  const principal = parsePrincipal(END_URIS[role])
  if (!principal) throw new TypeError('principal')
  return {
    principal,
    floor: PROFILES['SEC-1'],
    generation: 1,
    identityKeyHash: sha256(pskIdentity(PSK_HANDLE)),
    tlsKeyHash: pskHandleHash(PSK_HANDLE),
    serial: PSK_HANDLE,
    notAfter: unixMs(1_767_225_600_000 + 86_400_000),
  }
}

/** Makes both machines; they have not started. */
export function pskPair(options: PskPairOptions = {}): HandshakePair {
  const clock = createTestClock()
  const machine = (role: Role): HandshakeMachine => {
    const other = role === 'dialler' ? 'listener' : 'dialler'
    const root = Secret.take(new Uint8Array(32).fill(options.roots?.[role] ?? 7))
    const authKey = derivePskKeys(root).auth
    const peer = { facts: pskFacts(other), authKey, ...options.peer?.[role] }
    const authenticator: PeerAuthenticator = {
      own: () => testPeer(role).own,
      verifyPeer: () => {
        throw new TypeError('no leaf is there')
      },
      psk: {
        own: () => ({ principal: pskFacts(role).principal, machine: sha256(utf8(role)) }),
        verify: () => peer,
      },
      ...options.authenticator?.[role],
    }
    return new HandshakeMachine(
      { clock, random: createTestRandom(`${role} ${options.seed ?? ''}`), authenticator },
      {
        role,
        transport: PROFILES['SEC-1'],
        peerLeafDer: undefined,
        localLeafHash: undefined,
        pskHandle: PSK_HANDLE,
        exporter: testExporter(options.seed),
        state: { updateCounter: 0 },
        limits: SESSION_LIMITS,
        ...options.handshake?.[role],
      },
    )
  }
  const peers = { dialler: testPeer('dialler'), listener: testPeer('listener') }
  return {
    clock,
    dialler: machine('dialler'),
    listener: machine('listener'),
    peers,
    limits: SESSION_LIMITS,
  }
}
