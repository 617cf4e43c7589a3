import type { Principal, Refusal, UnixMs } from '../base/index.ts'
import type { CborInput } from '../codec/index.ts'
import type { Profile } from '../profiles/index.ts'

/** What admission knows of a connection before any cryptography. */
export interface ConnectionFacts {
  /** The peer's IP address as the socket reports it. */
  readonly sourceAddress: string
  readonly sourcePort: number
  /** The profile of the listener that accepted, or of the dial. */
  readonly listener: Profile
  readonly direction: 'inbound' | 'outbound'
}

/** What a verified leaf and a verified AUTH prove of a peer. */
export interface PeerFacts {
  readonly principal: Principal
  /** The profile floor the leaf carries. */
  readonly floor: Profile
  readonly generation: number
  /** SHA-256 of the identity key's SPKI. */
  readonly identityKeyHash: Uint8Array
  /** SHA-256 of the TLS leaf's SPKI. */
  readonly tlsKeyHash: Uint8Array
  /** Lower-case hexadecimal serial number of the leaf. */
  readonly serial: string
  readonly notAfter: UnixMs
}

/** One call as it arrived: decoded, not yet trusted. */
export interface CallRequest {
  /** 16 bytes as lower-case hexadecimal; the same id again gets the same result. */
  readonly callId: string
  readonly command: string
  readonly arguments: unknown
  readonly deadlineMs: number
  readonly traceId: string
  /** Aborted when the caller resets the stream, the deadline passes or the connection ends. */
  readonly signal: AbortSignal
  /**
   * Sends bytes of a streamed result before the outcome; absent: the caller asked for no stream.
   *
   * @param bytes - must not change until the promise resolves
   * @returns true once the caller's credit took all of them, false when the call ended before: stop
   */
  readonly emit?: ((bytes: Uint8Array) => Promise<boolean>) | undefined
}

/** The rule that allowed a call, and where it stands. */
export interface Grant {
  readonly rule: string
  readonly layer: string
  /** Number of the fleet manifest that decided. */
  readonly manifestNumber: number
}

/**
 * Decides the rules that look at argument values, on the canonical value. What such a rule cannot
 * decide, it denies.
 */
export type ArgumentDecision = (canonicalArguments: unknown) => Grant | Refusal

/** How a command ended. */
export type Outcome =
  | { readonly status: 'ok'; readonly value: CborInput }
  | { readonly status: 'failed'; readonly failure: Refusal }
