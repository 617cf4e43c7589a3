import type { PrincipalKind, UnixMs } from '../../foundation/base/index.ts'
import type { ProfileName } from '../../foundation/profiles/index.ts'
import type { ListenerAddresses } from '../../trust/pki/index.ts'

/** How a device comes in that has no `kosd`: by EST, the protocol of RFC 7030. */
export type EnrolmentOrigin = 'est'

/** A join token as stored. The secret is derived from the authority's token root, never stored. */
export interface TokenRecord {
  readonly id: string
  readonly name: string
  readonly kind: 'device' | 'agent' | 'user'
  readonly profile: ProfileName
  /** URI of the owning user; of who invites, for a user. */
  readonly owner: string
  readonly createdAt: UnixMs
  readonly expiresAt: UnixMs
  readonly state: 'open' | 'spent' | 'revoked'
  /** Hexadecimal SHA-256 of the TLS key that spent the token. */
  readonly spentTlsKeyHash: string | undefined
  readonly principalId: string | undefined
  /** Id of the principal whose profile it raises; absent: it joins a new one. */
  readonly raises?: string
  /** The one protocol that it is good for; absent: that of `kosd`. */
  readonly origin?: EnrolmentOrigin
  /** What it was created with, and is revoked with; absent: alone. */
  readonly batch?: string
  /** Groups and labels that the principal comes in with. */
  readonly groups?: readonly string[]
  readonly labels?: Readonly<Record<string, string>>
  /** For several devices: `name` is the beginning of theirs then. Absent: for one. */
  readonly uses?: TokenUses
  /** What a user may; absent: nothing. */
  readonly roles?: readonly string[]
}

/** How often a join token for several devices can be used, and was. */
export interface TokenUses {
  readonly max: number
  readonly used: number
  /** Names are numbered from here on. */
  readonly next: number
}

/** One use of a join token for several devices. */
export interface TokenUse {
  /** Hexadecimal SHA-256 of the TLS key, or of the request where there is none. */
  readonly keyHash: string
  readonly principalId: string
  readonly usedAt: UnixMs
}

/** A principal as the authority's registry knows it. MAC and UUID never leave the registry. */
export interface PrincipalRecord {
  readonly id: string
  readonly uri: string
  readonly kind: PrincipalKind
  readonly name: string
  readonly profile: ProfileName
  /** `locked`: by an operator, who can unlock it; `quarantined`: its keys may exist twice, for ever. */
  readonly state: 'active' | 'locked' | 'quarantined' | 'removed'
  readonly owner: string
  readonly mac: string
  readonly uuid: string
  readonly identitySpki: Uint8Array
  readonly kemSpki: Uint8Array | undefined
  readonly logSpkis: readonly Uint8Array[]
  /** Generation of the newest certificate. */
  readonly generation: number
  /** Whether the newest generation was seen in use. */
  readonly generationUsed: boolean
  readonly roles: readonly string[]
  readonly groups: readonly string[]
  readonly labels: Readonly<Record<string, string>>
  /** `host:port` of the listener of its own floor. */
  readonly addresses: readonly string[]
  /** Of its other listeners, by profile; absent: none is known. */
  readonly listeners?: ListenerAddresses | undefined
  readonly createdAt: UnixMs
  readonly lastSeenAt: UnixMs | undefined
  readonly certificateNotBefore: UnixMs
  readonly certificateNotAfter: UnixMs
  /** How it came in; absent: by `kosd`, with an identity key. */
  readonly origin?: EnrolmentOrigin
}

/** A certificate as issued; kept so that a repeated request gets the same one. */
export interface CertificateRecord {
  readonly serial: string
  readonly principalId: string
  readonly generation: number
  /** Hexadecimal SHA-256 of the certified TLS key. */
  readonly tlsKeyHash: string
  readonly der: Uint8Array
  readonly notBefore: UnixMs
  readonly notAfter: UnixMs
}

