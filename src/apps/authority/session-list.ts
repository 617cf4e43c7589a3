import { type Clock, toBase64Url, toHex, type UnixMs, unixMs } from '../../foundation/base/index.ts'
import { SESSION_LIMITS } from '../../network/session/index.ts'
import type { OpenSession } from '../node/index.ts'
import type { SessionView } from './api-schema.ts'
import type { ApiToken, ApiTokens } from './api-tokens.ts'
import type { SessionTokenFacts } from './request-signatures.ts'

/** The open sessions of an authority by the handles of the tokens that it issued on them. */
export interface SessionList {
  /** Notes that a session reached READY. */
  opened(open: OpenSession): void
  /** Sessions and API tokens, the oldest first. */
  list(tokens: ApiTokens): readonly SessionView[]
  /** The token of an open session. */
  token(handle: string): SessionTokenFacts | undefined
  /** Closes an open session; `false` when there is none of this handle. */
  close(handle: string): boolean
}

/**
 * Makes the list of sessions.
 *
 * @param clock - dates them
 * @param sessions - those that are open now
 */
export function createSessionList(
  clock: Clock,
  sessions: () => ReadonlySet<OpenSession>,
): SessionList {
  const openedAt = new WeakMap<OpenSession, UnixMs>()
  const find = (handle: string): OpenSession | undefined =>
    [...sessions()].find((open) => handleOf(open) === handle)
  const facts = (open: OpenSession): { createdAt: UnixMs; expiresAt: UnixMs } => {
    const createdAt = openedAt.get(open) ?? clock.wallMs()
    const { notAfter } = open.authenticated.peer
    return {
      createdAt,
      expiresAt: unixMs(Math.min(createdAt + SESSION_LIMITS.sessionLifeMs, notAfter)),
    }
  }
  return {
    opened: (open) => void openedAt.set(open, clock.wallMs()),
    list: (tokens) => {
      const own = [...sessions()].map((open) => sessionView(open, facts(open)))
      return [...own, ...tokens.live().map(tokenView)].toSorted((a, b) => a.createdAt - b.createdAt)
    },
    token: (handle) => {
      const open = find(handle)
      const secret = open?.session.issuedToken?.secret
      if (!open || !secret) return undefined
      const identityKeyHash = toHex(open.authenticated.peer.identityKeyHash)
      return { identityKeyHash, secret, expiresAt: facts(open).expiresAt }
    },
    close: (handle) => {
      const open = find(handle)
      open?.session.close('revoked')
      return open !== undefined
    },
  }
}

function handleOf({ session }: OpenSession): string {
  const token = session.issuedToken
  return token ? toBase64Url(token.handle) : ''
}

function sessionView(
  open: OpenSession,
  times: { readonly createdAt: UnixMs; readonly expiresAt: UnixMs },
): SessionView {
  const { connected, peer } = open.authenticated
  return {
    handle: handleOf(open),
    kind: 'session',
    principal: peer.principal.uri,
    source: connected.connection.sourceAddress,
    ...times,
  }
}

function tokenView(token: ApiToken): SessionView {
  const { handle, uri, source, createdAt, expiresAt, lastUsedAt } = token
  return { handle, kind: 'api', principal: uri, source, createdAt, expiresAt, lastUsedAt }
}
