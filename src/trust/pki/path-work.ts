import type { KeyObject } from 'node:crypto'
import {
  codecErrors,
  importPkixKey,
  type PkixPublicKey,
  type PkixSigned,
  verifyPkixSignature,
} from '../../foundation/codec/index.ts'
import type { PathLimits, PathWork } from './path-types.ts'

/** Whether a signature holds; `limit` when it was not looked at any more. */
export type SignatureVerdict = 'good' | 'bad' | 'limit'

/** Counts the work of one validation, stops it at its limits, and does nothing twice. */
export class WorkMeter {
  readonly #limits: PathLimits
  readonly #keys = new Map<PkixPublicKey, KeyObject | undefined>()
  readonly #verdicts = new Map<PkixSigned, Map<string, SignatureVerdict>>()
  #signatureChecks = 0
  #steps = 0
  #nameComparisons = 0

  constructor(limits: PathLimits) {
    this.#limits = limits
  }

  /** Counts one certificate that is considered as issuer; `false` at the limit. */
  step(): boolean {
    return ++this.#steps <= this.#limits.maxSteps
  }

  /** Counts names about to be compared; `false` at the limit. */
  compareNames(count: number): boolean {
    this.#nameComparisons += count
    return this.#nameComparisons <= this.#limits.maxNameComparisons
  }

  /** The imported key; `undefined` when the crypto library finds it invalid. */
  importKey(publicKey: PkixPublicKey): KeyObject | undefined {
    if (this.#keys.has(publicKey)) return this.#keys.get(publicKey)
    const key = tryImport(publicKey)
    this.#keys.set(publicKey, key)
    return key
  }

  /** Verifies a signature, once per signed structure and key. */
  verify(signed: PkixSigned, publicKey: PkixPublicKey): SignatureVerdict {
    const known = this.#verdicts.get(signed) ?? new Map<string, SignatureVerdict>()
    this.#verdicts.set(signed, known)
    const { spki } = publicKey
    const name = Buffer.from(spki.buffer, spki.byteOffset, spki.length).toString('latin1')
    const verdict = known.get(name) ?? this.#check(signed, publicKey)
    known.set(name, verdict)
    return verdict
  }

  #check(signed: PkixSigned, publicKey: PkixPublicKey): SignatureVerdict {
    if (this.#signatureChecks === this.#limits.maxSignatureChecks) return 'limit'
    this.#signatureChecks++
    const key = this.importKey(publicKey)
    return key && verifyPkixSignature(signed, publicKey, key) ? 'good' : 'bad'
  }

  /** What was done so far. */
  total(): PathWork {
    return Object.freeze({
      signatureChecks: this.#signatureChecks,
      steps: this.#steps,
      nameComparisons: this.#nameComparisons,
    })
  }
}

function tryImport(publicKey: PkixPublicKey): KeyObject | undefined {
  try {
    return importPkixKey(publicKey)
  } catch (error) {
    if (!codecErrors.has(error)) throw error
    return undefined
  }
}
