import { isRefusal, type Refusal, utf8 } from '../../foundation/base/index.ts'
import { encodeCbor } from '../../foundation/codec/index.ts'
import {
  decodeJoinRequest,
  decodeRenewRequest,
  type EnrolmentGrant,
  MAX_ENROLMENT_BYTES,
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
      handle: (call) => join(services, call),
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

async function join(services: AuthorityServices, call: RouteCall): Promise<RouteAnswer> {
  const request = decodeJoinRequest(call.body)
  if (isRefusal(request)) return refused(request)
  const result = await services.joins.join(request, call.exporter())
  if (isRefusal(result)) {
    await recordRefusal(services, { action: 'join', source: call.source, refusal: result })
    return refused(result)
  }
  services.publisher.refreshDirectory()
  await services.record({
    type: 'enrolment',
    actor: result.token.owner,
    target: result.grant.uri,
    action: 'join',
    outcome: 'ok',
    detail: {
      name: result.grant.name,
      profile: result.grant.profile,
      token: result.token.id,
      repeated: result.repeated,
    },
  })
  return cbor(grantAnswer(services, result.grant))
}

async function renew(services: AuthorityServices, call: RouteCall): Promise<RouteAnswer> {
  const request = decodeRenewRequest(call.body)
  if (isRefusal(request)) return refused(request)
  const result = await services.renewals.renew(request, call.exporter())
  if (isRefusal(result)) {
    const copied =
      result.copyOf === undefined ? undefined : services.registry.principal(result.copyOf)
    if (copied) {
      services.publisher.lockPrincipal(copied)
      services.disconnect(copied.uri)
    }
    await recordRefusal(services, { action: 'renew', source: call.source, refusal: result })
    return refused(result)
  }
  services.publisher.refreshDirectory()
  await services.record({
    type: 'enrolment',
    actor: result.grant.uri,
    target: result.grant.uri,
    action: 'renew',
    outcome: 'ok',
    detail: { generation: result.grant.generation, repeated: result.repeated },
  })
  return cbor(grantAnswer(services, result.grant))
}

/** From outside every cryptographic failure looks alike; the log keeps the rule that decided. */
async function recordRefusal(
  services: AuthorityServices,
  event: { readonly action: string; readonly source: string; readonly refusal: Refusal },
): Promise<void> {
  await services.record({
    type: 'refusal',
    actor: '-',
    target: 'authority',
    action: event.action,
    outcome: 'refused',
    code: event.refusal.code,
    rule: event.refusal.rule,
    detail: { source: event.source },
  })
}

/** The certificate and everything a new member needs to talk to its peers. */
function grantAnswer(services: AuthorityServices, grant: EnrolmentGrant): Uint8Array {
  const { publisher, settings } = services
  return encodeCbor({
    grant: { ...grant },
    bundle: publisher.bundle(),
    directory: publisher.directory(),
    locks: publisher.locks(),
    manifest: publisher.manifest(),
    session: utf8(settings.session),
    timeMs: services.clock.wallMs(),
  })
}
