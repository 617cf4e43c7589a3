import { createSecretKey, hkdfSync, type KeyObject } from 'node:crypto'
import { concatBytes, Secret, sha256, utf8 } from '../../foundation/base/index.ts'

/** Which end of the connection: who dialled, or who listened. */
export type Role = 'dialler' | 'listener'

/** The other end. */
export function peerRole(role: Role): Role {
  return role === 'dialler' ? 'listener' : 'dialler'
}

/** The handshake frames of both ends, header and payload. */
export interface Transcript {
  readonly diallerHello: Uint8Array
  readonly listenerHello: Uint8Array
  readonly diallerAuth: Uint8Array
  readonly listenerAuth: Uint8Array
}

/** Keying material of the TLS session. @see RFC 8446 section 7.5 */
export type Exporter = (label: string, context: Uint8Array, length: number) => Uint8Array

const SECRET_BYTES = 32
const SECRET_LABEL = 'EXPORTER-kos1-mac'
const NO_SALT = new Uint8Array(0)
const INFO_NEXT = utf8('kos1 next epoch')
const INFO_DIALLER = utf8('kos1 dialler')
const INFO_LISTENER = utf8('kos1 listener')
const INFO_MAC = utf8('kos1 mac')

/** What all four handshake frames hash to; the context of secret 0. */
export function transcriptHash(transcript: Transcript): Uint8Array {
  const { diallerHello, listenerHello, diallerAuth, listenerAuth } = transcript
  return sha256(concatBytes(diallerHello, listenerHello, diallerAuth, listenerAuth))
}

/**
 * The MAC keys of one direction: secret n gives key n, secret n + 1 = HKDF(secret n), and secret n
 * is erased when the direction moves on.
 *
 * **Security:** secret 0 never is the channel-binding value of RFC 9266, which is public by nature.
 */
export class DirectionKeys {
  #secret: Secret
  #key: KeyObject
  #epoch = 0

  private constructor(secret: Secret) {
    this.#secret = secret
    this.#key = macKey(secret)
  }

  /** Number of the current key, from 0. */
  get epoch(): number {
    return this.#epoch
  }

  /** The current MAC key. */
  get key(): KeyObject {
    return this.#key
  }

  /** Moves to the next epoch and erases the secret of this one. */
  advance(): void {
    const next = expand(this.#secret, INFO_NEXT)
    this.#secret[Symbol.dispose]()
    this.#secret = next
    this.#key = macKey(next)
    this.#epoch += 1
  }

  /** Erases the secret; the keys cannot move on afterwards. */
  [Symbol.dispose](): void {
    this.#secret[Symbol.dispose]()
  }

  /**
   * Derives the keys of both directions; secret 0 itself is erased.
   *
   * @param exporter - of the TLS session
   * @param transcript - hash of the handshake frames
   * @returns the keys by the role of the sender
   */
  static derive(exporter: Exporter, transcript: Uint8Array): Readonly<Record<Role, DirectionKeys>> {
    using secret = Secret.take(exporter(SECRET_LABEL, transcript, SECRET_BYTES))
    return {
      dialler: new DirectionKeys(expand(secret, INFO_DIALLER)),
      listener: new DirectionKeys(expand(secret, INFO_LISTENER)),
    }
  }
}

/** HKDF-SHA256 without salt: the input is uniform already. @see RFC 5869 section 3.1 */
function expand(secret: Secret, info: Uint8Array): Secret {
  const bytes = secret.use((ikm) => hkdfSync('sha256', ikm, NO_SALT, info, SECRET_BYTES))
  return Secret.take(new Uint8Array(bytes))
}

function macKey(secret: Secret): KeyObject {
  using bytes = expand(secret, INFO_MAC)
  return bytes.use((key) => createSecretKey(key))
}
