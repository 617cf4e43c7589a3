import type { KosErrorCode, Refusal } from '../../foundation/base/index.ts'
import type { PrincipalRecord } from '../../lifecycle/enrolment/index.ts'

/**
 * Who may use a route. `public`: anyone; `proof`: the body proves who sends it; `member`: any active
 * principal with a certificate; a role: a user who has one that {@link PASSES} names.
 */
export type Guard = 'public' | 'proof' | 'member' | Right
export const ROLES = ['admin', 'operator', 'approver', 'auditor', 'viewer'] as const
/** What a user may do at the authority. @see docs/cli.md, Roles */
export type Role = (typeof ROLES)[number]
/** What routes ask for: a role, or what several have. */
type Right = Role | 'report'

/**
 * The roles that open a route. Everybody with a role reads what a viewer reads; nobody approves but an
 * approver: an admin who could approve as well would be two people in one.
 */
export const PASSES: Readonly<Record<Right, readonly Role[]>> = Object.freeze({
  admin: ['admin'],
  operator: ['admin', 'operator'],
  approver: ['approver'],
  auditor: ['admin', 'auditor'],
  report: ['admin', 'operator', 'auditor'],
  viewer: ROLES,
})

/** One request after its guard. */
export interface RouteCall {
  /** The caller as the registry knows it; `undefined` behind `public` and `proof`. */
  readonly caller: PrincipalRecord | undefined
  readonly body: Uint8Array
  readonly parameters: Readonly<Record<string, string>>
  readonly query: Readonly<Record<string, string>>
  /** The caller's IP address. */
  readonly source: string
  /** A header field of the request; `undefined` when it is absent. */
  header(name: string): string | undefined
  /** 32 bytes of the TLS exporter of this connection. */
  exporter(): Uint8Array
  /** 32 bytes `tls-exporter` of this connection, the channel binding of other protocols. @see RFC 9266 */
  channelBinding(): Uint8Array
  /** The client certificate of this connection, DER; verified when there is a caller. */
  leaf(): Uint8Array | undefined
}

/** What a route answers. */
export type RouteAnswer =
  | { readonly kind: 'json'; readonly value: unknown; readonly status?: JsonStatus }
  | { readonly kind: 'cbor'; readonly bytes: Uint8Array }
  | {
      readonly kind: 'text'
      readonly contentType: string
      readonly text: string
      readonly headers: Readonly<Record<string, string>>
    }
  | {
      readonly kind: 'refused'
      readonly refusal: Refusal
      readonly status: RefusedStatus
      /** What the log says where the caller is told less. */
      readonly recorded?: Refusal
      readonly headers?: Readonly<Record<string, string>>
    }

/** HTTP status of a JSON answer; 409: a refusal with more to say than its rule. */
type JsonStatus = 200 | 201 | 409

/** HTTP status of a refusal. */
export type RefusedStatus = 400 | 401 | 403 | 404 | 409 | 411 | 413 | 415 | 429 | 501 | 503

/** One row of the route table. A path that has no row is refused. */
export interface Route {
  readonly method: 'GET' | 'POST' | 'PATCH' | 'PUT' | 'DELETE'
  readonly path: string
  readonly guard: Guard
  /** A route behind a certificate that brings a proof of its own instead of a signature. */
  readonly isUnsigned?: true
  /** A route that writes nothing: it works without a disk, and its refusals are in no log. */
  readonly isUnrecorded?: true
  /** Refusals are text for people, where the protocol of the route is not ours; JSON by default. */
  readonly refusesAs?: 'text'
  /** Upper bound of the body in bytes, checked before anything else is done with it. */
  readonly maxBytes: number
  handle(call: RouteCall): RouteAnswer | Promise<RouteAnswer>
}

/** A JSON answer. */
export function json(value: unknown, status: JsonStatus = 200): RouteAnswer {
  return { kind: 'json', value, status }
}

/** A CBOR answer. */
export function cbor(bytes: Uint8Array): RouteAnswer {
  return { kind: 'cbor', bytes }
}

const STATUS: Partial<Record<KosErrorCode, RefusedStatus>> = {
  KOS_AUTHORITY_LOCK: 409,
  KOS_AUTHORITY_NOT_FOUND: 404,
  KOS_AUTHORITY_OPERATOR: 409,
  KOS_AUTHORITY_REQUEST: 400,
  KOS_AUTHORITY_CA: 409,
  KOS_AUTHORITY_STANDBY: 409,
  KOS_BASE_INVALID: 400,
  KOS_PKI_CHAIN: 400,
  KOS_PKI_ROOT_ANSWER: 409,
  KOS_ENROLMENT_CSR: 400,
  KOS_ENROLMENT_FULL: 409,
  KOS_ENROLMENT_NAME_TAKEN: 409,
  KOS_ENROLMENT_RATE: 429,
  KOS_ENROLMENT_REQUEST: 400,
  KOS_RECOVERY_OFFER: 400,
}

/** Turns a refusal into an answer; what has no status of its own is 403. */
export function refused(refusal: Refusal): RouteAnswer {
  return { kind: 'refused', refusal, status: STATUS[refusal.code] ?? 403 }
}
