import {
  equalBytes,
  isRefusal,
  refuse,
  type Refusal,
  type UnixMs,
  unixMs,
} from '../../foundation/base/index.ts'
import {
  compareNumbered,
  createDirectoryState,
  createLockState,
  type DirectoryState,
  type LockState,
  type NumberedObject,
  type TrustBundle,
  type TrustState,
  verifyNumbered,
} from '../../trust/pki/index.ts'
import { nodeErrors } from './errors.ts'
import type { ObjectKind } from './object-files.ts'

/** Largest signed manifest in bytes: 100,000 rules fit. */
const MAX_MANIFEST_BYTES = 16 * 1024 * 1024
const MAX_MANIFEST_ITEMS = 4 * 1024 * 1024

/** What happened to an object that was handed in. */
export type Applied = 'newer' | 'same' | Refusal

/** Everything a member believes of its fabric, each part signed by the authority. */
export interface FabricState {
  readonly bundle: TrustBundle
  readonly locks: LockState
  readonly directory: DirectoryState
  /** The fleet manifest in force; `undefined` until one was applied. */
  readonly manifest: NumberedObject | undefined
  /** When the newest of the held objects was signed: it is not earlier than that. 0: none is held. */
  readonly signedAt: UnixMs
  /**
   * Takes a signed object if it is genuine and not older than the one held.
   *
   * @returns what happened; a refusal changes nothing
   */
  apply(kind: ObjectKind, signed: Uint8Array): Applied
}

/**
 * Told of every genuine object before {@link FabricState.apply} returns: of one that took effect
 * (`newer`), and of the held one signed again (`same`).
 */
export type OnGenuine = (kind: ObjectKind, signed: Uint8Array, applied: 'newer' | 'same') => void

/**
 * Holds the signed objects of a fabric.
 *
 * @param trust - holds a verified trust bundle already
 * @param hooks - `onGenuine` keeps what took effect; `acceptManifest` loads a genuine, newer
 *   manifest into the policy engine and may refuse it
 * @throws {@link KosError} KOS_NODE_STATE when the trust state is empty
 */
export function createFabricState(
  trust: TrustState,
  hooks: {
    readonly onGenuine: OnGenuine
    readonly acceptManifest: (manifest: NumberedObject) => Refusal | undefined
  },
): FabricState {
  let manifest: NumberedObject | undefined
  const bundle = (): TrustBundle => {
    if (!trust.current) throw nodeErrors.error('KOS_NODE_STATE', { rule: 'bundle' })
    return trust.current
  }
  bundle()
  const locks = createLockState({ trust: bundle })
  const directory = createDirectoryState({ trust: bundle })
  const applyManifest = (signed: Uint8Array): Applied => {
    const next = readManifest(bundle(), signed, manifest)
    if (isRefusal(next) || next === 'same') return next
    const refusal = hooks.acceptManifest(next)
    if (refusal) return refusal
    manifest = next
    return 'newer'
  }
  const appliers: Readonly<Record<ObjectKind, (signed: Uint8Array) => Applied>> = {
    bundle: (signed) => trust.apply(signed),
    manifest: applyManifest,
    directory: (signed) => directory.apply(signed),
    locks: (signed) => locks.apply(signed),
  }
  return {
    get bundle(): TrustBundle {
      return bundle()
    },
    get manifest(): NumberedObject | undefined {
      return manifest
    },
    get signedAt(): UnixMs {
      const held = [locks.current?.object, directory.current?.object, manifest]
      return unixMs(Math.max(...held.map((object) => object?.issuedAt ?? 0)))
    },
    locks,
    directory,
    apply: (kind, signed): Applied => {
      const applied = appliers[kind](signed)
      if (!isRefusal(applied)) hooks.onGenuine(kind, signed, applied)
      return applied
    },
  }
}

/** A genuine manifest that is newer than the one held, or why it does not count. */
function readManifest(
  bundle: TrustBundle,
  signed: Uint8Array,
  held: NumberedObject | undefined,
): NumberedObject | 'same' | Refusal {
  const next = verifyNumbered('manifest', signed, {
    verifiers: bundle.signingKeys.policy,
    maxBytes: MAX_MANIFEST_BYTES,
    maxItems: MAX_MANIFEST_ITEMS,
  })
  if (isRefusal(next)) return next
  if (next.era > bundle.era) return refuse('KOS_PKI_OBJECT', 'era')
  const order = held ? compareNumbered(next, held) : 1
  if (order < 0) return refuse('KOS_PKI_OLDER', 'manifest')
  if (order > 0 || !held) return next
  return equalBytes(next.hash, held.hash) ? 'same' : refuse('KOS_PKI_OBJECT', 'fork')
}
