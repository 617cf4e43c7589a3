import { isRefusal, refuse, type Refusal } from '../../foundation/base/index.ts'
import type { PrincipalRecord } from '../../lifecycle/enrolment/index.ts'
import { type LockRequest, lockRequest } from './api-schema.ts'
import { json, refused, type Route, type RouteAnswer, type RouteCall } from './http-types.ts'
import { changeable, parseBody, recorded } from './routes-operator.ts'
import type { AuthorityServices } from './services.ts'

const SMALL_BODY = 4096

/** Routes that lock principals out, let them in again, and remove them. */
export function lockRoutes(services: AuthorityServices): readonly Route[] {
  const path = '/v1/principals/:name'
  return [
    {
      method: 'POST',
      path: `${path}/lock`,
      guard: 'operator',
      maxBytes: SMALL_BODY,
      handle: (call) => lockPrincipal(services, call),
    },
    {
      method: 'POST',
      path: `${path}/unlock`,
      guard: 'operator',
      maxBytes: SMALL_BODY,
      handle: (call) => unlockPrincipal(services, call),
    },
    {
      method: 'DELETE',
      path,
      guard: 'operator',
      maxBytes: 0,
      handle: (call) => removePrincipal(services, call),
    },
  ]
}

async function lockPrincipal(services: AuthorityServices, call: RouteCall): Promise<RouteAnswer> {
  const principal = another(services, call, 'lock')
  if (isRefusal(principal)) return refused(principal)
  const request = parseBody<LockRequest>(lockRequest, call.body)
  if (isRefusal(request)) return refused(request)
  const { reason } = request
  const change = { action: 'device.lock', target: principal.uri, detail: { reason } }
  const done = await recorded(services, { call, change }, () => services.locks.lock(principal.id))
  return isRefusal(done) ? refused(done) : json({ locked: true })
}

async function unlockPrincipal(services: AuthorityServices, call: RouteCall): Promise<RouteAnswer> {
  const principal = changeable(services, call)
  if (isRefusal(principal)) return refused(principal)
  const change = { action: 'device.unlock', target: principal.uri }
  const done = await recorded(services, { call, change }, () => services.locks.unlock(principal.id))
  return isRefusal(done) ? refused(done) : json({ unlocked: true })
}

/** Removal locks the principal first: its certificate must be refused before its record is gone. */
async function removePrincipal(services: AuthorityServices, call: RouteCall): Promise<RouteAnswer> {
  const principal = another(services, call, 'remove')
  if (isRefusal(principal)) return refused(principal)
  const change = { action: 'device.remove', target: principal.uri }
  const done = await recorded(services, { call, change }, async () => {
    const problem = await services.locks.remove(principal.id)
    if (!problem) services.standbys.forget(principal.uri)
    return problem
  })
  return isRefusal(done) ? refused(done) : json({ removed: true })
}

/** Nobody cuts the branch they sit on. */
export function another(
  services: AuthorityServices,
  call: RouteCall,
  what: 'lock' | 'remove',
): PrincipalRecord | Refusal {
  const principal = changeable(services, call)
  if (isRefusal(principal) || principal.id !== call.caller?.id) return principal
  return refuse('KOS_AUTHORITY_GUARD', `${what}/self`, {
    remedy: `Ask another operator to ${what} this credential.`,
  })
}
