import { isRefusal, principalOf, refuse, type Refusal } from '../../foundation/base/index.ts'
import { pemEncode } from '../../foundation/codec/index.ts'
import {
  type BatchRefusal,
  type CreatedBatch,
  type CreatedToken,
  estPassword,
  formatJoinLine,
  type TokenRecord,
} from '../../lifecycle/enrolment/index.ts'
import { parseHostPort } from '../node/index.ts'
import {
  type BatchCreated,
  type BatchRefused,
  type BatchRequest,
  batchRequest,
  type EstAccess,
  type TokenDetail,
  type TokenDevice,
  type TokenRequest,
  tokenRequest,
} from './api-schema-tokens.ts'
import { EST_PATH } from './est-http.ts'
import { json, refused, type Route, type RouteAnswer, type RouteCall } from './http-types.ts'
import { parseBody, peopleProblem, recorded, reservedName } from './routes-operator.ts'
import type { AuthorityServices } from './services.ts'
import { tokenViewOf } from './views.ts'

const SMALL_BODY = 16 * 1024
/** 1,000 devices with groups and labels of ordinary length. */
const BATCH_BODY = 1024 * 1024

/** Routes of join tokens: for one device, for several, and for whole lists. */
export function tokenRoutes(services: AuthorityServices): readonly Route[] {
  return [
    {
      method: 'POST',
      path: '/v1/tokens',
      guard: 'operator',
      maxBytes: SMALL_BODY,
      handle: (call) => create(services, call),
    },
    {
      method: 'POST',
      path: '/v1/tokens/batch',
      guard: 'operator',
      maxBytes: BATCH_BODY,
      handle: (call) => createBatch(services, call),
    },
    {
      method: 'GET',
      path: '/v1/tokens',
      guard: 'viewer',
      maxBytes: 0,
      handle: () => {
        const now = services.clock.wallMs()
        return json({ tokens: services.registry.tokens().map((token) => tokenViewOf(token, now)) })
      },
    },
    {
      method: 'GET',
      path: '/v1/tokens/:id',
      guard: 'viewer',
      maxBytes: 0,
      handle: (call) => show(services, call),
    },
    {
      method: 'DELETE',
      path: '/v1/tokens/batch/:id',
      guard: 'operator',
      maxBytes: 0,
      handle: (call) => revokeBatch(services, call),
    },
    {
      method: 'DELETE',
      path: '/v1/tokens/:id',
      guard: 'operator',
      maxBytes: 0,
      handle: (call) => revoke(services, call),
    },
  ]
}

async function create(services: AuthorityServices, call: RouteCall): Promise<RouteAnswer> {
  const request = parseBody<TokenRequest>(tokenRequest, call.body)
  if (isRefusal(request)) return refused(request)
  const unfit = reservedName(request.name)
  if (unfit) return refused(unfit)
  const { name, profile, origin = 'join', uses } = request
  const owner = call.caller?.uri ?? '-'
  const change = {
    action: 'token.create',
    target: name.toWellFormed(),
    detail: { profile, origin, ...(uses !== undefined && { uses }) },
    detailOf: ({ record }: CreatedToken) => ({ token: record.id }),
  }
  const created = await recorded(services, { call, change }, () =>
    services.tokens.create({ ...request, owner }),
  )
  if (isRefusal(created)) return refused(created)
  return origin === 'est' ? estAnswer(services, created) : tokenAnswer(services, created)
}

async function createBatch(services: AuthorityServices, call: RouteCall): Promise<RouteAnswer> {
  const request = parseBody<BatchRequest>(batchRequest, call.body)
  if (isRefusal(request)) return refused(request)
  const { lifeMs, tokens } = request
  const change = {
    action: 'token.batch',
    target: `${tokens.length} devices`,
    detail: { lifeMs },
    detailOf: ({ batch }: CreatedBatch) => ({ batch }),
  }
  const { trustDomain } = services.settings
  const created: CreatedBatch | BatchRefusal = await recorded(services, { call, change }, () =>
    services.tokens.createBatch(
      tokens.map(({ owner, ...row }) => ({
        ...row,
        lifeMs,
        owner:
          owner === undefined
            ? (call.caller?.uri ?? '-')
            : (principalOf(trustDomain, 'user', owner)?.uri ?? '-'),
      })),
      ({ name }) => reservedName(name),
    ),
  )
  return isRefusal(created) ? rowsRefused(created) : batchAnswer(services, created)
}

