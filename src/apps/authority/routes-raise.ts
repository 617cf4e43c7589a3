import { isRefusal, z } from '../../foundation/base/index.ts'
import { PROFILE_NAMES, profileOf, type ProfileName } from '../../foundation/profiles/index.ts'
import { decodeRaiseRequest, MAX_ENROLMENT_BYTES } from '../../lifecycle/enrolment/index.ts'
import { cbor, refused, type Route, type RouteAnswer, type RouteCall } from './http-types.ts'
import { grantAnswer } from './routes-enrolment.ts'
import { changeable, parseBody, recorded } from './routes-operator.ts'
import { tokenAnswer } from './routes-tokens.ts'
import type { AuthorityServices } from './services.ts'

const SMALL_BODY = 1024

interface RaiseOrder {
  readonly profile: ProfileName
  readonly lifeMs: number
}

const raiseOrder: z.ZodType<RaiseOrder> = z.strictObject({
  profile: z.enum(PROFILE_NAMES),
  lifeMs: z.int().min(1),
})

/** Routes that raise profiles: the operator asks for a token, the device proves the rest with it. */
export function raiseRoutes(services: AuthorityServices): readonly Route[] {
  return [
    {
      method: 'POST',
      path: '/v1/principals/:name/raise',
      guard: 'operator',
      maxBytes: SMALL_BODY,
      handle: (call) => order(services, call),
    },
    {
      method: 'POST',
      path: '/v1/raise',
      guard: 'proof',
      maxBytes: MAX_ENROLMENT_BYTES,
      handle: (call) => raise(services, call),
    },
  ]
}

async function order(services: AuthorityServices, call: RouteCall): Promise<RouteAnswer> {
  const principal = changeable(services, call)
  if (isRefusal(principal)) return refused(principal)
  const wanted = parseBody<RaiseOrder>(raiseOrder, call.body)
  if (isRefusal(wanted)) return refused(wanted)
  const { profile, lifeMs } = wanted
  const detail = { from: principal.profile, to: profile }
  const change = { action: 'device.raise', target: principal.uri, detail }
  const created = await recorded(services, { call, change }, () =>
    services.raises.createToken(principal.id, {
      profile: profileOf(profile),
      owner: call.caller?.uri ?? '-',
      lifeMs,
    }),
  )
  return isRefusal(created) ? refused(created) : tokenAnswer(services, created)
}

async function raise(services: AuthorityServices, call: RouteCall): Promise<RouteAnswer> {
  const request = decodeRaiseRequest(call.body)
  if (isRefusal(request)) return refused(request)
  const result = await services.raises.raise(request, call.exporter())
  const event = { type: 'enrolment', action: 'raise' } as const
  if (isRefusal(result)) {
    const { code, rule } = result
    const actor = `token:${request.tokenId}`
    await services.record({ ...event, actor, target: '-', outcome: 'refused', code, rule })
    return refused(result)
  }
  const { grant, token, repeated } = result
  services.publisher.refreshDirectory()
  const raised = services.registry.principal(grant.principalId)
  if (raised) services.noteFloor(raised)
  await services.record({
    ...event,
    actor: token.owner,
    target: grant.uri,
    outcome: 'ok',
    detail: {
      profile: grant.profile,
      generation: grant.generation,
      token: token.id,
      repeated,
    },
  })
  return cbor(grantAnswer(services, grant))
}
