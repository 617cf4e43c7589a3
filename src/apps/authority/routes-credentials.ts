import { isRefusal, refuse, type Refusal } from '../../foundation/base/index.ts'
import { profileOf } from '../../foundation/profiles/index.ts'
import { type RevokeRequest, revokeRequest } from './api-schema-credentials.ts'
import { json, refused, type Route, type RouteAnswer, type RouteCall } from './http-types.ts'
import type { Revocable } from './revocation.ts'
import { changeable, named, parseBody, peopleProblem, recorded } from './routes-operator.ts'
import type { AuthorityServices } from './services.ts'

const PAGE = 500
const SMALL_BODY = 4096

/** Routes of credentials: what there is, and one of them replaced or taken back. */
export function credentialRoutes(services: AuthorityServices): readonly Route[] {
  return [
    {
      method: 'GET',
      path: '/v1/credentials',
      guard: 'report',
      maxBytes: 0,
      handle: ({ query }) => {
        const page = services.credentials.page(query['after'], PAGE)
        return page ? json(page) : refused(refuse('KOS_AUTHORITY_REQUEST', 'credentials/after'))
      },
    },
    {
      method: 'POST',
      path: '/v1/principals/:name/rotate',
      guard: 'operator',
      maxBytes: 0,
      handle: (call) => rotate(services, call),
    },
    {
      method: 'POST',
      path: '/v1/credentials/:name/revoke',
      guard: 'operator',
      maxBytes: SMALL_BODY,
      handle: (call) => revoke(services, call),
    },
  ]
}

/** Whatever the principal has: a certificate, or a pre-shared key. */
async function rotate(services: AuthorityServices, call: RouteCall): Promise<RouteAnswer> {
  const principal = changeable(services, call)
  if (isRefusal(principal)) return refused(principal)
  const isPsk = profileOf(principal.profile).authentication.factor === 'psk'
  const change = { action: 'credential.rotate', target: principal.uri }
  const done = await recorded(services, { call, change }, () =>
    isPsk ? services.pskRotation.rotate(principal) : services.certificateRotation.rotate(principal),
  )
  if (isRefusal(done)) return refused(done)
  return json({ kind: isPsk ? 'psk' : 'certificate', delivered: done.delivered })
}

async function revoke(services: AuthorityServices, call: RouteCall): Promise<RouteAnswer> {
  const request = parseBody<RevokeRequest>(revokeRequest, call.body)
  if (isRefusal(request)) return refused(request)
  const found = revocable(services, call)
  if (isRefusal(found)) return refused(found)
  const { kind, owner, ownerKind } = found
  const unfit = ownerKind && peopleProblem({ kind: ownerKind }, call)
  if (unfit) return refused(unfit)
  const { reason } = request
  const change = {
    action: 'credential.revoke',
    target: owner?.uri ?? call.parameters['name'] ?? '',
    detail: { kind, id: call.parameters['name'] ?? '', reason },
  }
  await recorded(services, { call, change }, () => found.revoke())
  return json({ kind, ...(owner && { name: owner.name }) })
}

/** By its own id, or all that a principal has. */
function revocable(services: AuthorityServices, call: RouteCall): Revocable | Refusal {
  const found = services.revocation.find(call.parameters['name'] ?? '')
  if (found) return found
  const principal = named(services, call)
  if (!isRefusal(principal)) return services.revocation.allOf(principal)
  return refuse('KOS_AUTHORITY_NOT_FOUND', 'credential/unknown', {
    remedy: 'Find its id with "kosctl credentials report".',
  })
}
