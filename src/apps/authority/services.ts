import type { Clock, Refusal, TrustDomain } from '../../foundation/base/index.ts'
import type {
  EstEnrolService,
  EstRenewService,
  JoinService,
  PrincipalRecord,
  RaiseService,
  PskJoinService,
  RenewService,
  TokenService,
} from '../../lifecycle/enrolment/index.ts'
import type { AuditEvent } from '../../trust/audit/index.ts'
import type { AuditMemberView, AuditPage, AuditReport, CheckView } from './api-schema.ts'
import type { ApiTokens } from './api-tokens.ts'
import type { CaControl } from './ca-control.ts'
import type { CertificateRotation } from './certificate-rotation.ts'
import type { CredentialReport } from './credential-report.ts'
import type { Locks } from './locks.ts'
import type { PskRotation } from './psk-rotation.ts'
import type { Registry } from './registry.ts'
import type { RecoveryPort } from './routes-recovery.ts'
import type { Revocation } from './revocation.ts'
import type { SessionList } from './session-list.ts'
import type { Standbys } from './standbys.ts'

/** The signed objects an authority serves, each made anew when what it says changes. */
export interface Publisher {
  bundle(): Uint8Array
  directory(): Uint8Array
  locks(): Uint8Array
  manifest(): Uint8Array
  /** Signs a new directory when the registry says something new; durable on return. */
  refreshDirectory(): void
  /** Signs a lock list that names one more principal; durable on return. */
  lockPrincipal(principal: PrincipalRecord): void
  /** Signs a lock list without a principal; durable on return. `false`: it was not on it. */
  unlockPrincipal(principal: PrincipalRecord): boolean
  /**
   * Signs and stores a new fleet manifest.
   *
   * @param text - the manifest as the operator wrote it, JSON
   */
  putManifest(text: string): { readonly number: number } | Refusal
  /** The fleet manifest in force, as JSON for people. */
  manifestText(): string
}

/** Everything the routes act on. */
export interface AuthorityServices {
  readonly clock: Clock
  readonly registry: Registry
  readonly tokens: TokenService
  /** Tokens of the HTTP API. */
  readonly apiTokens: ApiTokens
  /** Open sessions with this authority. */
  readonly sessions: SessionList
  readonly joins: JoinService
  /** Joins people. */
  readonly logins: JoinService
  readonly renewals: RenewService
  readonly raises: RaiseService
  /** Remembers a raised floor outside the database. */
  noteFloor(record: PrincipalRecord): void
  /** Joins devices that get a pre-shared key. */
  readonly pskJoins: PskJoinService
  readonly pskRotation: PskRotation
  readonly certificateRotation: CertificateRotation
  readonly revocation: Revocation
  /** Devices without `kosd`. */
  readonly estEnrolments: EstEnrolService
  readonly estRenewals: EstRenewService
  /** The P-256 root, then the intermediates in force, DER each. */
  caCertificates(): readonly Uint8Array[]
  readonly publisher: Publisher
  readonly locks: Locks
  readonly standbys: Standbys
  readonly ca: CaControl
  /** Takes what members bring that were away while this authority was restored. */
  readonly lateOffers: RecoveryPort
  /** What there is, and how old it is. */
  readonly credentials: CredentialReport
  /** Signs new lists for outsiders, who know no lock list, where there are any. */
  refreshCrls(): void
  readonly settings: {
    readonly trustDomain: TrustDomain
    readonly pin: string
    /** host:port of this API, as devices reach it. */
    readonly advertised: string
    /** host:port of the session listener, as devices reach it. */
    readonly session: string
    /** host:port of the session listener for pre-shared keys; absent: there is none. */
    readonly pskSession: string | undefined
  }
  /** Writes an event to the audit log; resolves when it is durable. */
  record(event: AuditEvent): Promise<void>
  /** Entries of the log from an index on; a negative index counts from the end. */
  auditPage(from: number, limit: number): Promise<AuditPage>
  /** Reads the whole log, and proves that it continues a tree of `fromSize` entries. */
  auditVerify(fromSize: number): Promise<AuditReport>
  /** How far the log of each member was taken in, and what stands against it. */
  auditMembers(): Promise<readonly AuditMemberView[]>
  /** Whether a principal has an open session with this authority. */
  isConnected(uri: string): boolean
  /** URIs of all who have one. */
  connected(): ReadonlySet<string>
  /** Ends the open sessions of a principal. */
  disconnect(uri: string): void
  checks(): CheckView[]
}
