import type { Secret } from '../../foundation/base/index.ts'
import type { CertificateSigner, CoseSigner } from '../../foundation/codec/index.ts'

/** What a key is for; a key has one purpose for its whole life. */
export const KEY_PURPOSES = [
  'identity',
  'tls',
  'kem',
  'log',
  'ca-root',
  'ca-intermediate',
  'policy',
  'directory',
  'lock',
  'freshness',
  'bundle',
] as const
/** One of {@link KEY_PURPOSES}. */
export type KeyPurpose = (typeof KEY_PURPOSES)[number]

/** Kinds of key that the store makes. */
export const KEY_ALGORITHMS = ['P-256', 'Ed25519', 'ML-DSA-44', 'ML-DSA-65'] as const
/** One of {@link KEY_ALGORITHMS}. */
export type KeyAlgorithm = (typeof KEY_ALGORITHMS)[number]

/** What may be known of a key. */
export interface KeyInfo {
  readonly name: string
  readonly purpose: KeyPurpose
  readonly algorithm: KeyAlgorithm
  /** The public key as DER SubjectPublicKeyInfo. */
  readonly spki: Uint8Array
  /** SHA-256 of the SPKI. */
  readonly keyId: Uint8Array
}

/**
 * A private key that stays in the store. Each use is bound to the key's purpose and refused with
 * KOS_KEYS_PURPOSE otherwise; after `close` of the store, every use throws KOS_KEYS_CLOSED.
 *
 * | purpose | `sign` | `coseSigner` | `signDer`, `certificateSigner` | `tlsPrivateKeyPem` |
 * |---|---|---|---|---|
 * | identity | yes | yes | yes (requests) | |
 * | tls | | | yes (requests) | yes |
 * | log | yes | | | |
 * | ca-root | | yes (trust bundle) | yes | |
 * | ca-intermediate | | | yes | |
 * | policy, directory, lock, freshness, bundle | | yes | | |
 * | kem | | | | |
 */
export interface KeyRef extends KeyInfo {
  /** A raw signature: r ‖ s with low s for P-256. */
  sign(bytes: Uint8Array): Uint8Array
  /** A signature in the form of X.509: ECDSA-Sig-Value for P-256, raw for the others. */
  signDer(bytes: Uint8Array): Uint8Array
  /** A signer of COSE messages whose key id is this key's. */
  coseSigner(): CoseSigner
  /** A signer of certificates, revocation lists and requests. */
  certificateSigner(): CertificateSigner
  /**
   * The private key as PKCS#8 PEM, for the TLS stack.
   *
   * **Security:** the only way in which a private key leaves key stores; see {@link KeyStore.copyKey}.
   */
  tlsPrivateKeyPem(): Secret
}

/** Named private keys and secrets of one principal, sealed on disk. */
export interface KeyStore {
  /**
   * Makes a key; it is durable when this returns.
   *
   * @throws KOS_KEYS_EXISTS, KOS_KEYS_NAME, KOS_KEYS_WRITE, KOS_KEYS_CHANGED
   */
  create(name: string, purpose: KeyPurpose, algorithm: KeyAlgorithm): KeyRef
  /** The key of a name. */
  get(name: string): KeyRef | undefined
  /** The key of a name. @throws KOS_KEYS_NOT_FOUND */
  require(name: string): KeyRef
  /** All keys, by name. */
  list(): readonly KeyInfo[]
  /** Forgets a key, durably. @throws KOS_KEYS_NOT_FOUND, KOS_KEYS_WRITE, KOS_KEYS_CHANGED */
  remove(name: string): void
  /**
   * Gives a key another name, and replaces the key that has it, in one durable step.
   *
   * @throws KOS_KEYS_NOT_FOUND, KOS_KEYS_NAME, KOS_KEYS_WRITE, KOS_KEYS_CHANGED; KOS_KEYS_PURPOSE
   *   when the key to be replaced has another purpose
   */
  rename(from: string, to: string): void
  /**
   * Takes a copy of a key of another store, under its name and for its purpose; durable on return.
   *
   * @throws KOS_KEYS_NOT_FOUND when the other one has no such key, KOS_KEYS_EXISTS, KOS_KEYS_WRITE,
   *   KOS_KEYS_CHANGED
   */
  copyKey(from: KeyStore, name: string): KeyRef
  /**
   * Stores a secret of at most 64 KiB under a name, replacing the one before, durably. Secrets have
   * names of their own, beside those of keys.
   *
   * @throws KOS_KEYS_NAME, KOS_KEYS_WRITE, KOS_KEYS_CHANGED
   */
  sealSecret(name: string, secret: Secret): void
  /** A copy of a secret; the caller disposes of it. */
  openSecret(name: string): Secret | undefined
  /** Names of all secrets, in their order. */
  listSecrets(): readonly string[]
  /** Forgets a secret, durably. @throws KOS_KEYS_NOT_FOUND, KOS_KEYS_WRITE, KOS_KEYS_CHANGED */
  removeSecret(name: string): void
  /** Wipes the store's key from memory. Calling it twice is harmless. */
  close(): void
}

/**
 * How a store is to be opened, once it is known how it is sealed.
 *
 * @param stored - how it is sealed; `undefined`: it is made now
 */
export type KeyStoreUnlockChoice = (stored: KeyStoreUnlock['kind'] | undefined) => KeyStoreUnlock

/** How the key that seals the store is found. */
export type KeyStoreUnlock =
  /** A file of mode 0600 beside the store: no prompt, protected by the file system only. */
  | { readonly kind: 'file' }
  /** A passphrase of at least 8 bytes. */
  | {
      readonly kind: 'passphrase'
      readonly passphrase: Secret
      /** For a new store: scrypt by default, `pbkdf2` in FIPS mode. */
      readonly derivation?: 'scrypt' | 'pbkdf2'
    }

/** Where a key store lies that is one file, and what opens it. */
export interface KeyFilePlace extends Omit<
  Extract<KeyStoreUnlock, { kind: 'passphrase' }>,
  'kind'
> {
  readonly path: string
}
