import {
  isRefusal,
  KosError,
  parseDeviceId,
  parseJson,
  refuse,
  type Refusal,
  validate,
  type z,
} from '../../foundation/base/index.ts'
import type { PrincipalRecord } from '../../lifecycle/enrolment/index.ts'
import { manifestUpload, type PrincipalPatch, principalPatch } from './api-schema.ts'
import { AUTHORITY_NAME } from './authority-state.ts'
import { json, refused, type Route, type RouteAnswer, type RouteCall } from './http-types.ts'
import type { AuthorityServices } from './services.ts'
import { principalViewOf } from './views.ts'

const SMALL_BODY = 16 * 1024
/** A manifest of 8 MiB whose quotes are escaped. */
const MANIFEST_BODY = 12 * 1024 * 1024
const MAX_AUDIT_PAGE = 1000

/** Routes of operators and members: what `kosctl` needs, and nothing else. */
export function operatorRoutes(services: AuthorityServices): readonly Route[] {
  return [...principalRoutes(services), ...policyRoutes(services), ...auditRoutes(services)]
}

function principalRoutes(services: AuthorityServices): readonly Route[] {
  const path = '/v1/principals/:name'
  return [
    {
      method: 'GET',
      path: '/v1/principals',
      guard: 'viewer',
      maxBytes: 0,
      handle: () => {
        const connected = services.connected()
        const principals = services.registry
          .principals()
          .map((record) => principalViewOf(record, connected.has(record.uri)))
        return json({ principals })
      },
    },
    {
      method: 'GET',
      path,
      guard: 'viewer',
      maxBytes: 0,
      handle: (call) => {
        const principal = named(services, call)
        return isRefusal(principal) ? refused(principal) : json(view(services)(principal))
      },
    },
    {
      method: 'PATCH',
      path,
      guard: 'operator',
      maxBytes: SMALL_BODY,
      handle: (call) => changePrincipal(services, call),
    },
    {
      method: 'GET',
      path: '/v1/objects',
      guard: 'member',
      maxBytes: 0,
      handle: () =>
        json({
          directory: base64(services.publisher.directory()),
          locks: base64(services.publisher.locks()),
          manifest: base64(services.publisher.manifest()),
        }),
    },
  ]
}

function policyRoutes(services: AuthorityServices): readonly Route[] {
  return [
    {
      method: 'GET',
      path: '/v1/manifest',
      guard: 'viewer',
      maxBytes: 0,
      handle: () => json({ manifest: services.publisher.manifestText() }),
    },
    {
      method: 'PUT',
      path: '/v1/manifest',
      guard: 'admin',
      maxBytes: MANIFEST_BODY,
      handle: async (call) => {
        const upload = parseBody(manifestUpload, call.body)
        if (isRefusal(upload)) return refused(upload)
        const change = { action: 'manifest.put', target: 'fleet' }
        const stored = await recorded(services, { call, change }, () =>
          services.publisher.putManifest(upload.manifest),
        )
        return isRefusal(stored) ? refused(stored) : json(stored)
      },
    },
  ]
}

function auditRoutes(services: AuthorityServices): readonly Route[] {
  return [
    {
      method: 'GET',
      path: '/v1/audit',
      guard: 'auditor',
      maxBytes: 0,
      handle: async (call) => {
        const from = Number(call.query['from'] ?? '0')
        const limit = Number(call.query['limit'] ?? '100')
        const fits = Number.isSafeInteger(from) && Number.isSafeInteger(limit) && limit > 0
        if (!fits) return refused(refuse('KOS_AUTHORITY_REQUEST', 'audit/range'))
        return json(await services.auditPage(from, Math.min(limit, MAX_AUDIT_PAGE)))
      },
    },
    {
      method: 'GET',
      path: '/v1/audit/verify',
      guard: 'auditor',
      maxBytes: 0,
      handle: async (call) => {
        const fromSize = Number(call.query['from'] ?? '0')
        if (!(Number.isSafeInteger(fromSize) && fromSize >= 0)) {
          return refused(refuse('KOS_AUTHORITY_REQUEST', 'audit/range'))
        }
        return json(await services.auditVerify(fromSize))
      },
    },
    {
      method: 'GET',
      path: '/v1/audit/members',
      guard: 'auditor',
      maxBytes: 0,
      handle: async () => json({ members: await services.auditMembers() }),
    },
    {
      method: 'GET',
      path: '/v1/checks',
      guard: 'viewer',
      maxBytes: 0,
      handle: () => json({ checks: services.checks() }),
    },
  ]
}

async function changePrincipal(services: AuthorityServices, call: RouteCall): Promise<RouteAnswer> {
  const principal = changeable(services, call)
  if (isRefusal(principal)) return refused(principal)
  const patch = parseBody<PrincipalPatch>(principalPatch, call.body)
  if (isRefusal(patch)) return refused(patch)
  const unfit =
    patch.name === undefined ? undefined : renameProblem(services, principal, patch.name)
  if (unfit) return refused(unfit)
  const change = { action: 'device.change', target: principal.uri }
  await recorded(services, { call, change }, async () => {
    await services.registry.change(principal.id, {
      ...(patch.name !== undefined && { name: patch.name }),
      ...(patch.groups && { groups: patch.groups }),
      ...(patch.labels && { labels: mergeLabels(principal.labels, patch.labels) }),
    })
    services.publisher.refreshDirectory()
  })
  const changed = services.registry.principal(principal.id) ?? principal
  return json(view(services)(changed))
}

