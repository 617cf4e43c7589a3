import { equalBytes } from '../../foundation/base/index.ts'
import type { KeyAlgorithm, KeyPurpose, KeyRef, KeyStore } from '../keys/index.ts'
import { pkiErrors } from './errors.ts'
import type { SigningRole, TrustBundle } from './trust-bundle.ts'

interface KeyDescription {
  readonly name: string
  readonly purpose: KeyPurpose
  readonly algorithm: KeyAlgorithm
}

/** The pair of root keys. */
export interface RootKeys {
  readonly p256: KeyRef
  readonly mlDsa65: KeyRef
}

/** The delegated keys by role. */
export type RoleKeys = Readonly<Record<SigningRole, KeyRef>>

const ROOTS = {
  p256: { name: 'ca-root-p256', purpose: 'ca-root', algorithm: 'P-256' },
  mlDsa65: { name: 'ca-root-ml-dsa-65', purpose: 'ca-root', algorithm: 'ML-DSA-65' },
} as const

const ROLES: Readonly<Record<SigningRole, KeyDescription>> = {
  lock: { name: 'lock', purpose: 'lock', algorithm: 'P-256' },
  directory: { name: 'directory', purpose: 'directory', algorithm: 'P-256' },
  policy: { name: 'policy', purpose: 'policy', algorithm: 'P-256' },
  checkpoint: { name: 'checkpoint-ed25519', purpose: 'log', algorithm: 'Ed25519' },
  checkpointMlDsa44: { name: 'checkpoint-ml-dsa-44', purpose: 'log', algorithm: 'ML-DSA-44' },
}

/** The root keys, made where missing; for the first start only. */
export function ensureRootKeys(keys: KeyStore): RootKeys {
  return { p256: ensureKey(keys, ROOTS.p256), mlDsa65: ensureKey(keys, ROOTS.mlDsa65) }
}

/** The root keys, or `undefined` when one of them is kept elsewhere. */
export function findRootKeys(keys: KeyStore): RootKeys | undefined {
  const p256 = keys.get(ROOTS.p256.name)
  const mlDsa65 = keys.get(ROOTS.mlDsa65.name)
  return p256 && mlDsa65 && { p256, mlDsa65 }
}

/** The key store's names of the root keys. */
export const ROOT_KEY_NAMES: readonly [p256: string, mlDsa65: string] = [
  ROOTS.p256.name,
  ROOTS.mlDsa65.name,
]

/** The delegated keys, made where missing; for the first start only. */
export function ensureRoleKeys(keys: KeyStore): RoleKeys {
  return mapRoles((description) => ensureKey(keys, description))
}

/**
 * The delegated keys that a bundle permits.
 *
 * @throws KosError KOS_PKI_STATE `signing-keys` when one is missing or another
 */
export function requireRoleKeys(keys: KeyStore, trust: TrustBundle): RoleKeys {
  return mapRoles((description, role) => {
    const key = keys.get(description.name)
    const permitted = trust.signingKeys[role]
    if (!key || !permitted.some(({ keyId }) => equalBytes(keyId, key.keyId))) {
      throw pkiErrors.error('KOS_PKI_STATE', { rule: 'signing-keys' })
    }
    return key
  })
}

function mapRoles<T>(
  make: (description: KeyDescription, role: SigningRole) => T,
): Readonly<Record<SigningRole, T>> {
  return Object.freeze({
    lock: make(ROLES.lock, 'lock'),
    directory: make(ROLES.directory, 'directory'),
    policy: make(ROLES.policy, 'policy'),
    checkpoint: make(ROLES.checkpoint, 'checkpoint'),
    checkpointMlDsa44: make(ROLES.checkpointMlDsa44, 'checkpointMlDsa44'),
  })
}

/** What a bundle says of the delegated keys. */
export function roleSpkis(roles: RoleKeys): Readonly<Record<SigningRole, readonly Uint8Array[]>> {
  return {
    lock: [roles.lock.spki],
    directory: [roles.directory.spki],
    policy: [roles.policy.spki],
    checkpoint: [roles.checkpoint.spki],
    checkpointMlDsa44: [roles.checkpointMlDsa44.spki],
  }
}

/** The key store's name of an intermediate's key. */
export function intermediateKeyName(ordinal: number): string {
  return `ca-intermediate-${ordinal}`
}

/** An intermediate's key, made where missing. */
export function ensureIntermediateKey(keys: KeyStore, ordinal: number): KeyRef {
  const name = intermediateKeyName(ordinal)
  return ensureKey(keys, { name, purpose: 'ca-intermediate', algorithm: 'P-256' })
}

// A first start that was cut off has made some of the keys: they are taken up again.
function ensureKey(keys: KeyStore, { name, purpose, algorithm }: KeyDescription): KeyRef {
  return keys.get(name) ?? keys.create(name, purpose, algorithm)
}
