import { isRefusal, type Refusal } from '../../foundation/base/index.ts'
import { type StandbyRequest, standbyRequest } from './api-schema.ts'
import { json, refused, type Route, type RouteAnswer, type RouteCall } from './http-types.ts'
import { named, parseBody, recorded } from './routes-operator.ts'
import type { AuthorityServices } from './services.ts'

const SMALL_BODY = 1024

/** Routes of standby signers: who they are decides whom SEC-4 believes, so an admin says it. */
export function standbyRoutes(services: AuthorityServices): readonly Route[] {
  const path = '/v1/principals/:name/standby'
  return [
    {
      method: 'GET',
      path: '/v1/standbys',
      guard: 'viewer',
      maxBytes: 0,
      handle: () => json({ standbys: services.standbys.list() }),
    },
    {
      method: 'POST',
      path,
      guard: 'admin',
      maxBytes: SMALL_BODY,
      handle: (call) => add(services, call),
    },
    {
      method: 'DELETE',
      path,
      guard: 'admin',
      maxBytes: 0,
      handle: (call) => remove(services, call),
    },
  ]
}

async function add(services: AuthorityServices, call: RouteCall): Promise<RouteAnswer> {
  const principal = named(services, call)
  if (isRefusal(principal)) return refused(principal)
  const request = parseBody<StandbyRequest>(standbyRequest, call.body)
  if (isRefusal(request)) return refused(request)
  const { maxMs } = request
  const change = { action: 'standby.add', target: principal.uri, detail: { maxMs } }
  const done = await recorded(services, { call, change }, () =>
    services.standbys.add(principal, maxMs),
  )
  return isRefusal(done) ? refused(done) : json({ bundle: done.number })
}

/** A standby signer by its name; also one whose device was removed: it is named by its id. */
export function standbyNamed(
  services: AuthorityServices,
  call: RouteCall,
): { readonly uri: string } | Refusal {
  const name = call.parameters['name'] ?? ''
  const found = services.standbys
    .list()
    .find((standby) => standby.name === name || standby.principal.endsWith(`/${name}`))
  return found ? { uri: found.principal } : named(services, call)
}

async function remove(services: AuthorityServices, call: RouteCall): Promise<RouteAnswer> {
  const principal = standbyNamed(services, call)
  if (isRefusal(principal)) return refused(principal)
  const change = { action: 'standby.remove', target: principal.uri }
  const done = await recorded(services, { call, change }, () =>
    services.standbys.remove(principal.uri),
  )
  return isRefusal(done) ? refused(done) : json({ bundle: done.number })
}
