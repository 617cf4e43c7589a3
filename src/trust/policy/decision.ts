import type { RateLimit, Refusal } from '../../foundation/base/index.ts'
import type { Grant } from '../../foundation/pipeline/index.ts'
import type { CommandEffects, ManifestDomain, Obligation } from './manifest.ts'
import type { SubjectFacts } from './subject.ts'

/** What policy decides: the domains of manifests, and the system's own. */
export type Domain = ManifestDomain | 'fabric'

/** One question to policy. */
export interface PolicyRequest {
  /** Who asks. */
  readonly from: SubjectFacts
  /** Who is asked. */
  readonly to: SubjectFacts
  readonly domain: Domain
  /** The command, channel or other action, for example `files.read`. */
  readonly action: string
  /** A rule covers an action when a pattern covers its name or its permission. */
  readonly catalogEntry: { readonly effects: CommandEffects; readonly permission: string }
  /** Canonical arguments as plain data; `undefined`: not known yet. */
  readonly arguments?: unknown
  /** What the enforcing side guarantees; rules that demand more do not allow. None by default. */
  readonly fulfilled?: readonly Obligation[] | undefined
}

/** A signed manifest after its signature was verified. */
export interface ManifestVersion {
  readonly era: number
  readonly number: number
  /** Lower-case hexadecimal hash of the signed object. */
  readonly hash: string
}

/** A rate that a grant is bound to. */
export interface GrantLimit {
  /** The rule that says so, as `<layer>/<rule id>`. */
  readonly rule: string
  /** Manifest series and rule: the same after a newer manifest was loaded. */
  readonly key: string
  readonly rate: RateLimit
}

/** A final yes, frozen. Fits as `Grant` of the pipeline. */
export interface PolicyGrant extends Grant {
  readonly allow: true
  /** The allow rule of the fleet layer, as `<layer>/<rule id>`. */
  readonly rule: string
  readonly layer: string
  readonly manifestNumber: number
  /** Lower-case hexadecimal hash of the signed fleet manifest; empty for the system table. */
  readonly manifestHash: string
  /** The allow rule of every present layer, widest layer first. */
  readonly rules: readonly string[]
  readonly limits: readonly GrantLimit[]
}

/**
 * Neither yes nor no: rules on argument values wait. It is no `Grant` and its `allow` is not `true`,
 * so that nobody takes it for a yes.
 */
export interface PendingGrant {
  readonly allow: 'pending'
  /** What the answer would name if every condition came out well; for records only. */
  readonly provisional: PolicyGrant
  /** Decides on the canonical arguments; what cannot be evaluated is denied. */
  decideArguments(canonicalArguments: unknown): PolicyGrant | Refusal
}

/** An answer of policy. */
export type Decision = PolicyGrant | PendingGrant | Refusal