function rowsRefused({ code, rule, remedy, rows }: BatchRefusal): RouteAnswer {
  const value: BatchRefused & Pick<Refusal, 'remedy'> = {
    code,
    rule,
    ...(remedy !== undefined && { remedy }),
    rows: rows.map(({ index, refusal }) => ({
      index,
      code: refusal.code,
      rule: refusal.rule,
      remedy: refusal.remedy,
    })),
  }
  return json(value, 409)
}

function batchAnswer(services: AuthorityServices, created: CreatedBatch): RouteAnswer {
  const [first] = created.tokens
  const value: BatchCreated = {
    batch: created.batch,
    expiresAt: first?.record.expiresAt ?? 0,
    tokens: created.tokens.map((token) => ({
      name: token.record.name,
      id: token.record.id,
      joinLine: joinLineOf(services, token),
    })),
  }
  return json(value, 201)
}

/** Where EST is, whom to trust, and the secret, shown once. */
function estAnswer(services: AuthorityServices, created: CreatedToken): RouteAnswer {
  const { record } = created
  using secret = created.secret
  const [root = new Uint8Array()] = services.caCertificates()
  const est: EstAccess = {
    url: `https://${services.settings.advertised}${EST_PATH}`,
    user: record.id,
    password: estPassword(secret),
    rootPem: pemEncode('CERTIFICATE', root),
  }
  return json({ est, token: tokenViewOf(record, services.clock.wallMs()) }, 201)
}

/** The line that a device is given, and what it is good for. */
export function tokenAnswer(services: AuthorityServices, created: CreatedToken): RouteAnswer {
  const joinLine = joinLineOf(services, created)
  return json({ joinLine, token: tokenViewOf(created.record, services.clock.wallMs()) }, 201)
}

/** Where to go, whom to trust, and the secret, shown once. */
function joinLineOf({ settings }: AuthorityServices, created: CreatedToken): string {
  using secret = created.secret
  const at = parseHostPort(settings.advertised)
  const tokenId = created.record.id
  return formatJoinLine({
    host: at?.host ?? '',
    port: at?.port ?? 0,
    pin: settings.pin,
    tokenId,
    secret,
  })
}

function show(services: AuthorityServices, call: RouteCall): RouteAnswer {
  const id = call.parameters['id'] ?? ''
  const { registry } = services
  const alone = registry.token(id)
  const found = alone ? [alone] : registry.tokensOfBatch(id)
  if (found.length === 0) return refused(refuse('KOS_AUTHORITY_NOT_FOUND', 'token/unknown'))
  const now = services.clock.wallMs()
  const detail: TokenDetail = {
    tokens: found.map((token) => tokenViewOf(token, now)),
    devices: found.flatMap((token) => devicesOf(services, token)),
  }
  return json(detail)
}

function devicesOf(
  { registry }: AuthorityServices,
  { id, uses, principalId }: TokenRecord,
): readonly TokenDevice[] {
  const only = uses ? undefined : registry.principal(principalId ?? '')
  const joined = only ? [only] : registry.joinedBy(id)
  return joined.map(({ id: device, name, state, createdAt }) => ({
    token: id,
    id: device,
    name,
    state,
    joinedAt: createdAt,
  }))
}

async function revoke(services: AuthorityServices, call: RouteCall): Promise<RouteAnswer> {
  const target = call.parameters['id'] ?? ''
  const token = services.registry.token(target)
  const unknown = refuse('KOS_AUTHORITY_NOT_FOUND', 'token/open')
  if (!token) return refused(unknown)
  const unfit = peopleProblem(token, call)
  if (unfit) return refused(unfit)
  const change = { action: 'token.revoke', target }
  const done = await recorded(services, { call, change }, async () =>
    (await services.registry.revokeToken(target)) ? { revoked: true } : unknown,
  )
  return isRefusal(done) ? refused(done) : json(done)
}

async function revokeBatch(services: AuthorityServices, call: RouteCall): Promise<RouteAnswer> {
  const target = call.parameters['id'] ?? ''
  const unknown = refuse('KOS_AUTHORITY_NOT_FOUND', 'token/open')
  if (services.registry.tokensOfBatch(target).length === 0) return refused(unknown)
  const change = {
    action: 'token.revoke-batch',
    target,
    detailOf: ({ revoked }: { readonly revoked: number }) => ({ revoked }),
  }
  const done = await recorded(services, { call, change }, async () => {
    const revoked = await services.registry.revokeBatch(target)
    return revoked > 0 ? { revoked } : unknown
  })
  return isRefusal(done) ? refused(done) : json(done)
}
