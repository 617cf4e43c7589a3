import type { KeyAlgorithm, KeyPurpose, KeyRef, KeyStore } from '../../trust/keys/index.ts'

/** Keys that live as long as the principal. @see identity: Keys of a principal */
const LASTING_KEYS: readonly (readonly [name: string, KeyPurpose, KeyAlgorithm])[] = [
  ['identity', 'identity', 'P-256'],
  ['kem', 'kem', 'P-256'],
  ['log-ed25519', 'log', 'Ed25519'],
  ['log-ml-dsa-44', 'log', 'ML-DSA-44'],
]

/** The key of a name, made when it is not there yet. */
export function ensureKey(
  keys: KeyStore,
  name: string,
  kind: { readonly purpose: KeyPurpose; readonly algorithm: KeyAlgorithm },
): KeyRef {
  return keys.get(name) ?? keys.create(name, kind.purpose, kind.algorithm)
}

/** Makes the identity, KEM and log keys of a principal where they are missing. */
export function ensurePrincipalKeys(keys: KeyStore): void {
  for (const [name, purpose, algorithm] of LASTING_KEYS)
    ensureKey(keys, name, { purpose, algorithm })
}

/** Makes the log keys alone: a device with a pre-shared key has no others. */
export function ensureLogKeys(keys: KeyStore): void {
  for (const [name, purpose, algorithm] of LASTING_KEYS) {
    if (purpose === 'log') ensureKey(keys, name, { purpose, algorithm })
  }
}

/** Name of the TLS key of a generation: a repeated request finds the key it was made with. */
export function tlsKeyName(generation: number): string {
  return `tls-g${generation}`
}

/** The TLS key of a generation, made when it is not there yet. */
export function ensureTlsKey(keys: KeyStore, generation: number): KeyRef {
  return ensureKey(keys, tlsKeyName(generation), { purpose: 'tls', algorithm: 'P-256' })
}
