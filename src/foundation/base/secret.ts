import { timingSafeEqual } from 'node:crypto'
import { inspect } from 'node:util'
import { baseErrors } from './base-errors.ts'

const SHOWN = '[secret]'

/**
 * Bytes that must not leak: prints as `[secret]`, compares in constant time, wipes itself.
 *
 * **Security:** copies made by `use` callbacks are the caller's to wipe; JavaScript strings made
 * from a secret cannot be wiped, so keep them short-lived.
 *
 * @example
 * ```ts
 * import { Secret } from 'kos/base'
 * using key = Secret.take(new Uint8Array(32))
 * String(key) // '[secret]'
 * ```
 */
export class Secret {
  readonly #bytes: Uint8Array
  #wiped = false

  private constructor(bytes: Uint8Array) {
    this.#bytes = bytes
  }

  /** Copies the bytes into a new secret and wipes the source. */
  static take(bytes: Uint8Array): Secret {
    const own = new Uint8Array(bytes)
    bytes.fill(0)
    return new Secret(own)
  }

  /** Copies the bytes into a new secret and leaves the source alone. */
  static copy(bytes: Uint8Array): Secret {
    return new Secret(new Uint8Array(bytes))
  }

  /** Length in bytes. */
  get length(): number {
    return this.#bytes.length
  }

  /**
   * Lends the bytes to a function; they must not be kept.
   *
   * @throws {@link KosError} KOS_BASE_WIPED when the secret was wiped
   */
  use<T>(borrow: (bytes: Uint8Array) => T): T {
    return borrow(this.#alive())
  }

  /**
   * Constant-time equality with bytes or another secret.
   *
   * @throws {@link KosError} KOS_BASE_WIPED when either was wiped: zeros must not look equal
   */
  equals(other: Secret | Uint8Array): boolean {
    const own = this.#alive()
    const bytes = other instanceof Secret ? other.#alive() : other
    return own.length === bytes.length && timingSafeEqual(own, bytes)
  }

  /** Overwrites the bytes with zeros; later use throws. */
  [Symbol.dispose](): void {
    this.#bytes.fill(0)
    this.#wiped = true
  }

  #alive(): Uint8Array {
    if (this.#wiped) throw baseErrors.error('KOS_BASE_WIPED')
    return this.#bytes
  }

  toString(): string {
    return SHOWN
  }

  toJSON(): string {
    return SHOWN
  }

  static {
    Object.defineProperty(this.prototype, inspect.custom, { value: () => SHOWN })
  }
}
