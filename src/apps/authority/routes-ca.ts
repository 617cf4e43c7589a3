import { isRefusal, refuse, type Refusal } from '../../foundation/base/index.ts'
import { MAX_TRUST_BUNDLE_BYTES, type RootStep, type StandbyFields } from '../../trust/pki/index.ts'
import {
  type CaRequestRequest,
  caRequestRequest,
  type CaRevokeRequest,
  caRevokeRequest,
  type CaStatus,
  type ChainImportRequest,
  chainImportRequest,
} from './api-schema-ca.ts'
import { json, refused, type Route, type RouteAnswer, type RouteCall } from './http-types.ts'
import { type Change, named, parseBody, recorded } from './routes-operator.ts'
import { standbyNamed } from './routes-standby.ts'
import type { AuthorityServices } from './services.ts'

const SMALL_BODY = 1024
/** Twelve certificates in PEM, escaped. */
const MAX_CHAIN_BODY = 128 * 1024

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
    ...requestRoutes(services),
    ...companyRoutes(services),
  ]
}

/** What root keys that are kept elsewhere are asked for, and what they answer. */
function requestRoutes(services: AuthorityServices): readonly Route[] {
  const path = '/v1/ca/request'
  return [
    {
      method: 'POST',
      path,
      guard: 'admin',
      maxBytes: SMALL_BODY,
      handle: (call) => request(services, call),
    },
    {
      method: 'DELETE',
      path,
      guard: 'admin',
      maxBytes: 0,
      handle: (call) =>
        take(services, { call, name: 'request.cancel' }, () => services.ca.requests.cancel()),
    },
    {
      method: 'POST',
      path: '/v1/ca/answer',
      guard: 'admin',
      maxBytes: MAX_TRUST_BUNDLE_BYTES,
      handle: (call) =>
        take(services, { call, name: 'import' }, () => services.ca.requests.answer(call.body)),
    },
  ]
}

/** The place below a company's root. */
function companyRoutes(services: AuthorityServices): readonly Route[] {
  const path = '/v1/ca/chain'
  return [
    {
      method: 'GET',
      path: '/v1/ca/csr/:of',
      guard: 'admin',
      maxBytes: 0,
      handle: ({ parameters: { of } }) => {
        if (of !== 'root' && of !== 'intermediate') {
          return refused(refuse('KOS_AUTHORITY_REQUEST', 'csr/of'))
        }
        const csr = services.ca.company.csr(of)
        return isRefusal(csr) ? refused(csr) : json({ csr })
      },
    },
    {
      method: 'GET',
      path,
      guard: 'viewer',
      maxBytes: 0,
      handle: () => {
        const pem = services.ca.company.pem()
        return isRefusal(pem) ? refused(pem) : json({ pem })
      },
    },
    {
      method: 'POST',
      path,
      guard: 'admin',
      maxBytes: MAX_CHAIN_BODY,
      handle: (call) => {
        const asked = parseBody<ChainImportRequest>(chainImportRequest, call.body)
        if (isRefusal(asked)) return refused(asked)
        const { company } = services.ca
        return take(services, { call, name: 'chain.import' }, () => company.take(asked.pem))
      },
    },
    {
      method: 'DELETE',
      path,
      guard: 'admin',
      maxBytes: 0,
      handle: (call) =>
        take(services, { call, name: 'chain.remove' }, () => services.ca.company.remove()),
    },
  ]
}

async function request(services: AuthorityServices, call: RouteCall): Promise<RouteAnswer> {
  const asked = parseBody<CaRequestRequest>(caRequestRequest, call.body)
  if (isRefusal(asked)) return refused(asked)
  const change = {
    action: 'ca.request',
    target: services.settings.trustDomain,
    detail: { ...asked },
  }
  const done = await recorded(services, { call, change }, () => {
    const step = rootStep(services, call, asked)
    if (isRefusal(step)) return step
    return services.ca.requests.ask(step, call.caller?.name ?? '-')
  })
  return isRefusal(done) ? refused(done) : json(done)
}

function rootStep(
  services: AuthorityServices,
  call: RouteCall,
  asked: CaRequestRequest,
): RootStep | Refusal {
  switch (asked.step) {
    case 'prepare':
    case 'taint':
    case 'clear-taint':
    case 'era':
      return { kind: asked.step }
    case 'revoke':
      return services.ca.refuseRevoke(asked.force) ?? { kind: 'retire' }
    case 'standby-add': {
      const member = named(services, { ...call, parameters: { name: asked.name } })
      return isRefusal(member) ? member : standbyStep(services.standbys.with(member, asked.maxMs))
    }
    case 'standby-remove': {
      const standby = standbyNamed(services, { ...call, parameters: { name: asked.name } })
      return isRefusal(standby) ? standby : standbyStep(services.standbys.without(standby.uri))
    }
  }
}

function standbyStep(standbys: readonly StandbyFields[] | Refusal): RootStep | Refusal {
  return isRefusal(standbys) ? standbys : { kind: 'standbys', standbys }
}

function revoke(services: AuthorityServices, call: RouteCall): RouteAnswer | Promise<RouteAnswer> {
  const request = parseBody<CaRevokeRequest>(caRevokeRequest, call.body)
  if (isRefusal(request)) return refused(request)
  const { force } = request
  return take(services, { call, name: 'revoke', detail: { force } }, () =>
    services.ca.revoke(force),
  )
}

/** A step as it is recorded. */
interface Step extends Pick<Change, 'detail'> {
  readonly call: RouteCall
  readonly name: string
}

async function take(
  services: AuthorityServices,
  { call, name, detail }: Step,
  work: () => CaStatus | Refusal,
): Promise<RouteAnswer> {
  const change = {
    action: `ca.${name}`,
    target: services.settings.trustDomain,
    ...(detail && { detail }),
    // Which trust bundle it led to.
    detailOf: ({ bundle }: CaStatus) => ({ bundle: `${bundle.era}.${bundle.number}` }),
  }
  const done = await recorded(services, { call, change }, work)
  return isRefusal(done) ? refused(done) : json(done)
}
