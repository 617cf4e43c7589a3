import { isRefusal, parsePrincipal, refuse, toBase64Url } from '../../foundation/base/index.ts'
import { parseCertificate } from '../../foundation/codec/index.ts'
import {
  checkTokenRequest,
  encodeTokenGrant,
  MAX_TOKEN_REQUEST_BYTES,
} from '../../network/session/index.ts'
import { cbor, json, refused, type Route, type RouteAnswer, type RouteCall } from './http-types.ts'
import { peopleProblem, recorded } from './routes-operator.ts'
import type { AuthorityServices } from './services.ts'

/** Routes of session tokens: asking for one, listing sessions and tokens, revoking them. */
export function sessionRoutes(services: AuthorityServices): readonly Route[] {
  return [
    {
      method: 'POST',
      path: '/v1/session',
      guard: 'member',
      isUnsigned: true,
      maxBytes: MAX_TOKEN_REQUEST_BYTES,
      handle: (call) => issueToken(services, call),
    },
    {
      method: 'GET',
      path: '/v1/sessions',
      guard: 'viewer',
      maxBytes: 0,
      handle: () => json({ sessions: services.sessions.list(services.apiTokens) }),
    },
    {
      method: 'DELETE',
      path: '/v1/sessions/:handle',
      guard: 'operator',
      maxBytes: 0,
      handle: (call) => revoke(services, call),
    },
  ]
}

/**
 * The identity key signs for this connection, so a token is asked for by its owner alone; a token
 * never makes another one.
 */
async function issueToken(services: AuthorityServices, call: RouteCall): Promise<RouteAnswer> {
  const { caller, body } = call
  const leaf = call.leaf()
  if (!caller || !leaf) return refused(refuse('KOS_SESSION_TOKEN', 'token/certificate'))
  if (caller.origin !== undefined)
    return refused(refuse('KOS_SESSION_TOKEN', 'token/no-identity-key'))
  const connection = { exporter: call.exporter(), leafSpki: parseCertificate(leaf).spki }
  const problem = checkTokenRequest(body, connection, caller.identitySpki)
  if (problem) {
    const shown = refuse('KOS_SESSION_TOKEN', 'token')
    return { kind: 'refused', refusal: shown, recorded: problem, status: 403 }
  }
  const grant = await services.apiTokens.issue(caller, call.source)
  await services.record({
    type: 'session',
    actor: caller.uri,
    target: caller.uri,
    action: 'api-token.issue',
    outcome: 'ok',
    detail: { handle: toBase64Url(grant.handle), source: call.source },
  })
  const answer = encodeTokenGrant(grant)
  grant.secret[Symbol.dispose]()
  return cbor(answer)
}

async function revoke(services: AuthorityServices, call: RouteCall): Promise<RouteAnswer> {
  const handle = call.parameters['handle'] ?? ''
  const unknown = refuse('KOS_AUTHORITY_NOT_FOUND', 'session/unknown', {
    remedy: 'List the handles with "kosctl sessions".',
  })
  const all = services.sessions.list(services.apiTokens)
  const found = all.find((session) => session.handle === handle)
  if (!found) return refused(unknown)
  const owner = parsePrincipal(found.principal)
  // Everybody who may end sessions ends their own.
  const isOwn = found.principal === call.caller?.uri
  const unfit = owner && !isOwn ? peopleProblem(owner, call) : undefined
  if (unfit) return refused(unfit)
  const change = { action: 'session.revoke', target: handle }
  const done = await recorded(services, { call, change }, async () => {
    const isRevoked = (await services.apiTokens.revoke(handle)) || services.sessions.close(handle)
    return isRevoked ? { revoked: true } : unknown
  })
  return isRefusal(done) ? refused(done) : json(done)
}
