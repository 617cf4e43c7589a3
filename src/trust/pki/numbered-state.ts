import { equalBytes, isRefusal, refuse, type Refusal } from '../../foundation/base/index.ts'
import {
  compareNumbered,
  type NumberedKind,
  type NumberedLimits,
  type NumberedObject,
  verifyNumbered,
} from './numbered.ts'
import type { SigningRole, TrustBundle } from './trust-bundle.ts'

/** The role whose keys sign a kind of object. */
export const SIGNED_BY: Readonly<Record<NumberedKind, SigningRole>> = Object.freeze({
  'lock-list': 'lock',
  directory: 'directory',
  manifest: 'policy',
})

/** An object that was verified and took effect. */
export interface HeldObject<T> {
  readonly object: NumberedObject
  /** The signed bytes, to be kept and handed on. */
  readonly signed: Uint8Array
  readonly value: T
}

/** The newest object of one kind that a node holds. */
export interface NumberedState<T> {
  /** `undefined` until the first object was applied. */
  readonly current: HeldObject<T> | undefined
  apply(signed: Uint8Array): 'newer' | 'same' | Refusal
}

/** What a kind of numbered object demands. */
export interface NumberedRules<T> {
  readonly kind: NumberedKind
  /** The role whose keys sign it. */
  readonly role: SigningRole
  readonly limits: NumberedLimits
  /** Validates the body; its refusal is handed on. */
  readonly read: (object: NumberedObject, bundle: TrustBundle) => T | Refusal
}

/**
 * Holds the newest object of a kind. It takes a genuine object whose (era, number) is higher, or
 * the same object signed again; it refuses anything older (KOS_PKI_OLDER), an era that the roots
 * have not opened, a second object of the same number and a broken hash link (KOS_PKI_OBJECT).
 *
 * @param rules - the kind
 * @param trust - the newest trust bundle, asked at every call
 */
export function createNumberedState<T extends object>(
  rules: NumberedRules<T>,
  trust: () => TrustBundle,
): NumberedState<T> {
  let held: HeldObject<T> | undefined
  return {
    get current(): HeldObject<T> | undefined {
      return held
    },
    apply(signed: Uint8Array): 'newer' | 'same' | Refusal {
      const bundle = trust()
      const verifiers = bundle.signingKeys[rules.role]
      const object = verifyNumbered(rules.kind, signed, { ...rules.limits, verifiers })
      if (isRefusal(object)) return object
      const refusal = checkOrder(rules.kind, object, { bundle, before: held?.object })
      if (refusal) return refusal
      if (held && compareNumbered(object, held.object) === 0) {
        if (object.issuedAt > held.object.issuedAt) {
          held = Object.freeze({ object, signed: Uint8Array.from(signed), value: held.value })
        }
        return 'same'
      }
      const value = rules.read(object, bundle)
      if (isRefusal(value)) return value
      held = Object.freeze({ object, signed: Uint8Array.from(signed), value })
      return 'newer'
    },
  }
}

function checkOrder(
  kind: NumberedKind,
  object: NumberedObject,
  facts: { readonly bundle: TrustBundle; readonly before: NumberedObject | undefined },
): Refusal | undefined {
  const { bundle, before } = facts
  // Only the root keys open an era: a stolen delegated key cannot jump ahead of everyone for ever.
  if (object.era > bundle.era) return refuse('KOS_PKI_OBJECT', 'era')
  if (!before) return undefined
  const order = compareNumbered(object, before)
  if (order < 0) return refuse('KOS_PKI_OLDER', kind)
  if (order === 0) {
    return equalBytes(object.hash, before.hash) ? undefined : refuse('KOS_PKI_OBJECT', 'fork')
  }
  const follows = object.era === before.era && object.number === before.number + 1
  const linked = object.previous !== undefined && equalBytes(object.previous, before.hash)
  return follows && !linked ? refuse('KOS_PKI_OBJECT', 'link') : undefined
}