/** The directory refuses a name that two principals have, and so every node would. */
export function reservedName(name: string): Refusal | undefined {
  if (name !== AUTHORITY_NAME) return undefined
  return refuse('KOS_ENROLMENT_NAME_TAKEN', 'name/authority', {
    remedy: 'Choose another name: this one is the authority’s.',
  })
}

function renameProblem(
  services: AuthorityServices,
  principal: PrincipalRecord,
  name: string,
): Refusal | undefined {
  const taken = services.registry.principalNamed(name)
  if (taken && taken.id !== principal.id) {
    return refuse('KOS_ENROLMENT_NAME_TAKEN', 'name/principal')
  }
  // A name that reads as an id could be taken for another device.
  if (parseDeviceId(name) !== undefined) return refuse('KOS_AUTHORITY_REQUEST', 'name/id')
  return reservedName(name)
}

function mergeLabels(
  labels: Readonly<Record<string, string>>,
  changes: Readonly<Record<string, string | null>>,
): Record<string, string> {
  const merged = new Map(Object.entries(labels))
  for (const [key, value] of Object.entries(changes)) {
    if (value === null) merged.delete(key)
    else merged.set(key, value)
  }
  return Object.fromEntries(merged)
}

/** The principal that the path names, unless it was removed. */
export function named(services: AuthorityServices, call: RouteCall): PrincipalRecord | Refusal {
  const name = call.parameters['name'] ?? ''
  const found = services.registry.principalNamed(name) ?? services.registry.principal(name)
  return found && found.state !== 'removed'
    ? found
    : refuse('KOS_AUTHORITY_NOT_FOUND', 'principal/unknown', {
        remedy: 'List the names with "kosctl devices".',
      })
}

/** The principal that the path names; people are changed by admins alone: groups are rights too. */
export function changeable(
  services: AuthorityServices,
  call: RouteCall,
): PrincipalRecord | Refusal {
  const principal = named(services, call)
  return isRefusal(principal) ? principal : (peopleProblem(principal, call) ?? principal)
}

/** Why a caller may not change somebody, who may be only invited yet: people are admins' business. */
export function peopleProblem(
  { kind }: Pick<PrincipalRecord, 'kind'>,
  call: RouteCall,
): Refusal | undefined {
  if (kind !== 'user' || call.caller?.roles.includes('admin')) return undefined
  return refuse('KOS_AUTHORITY_GUARD', 'guard/admin/user', {
    remedy: 'A user is changed by an admin: kosctl operator list.',
  })
}

function view(services: AuthorityServices): (record: PrincipalRecord) => unknown {
  return (record) => principalViewOf(record, services.isConnected(record.uri))
}

/** Reads a JSON body. */
export function parseBody<T>(schema: z.ZodType<T>, body: Uint8Array): T | Refusal {
  const parsed = parseJson(Buffer.from(body).toString('utf8'), MANIFEST_BODY)
  if (isRefusal(parsed)) return refuse('KOS_AUTHORITY_REQUEST', `body/${parsed.rule}`)
  const checked = validate(schema, parsed.value)
  return checked.allow ? checked.value : checked
}

/** What an operator is about to do. */
export interface Change<T = unknown> {
  readonly action: string
  readonly target: string
  readonly detail?: AuditDetail
  /** What is known of it only once it is done. */
  readonly detailOf?: (done: T) => AuditDetail
}

type AuditDetail = Readonly<Record<string, string | number | boolean>>

/** Makes a change between two durable records: that it begins, and how it ended. */
export async function recorded<T>(
  services: AuthorityServices,
  of: { readonly call: RouteCall; readonly change: Change<Exclude<Awaited<T>, Refusal>> },
  work: () => T | Promise<T>,
): Promise<T> {
  const { detailOf, ...change } = of.change
  const event = { type: 'admin', actor: of.call.caller?.uri ?? '-', ...change } as const
  await services.record({ ...event, outcome: 'intent' })
  let done: T
  try {
    done = await work()
  } catch (error) {
    const code = error instanceof KosError ? String(error.code) : 'KOS_AUTHORITY_INTERNAL'
    await services.record({ ...event, outcome: 'failed', code }).catch(() => undefined)
    throw error
  }
  if (isRefusal(done)) {
    await services.record({ ...event, outcome: 'refused', code: done.code, rule: done.rule })
  } else {
    const found = detailOf?.(done as Exclude<Awaited<T>, Refusal>)
    const detail = (change.detail ?? found) && { ...change.detail, ...found }
    await services.record({ ...event, outcome: 'ok', ...(detail && { detail }) })
  }
  return done
}

function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('base64')
}
