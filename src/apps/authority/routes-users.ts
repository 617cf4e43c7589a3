import { isRefusal, refuse, type Refusal } from '../../foundation/base/index.ts'
import type { PrincipalRecord, TokenRecord } from '../../lifecycle/enrolment/index.ts'
import {
  type InviteRequest,
  inviteRequest,
  type RolesRequest,
  rolesRequest,
  type UserView,
} from './api-schema-users.ts'
import { AUTHORITY_PROFILE } from './authority-state.ts'
import {
  json,
  refused,
  type Role,
  type Route,
  type RouteAnswer,
  type RouteCall,
} from './http-types.ts'
import { another } from './routes-locks.ts'
import { named, parseBody, recorded, reservedName } from './routes-operator.ts'
import { tokenAnswer } from './routes-tokens.ts'
import type { AuthorityServices } from './services.ts'

const SMALL_BODY = 4096

/** Routes of people: who there is, and, for admins, who comes, what they may, and who goes. */
export function userRoutes(services: AuthorityServices): readonly Route[] {
  const path = '/v1/users/:name'
  return [
    {
      method: 'GET',
      path: '/v1/users',
      guard: 'viewer',
      maxBytes: 0,
      handle: () => json({ users: usersOf(services) }),
    },
    {
      method: 'POST',
      path: '/v1/users',
      guard: 'admin',
      maxBytes: SMALL_BODY,
      handle: (call) => invite(services, call),
    },
    {
      method: 'PATCH',
      path,
      guard: 'admin',
      maxBytes: SMALL_BODY,
      handle: (call) => changeRoles(services, call),
    },
    {
      method: 'DELETE',
      path,
      guard: 'admin',
      maxBytes: 0,
      handle: (call) => removeUser(services, call),
    },
  ]
}

function usersOf({ clock, registry }: AuthorityServices): UserView[] {
  const users = registry.users()
  const lines = registry.openTokens(clock.wallMs()).filter(({ kind }) => kind === 'user')
  return [...users.flatMap(viewOf), ...lines.map(invitedView)]
}

function viewOf(record: PrincipalRecord): UserView[] {
  const { name, roles, state, certificateNotAfter, createdAt, lastSeenAt, generation } = record
  if (state === 'removed') return []
  const times = { endsAt: certificateNotAfter, createdAt, lastSeenAt }
  return [{ name, roles: [...roles], state, ...times, generation }]
}

function invitedView({ name, roles = [], expiresAt, createdAt }: TokenRecord): UserView {
  return { name, roles: [...roles], state: 'invited', endsAt: expiresAt, createdAt }
}

/** One line for one person; the roles stand in the registry, not in the line. */
async function invite(services: AuthorityServices, call: RouteCall): Promise<RouteAnswer> {
  const request = parseBody<InviteRequest>(inviteRequest, call.body)
  if (isRefusal(request)) return refused(request)
  const { name, roles, lifeMs } = request
  const unfit = reservedName(name)
  if (unfit) return refused(unfit)
  const owner = call.caller?.uri ?? '-'
  const change = {
    action: 'operator.add',
    target: name.toWellFormed(),
    detail: { roles: roles.join(' ') },
  }
  const created = await recorded(services, { call, change }, () =>
    services.tokens.create({
      name,
      kind: 'user',
      profile: AUTHORITY_PROFILE.name,
      owner,
      lifeMs,
      roles,
    }),
  )
  return isRefusal(created) ? refused(created) : tokenAnswer(services, created)
}

async function changeRoles(services: AuthorityServices, call: RouteCall): Promise<RouteAnswer> {
  const user = userOf(named(services, call))
  if (isRefusal(user)) return refused(user)
  const request = parseBody<RolesRequest>(rolesRequest, call.body)
  if (isRefusal(request)) return refused(request)
  const { roles } = request
  const unfit = approverProblem(user, roles, call)
  if (unfit) return refused(unfit)
  const change = {
    action: 'operator.role',
    target: user.uri,
    detail: { before: user.roles.join(' '), roles: roles.join(' ') },
  }
  const done = await recorded(services, { call, change }, () =>
    services.locks.setRoles(user.id, roles),
  )
  return isRefusal(done) ? refused(done) : json({ name: user.name, roles })
}

/** Who decides alone on both would be two people in one; with another admin there are two. */
function approverProblem(
  user: PrincipalRecord,
  roles: readonly Role[],
  { caller }: RouteCall,
): Refusal | undefined {
  const isGained = roles.includes('approver') && !user.roles.includes('approver')
  if (!isGained || user.id !== caller?.id) return undefined
  return refuse('KOS_AUTHORITY_GUARD', 'approver/self', {
    remedy: 'Ask another admin: nobody makes an approver of themselves.',
  })
}

async function removeUser(services: AuthorityServices, call: RouteCall): Promise<RouteAnswer> {
  const user = userOf(another(services, call, 'remove'))
  if (isRefusal(user)) return refused(user)
  const change = { action: 'operator.remove', target: user.uri }
  const done = await recorded(services, { call, change }, () => services.locks.remove(user.id))
  return isRefusal(done) ? refused(done) : json({ removed: true })
}

function userOf(found: PrincipalRecord | Refusal): PrincipalRecord | Refusal {
  if (isRefusal(found) || found.kind === 'user') return found
  return refuse('KOS_AUTHORITY_NOT_FOUND', 'user/unknown', {
    remedy: 'List the operators with "kosctl operator list".',
  })
}
