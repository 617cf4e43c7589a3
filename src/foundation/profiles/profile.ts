/** The names of the profiles, weakest first. @see device-security-profiles.md section 1 */
export const PROFILE_NAMES = ['SEC-0', 'SEC-1', 'SEC-2', 'SEC-3', 'SEC-4'] as const
/** One of {@link PROFILE_NAMES}. */
export type ProfileName = (typeof PROFILE_NAMES)[number]

/** A position in the order of profiles: 0 to 4. */
export type ProfileLevel = 0 | 1 | 2 | 3 | 4

/** TLS 1.3 named groups, as OpenSSL spells them. */
export type NamedGroup = 'SecP256r1MLKEM768' | 'SecP384r1MLKEM1024' | 'X25519MLKEM768' | 'P-256'

/** What the transport of a profile offers; `undefined` where the profile has no session. */
export interface TransportRule {
  readonly cipherSuite: 'TLS_AES_128_GCM_SHA256' | 'TLS_AES_256_GCM_SHA384'
  /** Groups in order of preference; nothing else is accepted. */
  readonly groups: readonly NamedGroup[]
  readonly authentication: 'psk' | 'certificate'
  /** Signature algorithms offered and accepted in the TLS handshake. */
  readonly signatureAlgorithms: readonly string[]
  readonly pinsRequired: boolean
  /** The listener's default TCP port. */
  readonly defaultPort: number
}

/** Bounds of a command run under the profile. */
export interface ExecutionQuota {
  /** Share of one core. */
  readonly cpuCores: number
  readonly memoryBytes: number
  readonly maxProcesses: number
  readonly maxOpenFiles: number
  readonly scratchBytes: number
  readonly wallTimeMs: number
  /** Processor time of one process. */
  readonly cpuTimeSeconds: number
  /** Bytes of standard output, and as many of standard error. */
  readonly maxOutputBytes: number
  /** Programs in the sandbox at the same time. */
  readonly maxPrograms: number
  readonly network: 'none' | 'proxy-allow-list'
}

/** How a profile authenticates a peer beyond the transport. */
export interface AuthenticationRule {
  readonly factor:
    | 'none'
    | 'psk'
    | 'identity-key'
    | 'hardware-key'
    | 'hardware-key-and-second-factor'
  readonly clusterMembersOnly: boolean
}

/** When evidence is due. */
export interface AttestationRule {
  readonly demand: 'none' | 'optional' | 'required'
  readonly atBoot: boolean
  readonly beforeAdmission: boolean
  /** Milliseconds between two appraisals; `undefined`: no schedule. */
  readonly intervalMs: number | undefined
}

/** How revocation data is checked. */
export interface RevocationRule {
  readonly lockList: boolean
  readonly crl: boolean
  /** Oldest lock list that still counts; `undefined`: the certificate's end is the bound. */
  readonly maxLockListAgeMs: number | undefined
}

/** How releases reach a device. */
export interface UpdateRule {
  readonly mode: 'none' | 'manual' | 'scheduled' | 'automatic'
  readonly approvals: number
  readonly rollbackCounter: 'none' | 'sealed-state' | 'tpm-nv'
}

/** What is recorded, and what happens when it cannot be. */
export interface AuditRule {
  readonly mode: 'local' | 'forwarded' | 'fail-closed'
  readonly witnessed: boolean
  /** A durable intent record precedes every execution, not only those that change something. */
  readonly intentAlways: boolean
}

/** How messages are protected inside the session. */
export interface MessageRule {
  readonly seal: 'none' | 'per-flush' | 'per-message'
  readonly signed: 'nothing' | 'bus' | 'commands-and-results' | 'every-operation'
}

/** The permission ceiling; a manifest may grant less, never more. */
export interface PermissionCeiling {
  readonly session: boolean
  readonly execution: 'none' | 'minimal' | 'limited' | 'full'
  readonly externalTraffic: 'none' | 'proxy-allow-list' | 'cluster-only'
  readonly untrustedCode: 'refused' | 'namespace' | 'microvm'
}

/** One security profile: data that fixes what code enforces. Ask the object; never compare names. */
export interface Profile {
  readonly name: ProfileName
  readonly level: ProfileLevel
  readonly useCase: string
  readonly transport: TransportRule | undefined
  readonly authentication: AuthenticationRule
  /** Life of a leaf certificate in milliseconds; `undefined`: the profile has none. */
  readonly certificateLifeMs: number | undefined
  /** How long after its end a leaf may still be renewed. @see identity: Renewal and absence */
  readonly renewalGraceMs: number
  readonly attestation: AttestationRule
  readonly revocation: RevocationRule
  readonly updates: UpdateRule
  readonly messages: MessageRule
  readonly audit: AuditRule
  readonly ceiling: PermissionCeiling
  readonly quota: ExecutionQuota | undefined
  readonly pingIntervalMs: number
  readonly deadPeerMs: number
  readonly daemonBytesPerHour: number
  /** What must be proven at joining before the profile is granted. */
  readonly joinEvidence: 'none' | 'token' | 'hardware'
}
