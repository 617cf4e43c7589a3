import type { Brand } from './brand.ts'

/** The trust domain of a fleet, for example `kos.internal`. */
export type TrustDomain = Brand<string, 'TrustDomain'>

/** `kdev-` and 26 base32 characters. */
export type DeviceId = Brand<string, 'DeviceId'>

/** A principal's name on the wire: `spiffe://<trust-domain>/<kind>/<id>`. */
export type PrincipalUri = Brand<string, 'PrincipalUri'>

/** What kinds of principal a certificate can name. */
export const PRINCIPAL_KINDS = ['device', 'agent', 'user', 'service', 'authority'] as const
/** One of {@link PRINCIPAL_KINDS}. */
export type PrincipalKind = (typeof PRINCIPAL_KINDS)[number]

/** A parsed principal name. */
export interface Principal {
  readonly uri: PrincipalUri
  readonly trustDomain: TrustDomain
  readonly kind: PrincipalKind
  readonly id: string
}

const TRUST_DOMAIN = /^[a-z0-9](?:[a-z0-9._-]{0,253}[a-z0-9])?$/
const DEVICE_ID = /^kdev-[a-z2-7]{26}$/
const PRINCIPAL_ID = /^[A-Za-z0-9](?:[A-Za-z0-9._-]{0,62}[A-Za-z0-9])?$/

/** Parses a trust domain name; `undefined` when it is not one. @see SPIFFE-ID section 2.1 */
export function parseTrustDomain(text: string): TrustDomain | undefined {
  return TRUST_DOMAIN.test(text) ? (text as TrustDomain) : undefined
}

/** Parses a device id of exactly 31 characters; `undefined` when it is not one. */
export function parseDeviceId(text: string): DeviceId | undefined {
  return DEVICE_ID.test(text) ? (text as DeviceId) : undefined
}

/**
 * Names a principal.
 *
 * @param trustDomain - the fleet's trust domain
 * @param kind - device, agent, user, service or authority
 * @param id - 1 to 64 characters of letters, digits, `.`, `_`, `-`
 * @returns the principal, or `undefined` when the id does not fit its kind
 */
export function principalOf(
  trustDomain: TrustDomain,
  kind: PrincipalKind,
  id: string,
): Principal | undefined {
  const fits = kind === 'device' ? DEVICE_ID.test(id) : PRINCIPAL_ID.test(id)
  if (!fits) return undefined
  const uri = `spiffe://${trustDomain}/${kind}/${id}` as PrincipalUri
  return Object.freeze({ uri, trustDomain, kind, id })
}

/**
 * Parses a principal URI strictly: no port, user info, query, fragment, percent-encoding or
 * further path segments.
 *
 * @returns the principal, or `undefined` when the text is anything else
 * @see SPIFFE-ID section 2
 */
export function parsePrincipal(uri: string): Principal | undefined {
  if (uri.length > 512) return undefined
  const match = /^spiffe:\/\/([^/]+)\/([a-z]+)\/([^/]+)$/.exec(uri)
  if (!match) return undefined
  const trustDomain = parseTrustDomain(match[1] ?? '')
  const kind = PRINCIPAL_KINDS.find((known) => known === match[2])
  return trustDomain && kind ? principalOf(trustDomain, kind, match[3] ?? '') : undefined
}
