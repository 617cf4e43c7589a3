import { isRefusal, type Refusal } from '../../foundation/base/index.ts'
import { type CaRevokeRequest, caRevokeRequest, type CaStatus } from './api-schema-ca.ts'
import { json, refused, type Route, type RouteAnswer, type RouteCall } from './http-types.ts'
import { parseBody, recorded } from './routes-operator.ts'
import type { AuthorityServices } from './services.ts'

const SMALL_BODY = 1024

/** Routes of the intermediate CA's rotation: whom everybody believes, an admin says. */
export function caRoutes(services: AuthorityServices): readonly Route[] {
  const { ca } = services
  const step = (name: 'prepare' | 'activate' | 'taint', work: () => CaStatus | Refusal): Route => ({
    method: 'POST',
    path: `/v1/ca/${name}`,
    guard: 'admin',
    maxBytes: 0,
    handle: (call) => take(services, { call, name }, work),
  })
  return [
    {
      method: 'GET',
      path: '/v1/ca',
      guard: 'viewer',
      maxBytes: 0,
      handle: () => json(ca.status()),
    },
    step('prepare', () => ca.prepare()),
    step('activate', () => ca.activate()),
    step('taint', () => ca.taint()),
    {
      method: 'POST',
      path: '/v1/ca/revoke',
      guard: 'admin',
      maxBytes: SMALL_BODY,
      handle: (call) => revoke(services, call),
    },
  ]
}

function revoke(services: AuthorityServices, call: RouteCall): RouteAnswer | Promise<RouteAnswer> {
  const request = parseBody<CaRevokeRequest>(caRevokeRequest, call.body)
  if (isRefusal(request)) return refused(request)
  return take(services, { call, name: 'revoke' }, () => services.ca.revoke(request.force))
}

async function take(
  services: AuthorityServices,
  { call, name }: { readonly call: RouteCall; readonly name: string },
  work: () => CaStatus | Refusal,
): Promise<RouteAnswer> {
  const change = { action: `ca.${name}`, target: services.settings.trustDomain }
  const done = await recorded(services, { call, change }, work)
  return isRefusal(done) ? refused(done) : json(done)
}
