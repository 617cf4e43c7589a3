import { isRefusal, refuse, type Refusal, utf8 } from '../../foundation/base/index.ts'
import { encodeCbor } from '../../foundation/codec/index.ts'
import {
  decodeJoinRequest,
  decodePskJoinRequest,
  decodeRenewRequest,
  type EnrolmentGrant,
  type JoinService,
  MAX_ENROLMENT_BYTES,
  type TokenRecord,
} from '../../lifecycle/enrolment/index.ts'
import { cbor, json, refused, type Route, type RouteAnswer, type RouteCall } from './http-types.ts'
import type { AuthorityServices } from './services.ts'

/** Routes that authenticate by proof in the body: health, trust bundle, joining, renewal. */
export function enrolmentRoutes(services: AuthorityServices): readonly Route[] {
  return [
    {
      method: 'GET',
      path: '/v1/health',
      guard: 'public',
      maxBytes: 0,
      handle: () => json({ status: 'ok', timeMs: services.clock.wallMs() }),
    },
    {
      method: 'GET',
      path: '/v1/bundle',
      guard: 'public',
      maxBytes: 0,
      handle: () => cbor(services.publisher.bundle()),
    },
    {
      method: 'POST',
      path: '/v1/join',
      guard: 'proof',
      maxBytes: MAX_ENROLMENT_BYTES,
      handle: (call) => join(services, call, { joins: services.joins, action: 'join' }),
    },
    {
      method: 'POST',
      path: '/v1/login',
      guard: 'proof',
      maxBytes: MAX_ENROLMENT_BYTES,
      handle: (call) => join(services, call, { joins: services.logins, action: 'operator.join' }),
    },
    {
      method: 'POST',
      path: '/v1/join/psk',
      guard: 'proof',
      maxBytes: MAX_ENROLMENT_BYTES,
      handle: (call) => joinPsk(services, call),
    },
    {
      method: 'POST',
      path: '/v1/renew',
      guard: 'proof',
      maxBytes: MAX_ENROLMENT_BYTES,
      handle: (call) => renew(services, call),
    },
  ]
}

async function join(
  services: AuthorityServices,
  call: RouteCall,
  by: { readonly joins: JoinService; readonly action: 'join' | 'operator.join' },
): Promise<RouteAnswer> {
  const request = decodeJoinRequest(call.body)
  if (isRefusal(request)) return refused(request)
  const result = await by.joins.join(request, call.exporter())
  if (isRefusal(result)) return enrolmentRefused(services, result)
  await recordJoined(services, by.action, result)
  return cbor(grantAnswer(services, result.grant))
}

/** The root leaves on this connection only: it stands in no record and no log. */
async function joinPsk(services: AuthorityServices, call: RouteCall): Promise<RouteAnswer> {
  const request = decodePskJoinRequest(call.body)
  if (isRefusal(request)) return refused(request)
  const { pskSession } = services.settings
  if (pskSession === undefined) {
    return refused(
      refuse('KOS_ENROLMENT_PROFILE', 'profile/no-listener', {
        remedy: 'This authority has no listener for pre-shared keys: start it with that of SEC-1.',
      }),
    )
  }
  const result = await services.pskJoins.join(request, call.exporter())
  if (isRefusal(result)) return enrolmentRefused(services, result)
  await recordJoined(services, 'join', result)
  const { grant } = result
  return cbor(encodeCbor({ grant: { ...grant }, ...objectsOf(services, pskSession) }))
}

async function renew(services: AuthorityServices, call: RouteCall): Promise<RouteAnswer> {
  const request = decodeRenewRequest(call.body)
  if (isRefusal(request)) return refused(request)
  const result = await services.renewals.renew(request, call.exporter())
  if (isRefusal(result)) return enrolmentRefused(services, result)
  await recordRenewed(services, 'renew', result)
  return cbor(grantAnswer(services, result.grant))
}

/** Whoever is in now: the directory names it, the log says by which token. */
export async function recordJoined(
  services: AuthorityServices,
  action: 'join' | 'operator.join' | 'est.enrol',
  joined: {
    readonly grant: Pick<EnrolmentGrant, 'uri' | 'name' | 'profile'>
    readonly token: TokenRecord
    readonly repeated: boolean
  },
): Promise<void> {
  const { grant, token, repeated } = joined
  services.publisher.refreshDirectory()
  await services.record({
    type: 'enrolment',
    actor: token.owner,
    target: grant.uri,
    action,
    outcome: 'ok',
    detail: {
      name: grant.name,
      profile: grant.profile,
      token: token.id,
      ...(token.batch !== undefined && { batch: token.batch }),
      repeated,
    },
  })
}

/** Whoever has a newer certificate now. */
export async function recordRenewed(
  services: AuthorityServices,
  action: 'renew' | 'est.renew',
  { grant, repeated }: { readonly grant: EnrolmentGrant; readonly repeated: boolean },
): Promise<void> {
  services.publisher.refreshDirectory()
  await services.record({
    type: 'enrolment',
    actor: grant.uri,
    target: grant.uri,
    action,
    outcome: 'ok',
    detail: { generation: grant.generation, repeated },
  })
}

/**
 * From outside every cryptographic failure looks alike. Keys or a token that exist twice lock the
 * principal that they belong to.
 *
 * @see identity: Joining
 */
export async function enrolmentRefused(
  services: AuthorityServices,
  refusal: Refusal & { readonly copyOf?: string },
): Promise<RouteAnswer> {
  const copied =
    refusal.copyOf === undefined ? undefined : services.registry.principal(refusal.copyOf)
  if (copied) {
    services.publisher.lockPrincipal(copied)
    services.publisher.refreshDirectory()
    services.disconnect(copied.uri)
    services.refreshCrls()
    await services.record({
      type: 'lock',
      actor: '-',
      target: copied.uri,
      action: 'lock.add',
      outcome: 'ok',
      code: refusal.code,
      rule: refusal.rule,
    })
  }
  return refused(refusal)
}

/** The certificate and everything a new member needs to talk to its peers. */
export function grantAnswer(services: AuthorityServices, grant: EnrolmentGrant): Uint8Array {
  return encodeCbor({
    grant: { ...grant },
    ...objectsOf(services, services.settings.session),
  })
}

function objectsOf(
  { publisher, clock }: AuthorityServices,
  session: string,
): Record<string, Uint8Array | number> {
  return {
    bundle: publisher.bundle(),
    directory: publisher.directory(),
    locks: publisher.locks(),
    manifest: publisher.manifest(),
    session: utf8(session),
    timeMs: clock.wallMs(),
  }
}
