import { isRefusal, refuse } from '../../foundation/base/index.ts'
import { profileOf } from '../../foundation/profiles/index.ts'
import { json, refused, type Route, type RouteAnswer, type RouteCall } from './http-types.ts'
import { named, recorded } from './routes-operator.ts'
import type { AuthorityServices } from './services.ts'

/** Routes of devices that have a pre-shared key. */
export function pskRoutes(services: AuthorityServices): readonly Route[] {
  return [
    {
      method: 'POST',
      path: '/v1/principals/:name/rotate-psk',
      guard: 'operator',
      maxBytes: 0,
      handle: (call) => rotate(services, call),
    },
  ]
}

async function rotate(services: AuthorityServices, call: RouteCall): Promise<RouteAnswer> {
  const principal = named(services, call)
  if (isRefusal(principal)) return refused(principal)
  if (profileOf(principal.profile).authentication.factor !== 'psk') {
    return refused(
      refuse('KOS_AUTHORITY_REQUEST', 'psk/certificate', {
        remedy: 'This device has a certificate, which it renews by itself.',
      }),
    )
  }
  const change = { action: 'device.rotate-psk', target: principal.uri }
  const done = await recorded(services, { call, change }, () =>
    services.pskRotation.rotate(principal),
  )
  return isRefusal(done) ? refused(done) : json(done)
}