/** One generation of the pre-shared key of a device. */
export interface PskRecord {
  /** The TLS identity: 24 hexadecimal digits. */
  readonly handle: string
  readonly principalId: string
  /** 1 for the first key of a device. */
  readonly generation: number
  /** The root, sealed for the handle. */
  readonly sealedRoot: Uint8Array
  readonly createdAt: UnixMs
  /** When the device proved it for the first time. */
  readonly firstUsedAt: UnixMs | undefined
  /** From when on it is dead; `undefined`: it is the newest. */
  readonly endsAt: UnixMs | undefined
}

/** What a registered key is for. @see identity: Keys of a principal */
export type KeyUsePurpose = 'identity' | 'tls' | 'kem' | 'log'

/** Whose key it is, and for what: one principal, one purpose, for ever. */
export interface KeyUse {
  readonly principalId: string
  readonly purpose: KeyUsePurpose
}

/** Changes to a principal's record made by enrolment. */
export type PrincipalChange = Partial<
  Pick<
    PrincipalRecord,
    | 'state'
    | 'generation'
    | 'generationUsed'
    | 'addresses'
    | 'profile'
    | 'certificateNotBefore'
    | 'certificateNotAfter'
  >
>

/** What enrolment needs of the registry inside one transaction. */
export interface EnrolmentTransaction {
  token(id: string): TokenRecord | undefined
  /** The open token of a name that ends last. */
  openTokenNamed(name: string): TokenRecord | undefined
  insertToken(token: TokenRecord): void
  /** Marks an open token as spent; `false` when it is no longer open. */
  spendToken(id: string, spent: { tlsKeyHash: string; principalId: string }): boolean
  /**
   * Counts a use of an open token for several devices, and closes it with the last one; `false` when it
   * is no longer open.
   *
   * @param next - where the numbering of names goes on
   */
  useToken(id: string, use: TokenUse, next: number): boolean
  /** The use of a token for several devices by a key. */
  tokenUse(id: string, keyHash: string): TokenUse | undefined
  /** A principal by its id, also a removed one. */
  principal(id: string): PrincipalRecord | undefined
  /** The principal of a name, unless it was removed. */
  principalNamed(name: string): PrincipalRecord | undefined
  /** Whether the directory can name nobody more; who was removed does not count. */
  isFull(): boolean
  /** Stores a principal and registers its identity, KEM and log keys; throws when one is taken. */
  insertPrincipal(record: PrincipalRecord): void
  /** Throws when the profile would go down. */
  changePrincipal(id: string, change: PrincipalChange): void
  /** The strictest profile that a device with this MAC address has or had; zeros are no address. */
  floorOfMac(mac: string): ProfileName | undefined
  /** Who has a key, also after removal; `keyHash` is the hexadecimal SHA-256 of its SPKI. */
  keyUse(keyHash: string): KeyUse | undefined
  /** The newest certificate of a principal for a generation and TLS key. */
  certificate(
    principalId: string,
    generation: number,
    tlsKeyHash: string,
  ): CertificateRecord | undefined
  /** A certificate by the hexadecimal form of its serial number. */
  certificateOfSerial(serial: string): CertificateRecord | undefined
  /** The certificate of a generation that was issued last, whatever its key. */
  lastCertificate(principalId: string, generation: number): CertificateRecord | undefined
  /**
   * Stores a certificate and registers its TLS key; throws when the key is anything but a TLS key of
   * the same principal.
   */
  insertCertificate(certificate: CertificateRecord): void
  /** A pre-shared key by its handle, also a dead one. */
  psk(handle: string): PskRecord | undefined
  /** All keys of a principal, the oldest first. */
  pskOf(principalId: string): readonly PskRecord[]
  insertPsk(record: PskRecord): void
  changePsk(handle: string, change: Partial<Pick<PskRecord, 'firstUsedAt' | 'endsAt'>>): void
}

/**
 * The registry as enrolment sees it. `transaction` resolves when the work is durable; it must run
 * the work alone, and undo all of it when the work throws.
 */
export interface EnrolmentStore {
  transaction<T>(work: (transaction: EnrolmentTransaction) => T): Promise<T>
}
